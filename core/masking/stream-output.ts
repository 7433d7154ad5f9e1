/** What a redactor lets go of one stretch of text: kept as it is, or masked; the sequences of terminals stay where they were. */
import { hitMask } from './detectors.ts';
import type { StreamText } from './stream-text.ts';

export type Redacted = {
  /** What is let go, in this order: mostly parts of the bytes that were pushed, so it is valid only as long as those are. */
  readonly pieces: readonly Buffer[];
  /** Matches that were replaced in them. */
  readonly detected: number;
};

/** Places are those of the text, in ascending order; what is let go is made of the stream's own bytes. */
export class StreamOutput {
  detected = 0;
  private readonly stream: StreamText;
  /** Bytes before this place were let go before. */
  private readonly released: number;
  private readonly pieces: Buffer[] = [];
  private sequence = 0;
  /** Bytes of the sequences so far. */
  private shift = 0;
  /** The bytes before this place are decided. */
  private raw = 0;
  private from = 0;
  private to = 0;

  constructor(stream: StreamText, released: number) {
    this.stream = stream;
    this.released = released;
  }

  /** Keeps all up to `end`. */
  keep(end: number): void {
    const to = this.rawEnd(end);
    this.emit(this.raw, to);
    this.raw = to;
  }

  /** Puts the detector's mask in place of `[start, end)`; what is before `start` was decided. */
  mask(detector: string, start: number, end: number): void {
    this.hide(start, true);
    if (this.lastByte(end) >= this.released) {
      this.endPiece();
      this.pieces.push(Buffer.from(hitMask({ start, end, detector })));
      this.detected++;
    }
    this.hide(end, false);
  }

  /** Drops text up to `end`, but no sequence in it; with `behind`, those just before the byte at `end` are kept too. */
  hide(end: number, behind = false): void {
    const { at, from, to } = this.stream;
    const last = behind ? end : end - 1;
    for (let next = at[this.sequence]; next !== undefined && next <= last; next = at[this.sequence]) {
      const start = from[this.sequence] ?? 0;
      const stop = to[this.sequence] ?? 0;
      this.emit(start, stop);
      this.shift += stop - start;
      this.sequence++;
    }
    this.raw = end + this.shift;
  }

  /** How many of the bytes are done with when all text up to `end` is. */
  rawEnd(end: number): number {
    const { bytes, text, at, from, to, unfinishedBytes } = this.stream;
    if (end === text.length) return bytes.length - unfinishedBytes;
    for (let next = at[this.sequence]; next !== undefined && next < end; next = at[this.sequence]) {
      this.shift += (to[this.sequence] ?? 0) - (from[this.sequence] ?? 0);
      this.sequence++;
    }
    return end + this.shift;
  }

  /** All that was let go, where all text up to `end` is done with. */
  finish(end: number): Redacted {
    if (end === this.stream.text.length) this.keep(end);
    this.endPiece();
    // Many small pieces cost more than one copy.
    return { pieces: this.pieces.length > 1 ? [Buffer.concat(this.pieces)] : this.pieces, detected: this.detected };
  }

  /** Where in the bytes the last byte of the text before `end` is. */
  private lastByte(end: number): number {
    const { at, from, to } = this.stream;
    let raw = end - 1 + this.shift;
    for (let next = this.sequence; (at[next] ?? end) < end; next++) raw += (to[next] ?? 0) - (from[next] ?? 0);
    return raw;
  }

  private emit(start: number, end: number): void {
    const from = Math.max(start, this.released);
    if (from >= end) return;
    if (from !== this.to) {
      this.endPiece();
      this.from = from;
    }
    this.to = end;
  }

  private endPiece(): void {
    if (this.to > this.from) this.pieces.push(this.stream.bytes.subarray(this.from, this.to));
    this.from = this.to;
  }
}
