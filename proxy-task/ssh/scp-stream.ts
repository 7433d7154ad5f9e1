/** What one side of scp has sent and the machine has not taken yet. */
import { MalformedMessage } from './messages/malformed-message.ts';
import { MAX_LINE_BYTES } from './messages/scp-record.ts';

const LINE_FEED = 0x0a;

export class ByteQueue {
  readonly #maxBytes: number;
  #chunks: Buffer[] = [];
  #bytes = 0;

  /** Beyond `maxBytes` the sender does not wait for answers, as scp does: it is not scp. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Throws MalformedMessage. */
  push(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes > this.#maxBytes) throw new MalformedMessage('scp sends on without waiting for an answer');
  }

  /** The next byte, which stays. */
  peek(): number | undefined {
    return this.#chunks[0]?.[0];
  }

  /** At most so many bytes, of one chunk. */
  take(maxBytes: number): Buffer {
    const [first] = this.#chunks;
    if (first === undefined) return Buffer.alloc(0);
    const taken = first.subarray(0, maxBytes);
    this.#bytes -= taken.length;
    if (taken.length === first.length) this.#chunks.shift();
    else this.#chunks[0] = first.subarray(taken.length);
    return taken;
  }

  /** A line with its line feed, once it is whole. Throws MalformedMessage where it is too long. */
  takeLine(): Buffer | undefined {
    let length = 0;
    for (const [index, chunk] of this.#chunks.entries()) {
      const at = chunk.indexOf(LINE_FEED);
      length += at < 0 ? chunk.length : at + 1;
      if (length > MAX_LINE_BYTES) throw new MalformedMessage('a line of scp that is too long');
      if (at < 0) continue;
      const parts = [...this.#chunks.slice(0, index), chunk.subarray(0, at + 1)];
      const rest = chunk.subarray(at + 1);
      this.#chunks = [...(rest.length === 0 ? [] : [rest]), ...this.#chunks.slice(index + 1)];
      this.#bytes -= length;
      return Buffer.concat(parts);
    }
    return undefined;
  }

  clear(): void {
    this.#chunks = [];
    this.#bytes = 0;
  }
}
