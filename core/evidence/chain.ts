/** The rules that every chain keeps, of a session or of a spine: numbers, links, owners, content and event numbers. */
import { type FoundBatch, NO_BATCH, type Owner } from './batch.ts';
import type { Finding, Findings } from './findings.ts';
import type { ChainHead } from './spine.ts';

export class ChainCheck {
  private readonly owner: Owner;
  private readonly findings: Findings;
  private last: { readonly file: string; readonly batch: FoundBatch } | undefined;
  private nextEvent = 0;
  private content = 0;

  constructor(owner: Owner, findings: Findings) {
    this.owner = owner;
    this.findings = findings;
  }

  get head(): ChainHead {
    return { batch: this.last?.batch.batch ?? -1, hash: this.last?.batch.hash ?? NO_BATCH };
  }

  /** How many events there were, by their numbers. */
  get events(): number {
    return this.nextEvent;
  }

  get contentBytes(): number {
    return this.content;
  }

  take(file: string, batch: FoundBatch): void {
    const { findings, owner } = this;
    const where = placeOfBatch(batch);
    if (batch.owner.kind !== owner.kind || batch.owner.id !== owner.id) {
      findings.notIntact(file, `this batch is of ${batch.owner.kind} ${batch.owner.id}, not of ${owner.kind} ${owner.id}`, where);
    }
    const expected = this.head.batch + 1;
    if (batch.batch > expected) {
      const gap = batch.batch - 1 === expected ? `batch ${expected} is missing` : `batches ${expected}–${batch.batch - 1} are missing`;
      findings.notComplete(file, `${gap} before this one`, where);
    } else if (batch.batch < expected) {
      findings.notIntact(file, `batch ${expected} should stand here: batches are repeated or out of order`, where);
    } else if (batch.prev !== this.head.hash) {
      if (this.last === undefined) findings.notIntact(file, 'the first batch names a batch before it', where);
      else {
        findings.notIntact(
          this.last.file,
          `batch ${this.head.batch} is not the one that batch ${batch.batch} names: one of the two was changed`,
          placeOfBatch(this.last.batch),
        );
      }
    }
    if (!batch.contentIntact) findings.notIntact(file, 'the content of the batch does not have the hash that its line names', where);
    for (const event of batch.events) {
      if (event['seq'] !== this.nextEvent) {
        findings.notIntact(file, `event ${this.nextEvent} should stand where event ${String(event['seq'])} does`, where);
      }
      this.nextEvent = typeof event['seq'] === 'number' ? event['seq'] + 1 : this.nextEvent + 1;
    }
    this.content += batch.contentBytes;
    this.last = { file, batch };
  }
}

/** Where a batch stands, as findings say it. */
export function placeOfBatch(batch: FoundBatch): Pick<Finding, 'atByte' | 'batch' | 'events'> {
  const numbers = [batch.events.at(0), batch.events.at(-1)].map((event) => event?.['seq']);
  const [first, last] = numbers;
  return {
    atByte: batch.atByte,
    batch: batch.batch,
    ...(typeof first === 'number' && typeof last === 'number' ? { events: [first, last] as const } : {}),
  };
}
