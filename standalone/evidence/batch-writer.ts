/** Turns events and content in hand into one batch and one write. */
import { hash as sha256 } from 'node:crypto';
import { batchLine, NO_BATCH, type Owner } from '../../core/evidence/batch.ts';
import type { ChainHead } from '../../core/evidence/spine.ts';
import type { AppendFile } from './append-files.ts';

const SCRATCH_BYTES = 256 * 1024;
/** Content up to this size is copied behind its line. */
const JOINED_BYTES = 16 * 1024;
const LINE_FEED = Buffer.from('\n');

/** Memory that batches are put together in; one per recorder, since a write is over before the next begins. */
export type Scratch = { readonly line: Buffer };

export function createScratch(): Scratch {
  return { line: Buffer.allocUnsafeSlow(SCRATCH_BYTES) };
}

/** The chain of one owner: knows the last hash, writes the next batch. */
export class BatchWriter {
  private readonly owner: Owner;
  private readonly scratch: Scratch;
  private next = 0;
  private prev = NO_BATCH;

  constructor(owner: Owner, scratch: Scratch) {
    this.owner = owner;
    this.scratch = scratch;
  }

  get head(): ChainHead {
    return { batch: this.next - 1, hash: this.prev };
  }

  /** Number of bytes written. Throws what the file throws; nothing may be written to the file after that. */
  write(file: AppendFile, events: string, content?: Buffer, kept = true): number {
    const hangs = content === undefined ? undefined : { bytes: content.length, sha256: sha256('sha256', content, 'hex'), kept };
    const line = this.encode(batchLine(this.owner, this.next, this.prev, events, hangs));
    const hash = sha256('sha256', line.subarray(0, -1), 'hex');
    if (content === undefined || !kept) file.write([line]);
    else file.write(this.joined(line, content) ?? [line, content, LINE_FEED]);
    this.prev = hash;
    this.next += 1;
    return line.length + (content === undefined || !kept ? 0 : content.length + 1);
  }

  /** A small batch in one piece: a second system buffer costs more than the copy. Undefined where it does not fit. */
  private joined(encoded: Buffer, content: Buffer): readonly Buffer[] | undefined {
    const { line } = this.scratch;
    const end = encoded.length + content.length;
    if (encoded.buffer !== line.buffer || content.length > JOINED_BYTES || end >= line.length) return undefined;
    line.set(content, encoded.length);
    line[end] = 0x0a;
    return [line.subarray(0, end + 1)];
  }

  private encode(text: string): Buffer {
    const { line } = this.scratch;
    // A UTF-16 code unit is at most three bytes of UTF-8.
    if (text.length * 3 + 1 > line.length) return Buffer.from(`${text}\n`);
    const end = line.write(text);
    line[end] = 0x0a;
    return line.subarray(0, end + 1);
  }
}
