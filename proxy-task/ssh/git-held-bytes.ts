/** Bytes that came in pieces and are read as one: each is copied once, however small the pieces are. */

const FIRST_BYTES = 4_096;

export class GitHeldBytes {
  readonly #maxBytes: number;
  #bytes = Buffer.alloc(0);
  #start = 0;
  #end = 0;

  /** Whoever appends asks `free` first. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get length(): number {
    return this.#end - this.#start;
  }

  /** How many bytes may still be appended. */
  get free(): number {
    return this.#maxBytes - this.length;
  }

  /** What is held, until the next call that changes it. */
  get view(): Buffer {
    return this.#bytes.subarray(this.#start, this.#end);
  }

  /** Throws a plain Error when there is no room. */
  append(chunk: Buffer): void {
    if (chunk.length > this.free) throw new Error('more bytes than may be held');
    if (this.#end + chunk.length > this.#bytes.length) this.#makeRoom(chunk.length);
    this.#end += chunk.copy(this.#bytes, this.#end);
  }

  /** Forgets the first bytes. */
  skip(bytes: number): void {
    this.#start += bytes;
    if (this.#start < this.#end) return;
    this.#start = 0;
    this.#end = 0;
  }

  /** All that is held, for the caller to keep; nothing is held any more. */
  take(): Buffer {
    const taken = this.view;
    this.#bytes = Buffer.alloc(0);
    this.#start = 0;
    this.#end = 0;
    return taken;
  }

  #makeRoom(bytes: number): void {
    const needed = this.length + bytes;
    const grown = Buffer.allocUnsafe(Math.max(FIRST_BYTES, Math.min(2 * needed, this.#maxBytes)));
    this.#end = this.view.copy(grown, 0);
    this.#start = 0;
    this.#bytes = grown;
  }
}
