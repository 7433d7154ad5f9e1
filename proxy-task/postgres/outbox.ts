/** Bytes on their way out, in order. Neighbouring ranges of one buffer are joined, so that what passes unchanged is not copied. */
import type { ByteSink } from '../../core/masking/byte-sink.ts';
import type { SinkPool } from './sink-pool.ts';

/** What goes out in one go. */
export type Outgoing = {
  readonly pieces: readonly Buffer[];
  /** Holds some of the pieces: goes back to the pool once they are written. */
  readonly sink: ByteSink | undefined;
};

export class Outbox {
  readonly #pool: SinkPool | undefined;
  #pieces: Buffer[] = [];
  #buffer: Buffer | undefined;
  #start = 0;
  #end = 0;
  #sink: ByteSink | undefined;

  /** Without a pool there is no `sink`. */
  constructor(pool?: SinkPool) {
    this.#pool = pool;
  }

  get isEmpty(): boolean {
    return this.#buffer === undefined && this.#pieces.length === 0;
  }

  /** Where bytes that are made here are written, to be added as ranges of its `bytes`. Another one after each `take`. */
  get sink(): ByteSink {
    if (this.#sink === undefined) {
      if (this.#pool === undefined) throw new Error('an outbox without a pool has no sink');
      this.#sink = this.#pool.take();
    }
    return this.#sink;
  }

  /** A range of a buffer that is not written to again before `take`'s pieces are sent. */
  add(buffer: Buffer, start: number, end: number): void {
    if (this.#buffer === buffer && this.#end === start) {
      this.#end = end;
      return;
    }
    const sink = this.#sink;
    if (sink !== undefined && end - start <= SHORT_BYTES && buffer !== sink.bytes) {
      // Beside bytes that were made here, a copy costs less than one more piece.
      const from = sink.length;
      sink.append(buffer, start, end);
      this.#add(sink.bytes, from, sink.length);
    } else this.#add(buffer, start, end);
  }

  addMessage(message: Buffer): void {
    this.add(message, 0, message.length);
  }

  /**
   * Everything added since the last call, small pieces joined. Ranges of `shared`, a buffer that is read into again, are
   * copied, since a socket may keep what it is given for longer.
   */
  take(shared?: Buffer): Outgoing {
    this.#close();
    const pieces = this.#pieces;
    let sink = this.#sink;
    this.#pieces = [];
    this.#sink = undefined;
    if (pieces.length > 1 || sink !== undefined) {
      let bytes = 0;
      for (const piece of pieces) bytes += piece.length;
      if (bytes <= JOIN_BYTES) {
        const joined = bytes === 0 ? [] : [Buffer.concat(pieces, bytes)];
        if (sink !== undefined) this.#pool?.put(sink);
        return { pieces: joined, sink: undefined };
      }
    }
    if (shared !== undefined) {
      for (let at = 0; at < pieces.length; at += 1) {
        const piece = pieces[at];
        if (piece === undefined || piece.buffer !== shared.buffer) continue;
        if (piece.length <= JOIN_BYTES || this.#pool === undefined) pieces[at] = Buffer.from(piece);
        else {
          sink ??= this.#pool.take();
          const from = sink.length;
          sink.append(piece);
          pieces[at] = sink.bytes.subarray(from, sink.length);
        }
      }
    }
    return { pieces, sink };
  }

  #add(buffer: Buffer, start: number, end: number): void {
    if (this.#buffer === buffer && this.#end === start) {
      this.#end = end;
      return;
    }
    this.#close();
    this.#buffer = buffer;
    this.#start = start;
    this.#end = end;
  }

  #close(): void {
    if (this.#buffer === undefined) return;
    this.#pieces.push(
      this.#start === 0 && this.#end === this.#buffer.length ? this.#buffer : this.#buffer.subarray(this.#start, this.#end),
    );
    this.#buffer = undefined;
  }
}

/** Below this, one copy is cheaper than a second system call. */
const JOIN_BYTES = 32 * 1024;
const SHORT_BYTES = 1024;
