/**
 * HMAC-SHA-256 (RFC 2104) of short messages by two hashes over memory of its own: making an Hmac object costs three times
 * what it computes, and every execution with parameters has a digest.
 */
import { createHmac, hash } from 'node:crypto';

const BLOCK_BYTES = 64;
const DIGEST_BYTES = 32;
const MAX_SHORT_BYTES = 1024;

export class KeyedDigest {
  readonly #key: Uint8Array;
  /** The padded key, then the message; the padded key, then the inner digest. */
  readonly #inner = Buffer.alloc(BLOCK_BYTES + MAX_SHORT_BYTES);
  readonly #outer = Buffer.alloc(BLOCK_BYTES + DIGEST_BYTES);

  /** The key has at most the 64 bytes of one block. */
  constructor(key: Uint8Array) {
    if (key.length > BLOCK_BYTES) throw new Error('a key of more than one block');
    this.#key = key;
    for (let at = 0; at < BLOCK_BYTES; at += 1) {
      this.#inner[at] = (key[at] ?? 0) ^ 0x36;
      this.#outer[at] = (key[at] ?? 0) ^ 0x5c;
    }
  }

  /** The digest of the parts one after the other, in hex. Texts are UTF-8. */
  hex(parts: readonly (string | Uint8Array)[]): string {
    let end = BLOCK_BYTES;
    for (const part of parts) {
      // A UTF-16 code unit is at most three bytes of UTF-8.
      const most = typeof part === 'string' ? part.length * 3 : part.length;
      if (end + most > this.#inner.length) return this.#long(parts);
      if (typeof part === 'string') end += this.#inner.write(part, end);
      else {
        this.#inner.set(part, end);
        end += part.length;
      }
    }
    this.#outer.write(hash('sha256', this.#inner.subarray(0, end), 'hex'), BLOCK_BYTES, 'hex');
    return hash('sha256', this.#outer, 'hex');
  }

  #long(parts: readonly (string | Uint8Array)[]): string {
    const hmac = createHmac('sha256', this.#key);
    for (const part of parts) hmac.update(part);
    return hmac.digest('hex');
  }
}
