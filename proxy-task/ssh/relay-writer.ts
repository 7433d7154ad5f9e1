/**
 * The sending side of one channel: standard output and standard error in one order, one write at a time, none while the
 * connection is busy or the peer's window is closed.
 */
import type { Writable } from 'node:stream';
import type { Channel } from 'ssh2';
import { forgetSentChunks, sendEof, sendingState } from './channel-internals.ts';
import type { RelayWire } from './relay-wire.ts';

type Piece = { readonly to: Writable; readonly bytes: Buffer; readonly written: () => void };

export class RelayWriter {
  readonly #channel: Channel;
  readonly #wire: RelayWire;
  readonly #pieces: Piece[] = [];
  #next = 0;
  #writing = false;
  #waiting = false;
  #ended = false;
  #atEnd: (() => void)[] = [];

  constructor(channel: Channel, wire: RelayWire) {
    this.#channel = channel;
    this.#wire = wire;
  }

  /** `written` is called once the bytes are on their way; never, where the channel closes before. */
  write(bytes: Buffer, stream: 'stdout' | 'stderr', written: () => void): void {
    if (this.#ended) return;
    // Standard error of a channel that we serve is a stream that takes bytes.
    const to = stream === 'stdout' ? this.#channel : (this.#channel.stderr as unknown as Writable);
    this.#pieces.push({ to, bytes, written });
    this.#pump();
  }

  /** Ends the data once all of it is sent; `ended` is called then. */
  end(ended: () => void): void {
    this.#ended = true;
    this.#atEnd.push(ended);
    this.#pump();
  }

  readonly #pump = (): void => {
    this.#waiting = false;
    if (this.#writing) return;
    const piece = this.#pieces[this.#next];
    if (piece === undefined) {
      this.#pieces.length = 0;
      this.#next = 0;
      if (this.#ended) this.#finish();
      return;
    }
    if (sendingState(this.#channel) !== 'open') {
      this.#drop();
      return;
    }
    if (this.#wire.isBusy) {
      this.#wait();
      return;
    }
    this.#next += 1;
    this.#writing = true;
    forgetSentChunks(this.#channel);
    this.#wire.gather();
    piece.to.write(piece.bytes, () => {
      this.#writing = false;
      piece.written();
      this.#pump();
    });
  };

  #wait(): void {
    if (this.#waiting) return;
    this.#waiting = true;
    this.#wire.whenReady(this.#pump);
  }

  /** The peer takes nothing any longer: its window will not open again. */
  #drop(): void {
    this.#pieces.length = 0;
    this.#next = 0;
    if (this.#ended) this.#finish();
  }

  #finish(): void {
    const ended = this.#atEnd;
    this.#atEnd = [];
    if (ended.length === 0) return;
    if (sendingState(this.#channel) === 'open') sendEof(this.#channel);
    for (const tell of ended) tell();
  }
}
