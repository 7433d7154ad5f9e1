/** Follows one writer's journal: each commit must continue the one before, and its spine lines the spine before. */
import { hash as sha256 } from 'node:crypto';
import { type FoundEvent, NO_BATCH, parseBatchLine } from './batch.ts';
import { commitHash, decodeRecords, type JournalRecord } from './journal.ts';
import type { JournalEntry } from './journal-item.ts';
import type { ChainHead } from './spine.ts';

/** Where a reader of a journal stands. */
export type JournalPosition = {
  /** The commit that it reads next. */
  readonly nextSeq: number;
  /** `hash` of the commit before; `NO_BATCH` before the first. */
  readonly prev: string;
  /** Last batch of the writer's spine. */
  readonly spine: ChainHead;
};

export const JOURNAL_START: JournalPosition = { nextSeq: 0, prev: NO_BATCH, spine: { batch: -1, hash: NO_BATCH } };

/** A batch of the writer's spine, as its journal has it. */
export type SpineBatch = { readonly line: Buffer; readonly head: ChainHead; readonly events: readonly FoundEvent[] };

export type Taken =
  | { readonly kind: 'commit'; readonly records: readonly JournalRecord[]; readonly spine: readonly SpineBatch[]; readonly needed: number }
  | { readonly kind: 'fenced'; readonly by: string }
  /** The journal was changed, or its writer is broken: nothing from here on can be believed. */
  | { readonly kind: 'broken'; readonly seq: number; readonly why: string };

export class JournalChain {
  private readonly writer: string;
  private at: JournalPosition;

  constructor(writer: string, from: JournalPosition = JOURNAL_START) {
    this.writer = writer;
    this.at = from;
  }

  get position(): JournalPosition {
    return this.at;
  }

  /** Takes what stands at `position.nextSeq`; moves on only behind a commit that is whole and follows. */
  take(entry: JournalEntry): Taken {
    const seq = this.at.nextSeq;
    const broken = (why: string): Taken => ({ kind: 'broken', seq, why });
    if (entry.kind === 'tombstone')
      return entry.seq === seq ? { kind: 'fenced', by: entry.fencedBy } : broken('the tombstone stands elsewhere');
    if (entry.kind === 'malformed') return broken('the item is not one that a writer puts');
    const { commit } = entry;
    if (commit.seq !== seq || commit.writer !== this.writer) return broken('the commit is another one');
    if (commit.prev !== this.at.prev) return broken('the commit does not name the one before');
    if (commitHash(commit) !== commit.hash) return broken('the commit does not have its hash');
    const records = decodeRecords(commit.body);
    if (records === undefined) return broken('the commit cannot be read');
    const spine: SpineBatch[] = [];
    let head = this.at.spine;
    for (const record of records) {
      if (record.kind !== 'spine') continue;
      const parsed = parseBatchLine(record.line.toString('utf8'));
      if (parsed === undefined || parsed.owner.kind !== 'writer' || parsed.owner.id !== this.writer)
        return broken('a line is none of its spine');
      if (parsed.batch !== head.batch + 1 || parsed.prev !== head.hash) return broken(`batch ${parsed.batch} does not continue its spine`);
      head = { batch: parsed.batch, hash: sha256('sha256', record.line, 'hex') };
      spine.push({ line: record.line, head, events: parsed.events });
    }
    this.at = { nextSeq: seq + 1, prev: commit.hash, spine: head };
    return { kind: 'commit', records, spine, needed: commit.needed };
  }
}
