/** Buffers that released bytes are copied into until their flush; idle sessions hold none. */
const CHUNK_BYTES = 256 * 1024;
/** Chunks kept for the next flush: as many sessions as release rows at the same instant. */
const KEPT_CHUNKS = 16;

export class ContentPool {
  private readonly kept: Buffer[] = [];

  /** A buffer with what `held` has up to `end`, and room for `bytes` more. */
  grow(held: Buffer | undefined, end: number, bytes: number): Buffer {
    if (held !== undefined && end + bytes <= held.length) return held;
    const needed = end + bytes;
    if (held === undefined && needed <= CHUNK_BYTES) return this.kept.pop() ?? Buffer.allocUnsafeSlow(CHUNK_BYTES);
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, (held?.length ?? CHUNK_BYTES) * 2));
    if (held !== undefined) {
      held.copy(larger, 0, 0, end);
      this.release(held);
    }
    return larger;
  }

  release(buffer: Buffer): void {
    if (buffer.length === CHUNK_BYTES && this.kept.length < KEPT_CHUNKS) this.kept.push(buffer);
  }
}
