/** Chains of batches written by hand: lines, and files of them. */
import { createHash } from 'node:crypto';
import { batchLine, NO_BATCH, type Owner } from '../../core/evidence/batch.ts';
import { canonicalJson } from '../../core/evidence/canonical-json.ts';
import type { ChainHead } from '../../core/evidence/spine.ts';

/** `at` of every event. */
export const WRITTEN_AT = '2026-11-20T09:00:00.000Z';

export type WrittenBatch = { readonly line: Buffer; readonly content?: Buffer };

/** One chain; every call of `add` makes its next batch. */
export class ChainedLines {
  readonly batches: WrittenBatch[] = [];
  private readonly owner: Owner;
  private prev = NO_BATCH;
  private seq = 0;

  constructor(owner: Owner) {
    this.owner = owner;
  }

  get head(): ChainHead {
    return { batch: this.batches.length - 1, hash: this.prev };
  }

  get events(): number {
    return this.seq;
  }

  get lines(): Buffer[] {
    return this.batches.map(({ line }) => line);
  }

  add(events: readonly object[], content?: Buffer): this {
    const texts = events.map((event) => canonicalJson({ ...event, at: WRITTEN_AT, monoUs: 1, seq: this.seq++ }));
    const hangs = content && { bytes: content.length, sha256: createHash('sha256').update(content).digest('hex'), kept: true };
    const line = Buffer.from(batchLine(this.owner, this.batches.length, this.prev, texts.join(','), hangs));
    this.prev = createHash('sha256').update(line).digest('hex');
    this.batches.push({ line, ...(content === undefined ? {} : { content }) });
    return this;
  }
}

const LINE_FEED = Buffer.from('\n');

/** A segment of these batches. */
export function segmentOf(batches: readonly WrittenBatch[]): Buffer {
  return Buffer.concat(batches.flatMap(({ line, content }) => [line, LINE_FEED, ...(content === undefined ? [] : [content, LINE_FEED])]));
}

/** A torn segment of these batches, without the content of the `lost` ones, by their place. */
export function tornSegmentOf(batches: readonly WrittenBatch[], lost: readonly number[]): Buffer {
  return Buffer.concat(
    batches.flatMap(({ line, content }, at) => {
      if (content === undefined) return [line, LINE_FEED];
      return lost.includes(at) ? [line, Buffer.from('\n-\n')] : [line, Buffer.from('\n+\n'), content, LINE_FEED];
    }),
  );
}
