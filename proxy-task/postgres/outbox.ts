/** Bytes on their way out, in order. Neighbouring ranges of one buffer are joined, so that what passes unchanged is not copied. */
export class Outbox {
  #pieces: Buffer[] = [];
  #buffer: Buffer | undefined;
  #start = 0;
  #end = 0;

  get isEmpty(): boolean {
    return this.#buffer === undefined && this.#pieces.length === 0;
  }

  /** A range of a buffer that is not written to again before `take`'s pieces are sent. */
  add(buffer: Buffer, start: number, end: number): void {
    if (this.#buffer === buffer && this.#end === start) {
      this.#end = end;
      return;
    }
    this.#close();
    this.#buffer = buffer;
    this.#start = start;
    this.#end = end;
  }

  addMessage(message: Buffer): void {
    this.add(message, 0, message.length);
  }

  /**
   * Everything added since the last call, small pieces joined. Ranges of `shared`, a buffer that is read into again, are
   * copied, since a socket may keep what it is given for longer.
   */
  take(shared?: Buffer): readonly Buffer[] {
    this.#close();
    const pieces = this.#pieces;
    this.#pieces = [];
    if (pieces.length > 1) {
      let bytes = 0;
      for (const piece of pieces) bytes += piece.length;
      if (bytes <= JOIN_BYTES) return [Buffer.concat(pieces, bytes)];
    }
    return shared === undefined ? pieces : pieces.map((piece) => (piece.buffer === shared.buffer ? Buffer.from(piece) : piece));
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
