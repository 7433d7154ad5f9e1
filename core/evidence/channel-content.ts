/** Which bytes of a recording's content belong to which `channel.data` event: those that were not taken yet, in order. */
import type { RecordedBatch } from './recordings.ts';

export class ChannelContent {
  private readonly waiting: { bytes: Buffer | undefined; length: number }[] = [];

  /** The content of the next batch; what of it was not kept, or was lost, keeps its place. */
  add({ content, unkeptBytes, lostBytes }: Pick<RecordedBatch, 'content' | 'unkeptBytes' | 'lostBytes'>): void {
    if (content.length > 0) this.waiting.push({ bytes: content, length: content.length });
    if (unkeptBytes + lostBytes > 0) this.waiting.push({ bytes: undefined, length: unkeptBytes + lostBytes });
  }

  /** The next `length` bytes, without those that are missing. */
  take(length: number): { readonly bytes: Buffer; readonly missing: number } {
    const pieces: Buffer[] = [];
    let left = length;
    for (let next = this.waiting[0]; next !== undefined && left > 0; next = this.waiting[0]) {
      const taken = Math.min(left, next.length);
      left -= taken;
      if (next.bytes !== undefined) {
        pieces.push(next.bytes.subarray(0, taken));
        next.bytes = next.bytes.subarray(taken);
      }
      next.length -= taken;
      if (next.length === 0) this.waiting.shift();
    }
    const bytes = pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces);
    return { bytes, missing: length - bytes.length };
  }
}
