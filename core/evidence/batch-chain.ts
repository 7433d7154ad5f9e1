/** Makes the batches of one chain in memory. */
import { hash as sha256 } from 'node:crypto';
import { batchLine, NO_BATCH, type Owner } from './batch.ts';
import type { ChainHead } from './spine.ts';

export class BatchChain {
  private readonly owner: Owner;
  private next = 0;
  private prev = NO_BATCH;

  constructor(owner: Owner) {
    this.owner = owner;
  }

  /** The batch that was made last. */
  get head(): ChainHead {
    return { batch: this.next - 1, hash: this.prev };
  }

  /** The line of the next batch, without its line feed. `kept` says whether the bytes of the content are. */
  add(events: string, content: Buffer | undefined, kept: boolean): Buffer {
    const hangs = content === undefined ? undefined : { bytes: content.length, sha256: sha256('sha256', content, 'hex'), kept };
    const line = Buffer.from(batchLine(this.owner, this.next, this.prev, events, hangs));
    this.prev = sha256('sha256', line, 'hex');
    this.next += 1;
    return line;
  }
}
