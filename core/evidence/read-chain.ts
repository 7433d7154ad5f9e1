/** Reads the batches of a file through the port, in large pieces and one buffer. */
import { createHash } from 'node:crypto';
import type { FoundBatch } from './batch.ts';
import { BatchReader } from './batch-reader.ts';
import type { EvidenceFile, EvidenceSource } from './source.ts';
import type { TornTail } from './spine.ts';

/** What a crash can leave is one batch at most; of more, which a forged file can pretend to have without end, only so much is read. */
const MAX_TAIL_BYTES = 256 * 1024 * 1024;

/** How the bytes of a file ended. */
export type FileEnd = {
  /** Behind the last whole batch. */
  readonly endByte: number;
  readonly tail: TornTail | undefined;
  /** Set where the tail is not just a batch cut short. */
  readonly unreadable: string | undefined;
};

/** One file of batches, read as far as it is asked for: spines are followed in step with the leaves of the tree. */
export class ChainCursor {
  readonly path: string;
  private readonly file: EvidenceFile;
  private readonly buffer: Buffer;
  private readonly found: FoundBatch[] = [];
  private readonly reader: BatchReader;
  private taken = 0;
  private atByte = 0;
  private ended = false;

  /** The buffer holds nothing between calls: cursors that are not read at the same time may share one. */
  constructor(path: string, file: EvidenceFile, buffer: Buffer, torn: boolean) {
    this.path = path;
    this.file = file;
    this.buffer = buffer;
    this.reader = new BatchReader({ batch: (batch) => this.found.push(batch) }, { torn });
  }

  /** The next whole batch, or undefined at the end of what can be read. */
  async next(): Promise<FoundBatch | undefined> {
    while (this.taken === this.found.length) {
      if (this.ended || this.reader.unreadable !== undefined) return undefined;
      this.found.length = 0;
      this.taken = 0;
      const bytes = await this.file.read(this.buffer, this.atByte);
      this.atByte += bytes;
      if (bytes === 0) this.ended = true;
      else this.reader.push(this.buffer.subarray(0, bytes));
    }
    return this.found[this.taken++];
  }

  /**
   * Closes the file, and says what stands behind its last whole batch, or behind `cutAtByte`: where a later writer ended
   * the chain, whatever follows is its tail.
   */
  async finish(cutAtByte?: number): Promise<FileEnd> {
    const { unreadable } = this.reader;
    const endByte = cutAtByte ?? this.reader.endByte;
    const hash = createHash('sha256');
    let bytes = 0;
    // A live file may have grown since its last batch was read: only what was read then is its tail.
    const limit = unreadable === undefined && cutAtByte === undefined ? this.atByte - endByte : MAX_TAIL_BYTES;
    while (bytes < limit) {
      const piece = Math.min(await this.file.read(this.buffer, endByte + bytes), limit - bytes);
      if (piece <= 0) break;
      hash.update(this.buffer.subarray(0, piece));
      bytes += piece;
    }
    await this.file.close();
    return { endByte, tail: bytes === 0 ? undefined : { bytes, sha256: hash.digest('hex') }, unreadable };
  }
}

/** Opens a file of batches, with `torn` a torn segment; undefined where there is none. */
export async function openChain(
  source: EvidenceSource,
  path: string,
  buffer: Buffer,
  { torn = false }: { readonly torn?: boolean } = {},
): Promise<ChainCursor | undefined> {
  const file = await source.open(path);
  return file === undefined ? undefined : new ChainCursor(path, file, buffer, torn);
}
