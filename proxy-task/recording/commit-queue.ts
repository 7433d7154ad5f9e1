/**
 * The journal's one writer: records wait in order, as many as fit go into a commit, and one commit is put at a time. What comes
 * while it is under way goes into the next, so that the journal takes as many flushes as there are sessions.
 */
import { NO_BATCH } from '../../core/evidence/batch.ts';
import { commitHash, encodeRecords, type JournalRecord, MAX_COMMIT_BYTES } from '../../core/evidence/journal.ts';
import type { JournalStore } from '../../core/evidence/journal-store.ts';
import { RecorderUnavailable } from '../../core/evidence/recorder.ts';
import type { Clock } from '../ports.ts';
import { persistently } from './persistence.ts';

/** What nobody waits for is committed within this time. */
const IDLE_MS = 5;
/** How long the journal may refuse, throttle or be silent before nothing can be recorded. */
const JOURNAL_PATIENCE_MS = 5_000;
/** Room for the line that stands before each record. */
const RECORD_HEAD_BYTES = 768;

/** A record on its way into the journal. */
export type Entry = {
  readonly record: JournalRecord;
  /** The number of the commit that it goes into, before that is put. */
  readonly placed?: (seq: number) => void;
  /** Commits whose batches this record releases: one number per batch that was placed there. */
  readonly releases?: readonly number[];
  /** Called once: its commit stands, or the queue has failed. */
  readonly done?: (error?: RecorderUnavailable) => void;
};

export type CommitQueueParts = {
  readonly writer: string;
  readonly journal: JournalStore;
  readonly clock: Clock;
};

export class CommitQueue {
  private readonly parts: CommitQueueParts;
  private waiting: Entry[] = [];
  private seq = 0;
  private prev = NO_BATCH;
  private putting = false;
  private idle: { cancel(): void } | undefined;
  /** How many batches that no segment has stand in each commit, oldest first. */
  private readonly unsealed = new Map<number, number>();
  private broken: RecorderUnavailable | undefined;
  private readonly listeners: ((failure: RecorderUnavailable, fenced: boolean) => void)[] = [];

  constructor(parts: CommitQueueParts) {
    this.parts = parts;
  }

  /** The number of the next commit. */
  get nextSeq(): number {
    return this.seq;
  }

  /** Why nothing is written any more. */
  get failure(): RecorderUnavailable | undefined {
    return this.broken;
  }

  /** Calls back once, when the queue fails. */
  onFailure(listener: (failure: RecorderUnavailable, fenced: boolean) => void): void {
    this.listeners.push(listener);
  }

  /** Ends the queue: nothing is written any more, and everything that waits is told. The first cause stays. */
  fail(cause: unknown, fenced = false): RecorderUnavailable {
    if (this.broken !== undefined) return this.broken;
    const failure = new RecorderUnavailable(fenced ? 'another has ended this writer' : 'the recorder cannot write', { cause });
    this.broken = failure;
    this.idle?.cancel();
    const told = this.waiting;
    this.waiting = [];
    for (const entry of told) entry.done?.(failure);
    for (const listener of this.listeners) listener(failure, fenced);
    return failure;
  }

  /** Takes a record; it is on its way with the next `kick`, or soon without. */
  add(entry: Entry): void {
    if (this.broken !== undefined) {
      entry.done?.(this.broken);
      return;
    }
    this.waiting.push(entry);
    this.idle ??= this.parts.clock.after(IDLE_MS, () => this.kick());
  }

  /** Somebody waits for what was added: nothing is kept back. */
  kick(): void {
    if (this.putting || this.waiting.length === 0 || this.broken !== undefined) return;
    this.idle?.cancel();
    this.idle = undefined;
    void this.put(this.takeCommit());
  }

  private takeCommit(): Entry[] {
    let bytes = 0;
    let count = 0;
    for (const { record } of this.waiting) {
      bytes += bytesOf(record);
      if (count > 0 && bytes > MAX_COMMIT_BYTES) break;
      count += 1;
    }
    const taken = this.waiting.slice(0, count);
    this.waiting = this.waiting.slice(count);
    return taken;
  }

  private async put(entries: readonly Entry[]): Promise<void> {
    const { writer, journal, clock } = this.parts;
    this.putting = true;
    const { seq, prev } = this;
    for (const { record, placed, releases } of entries) {
      if (record.kind === 'batch' || record.kind === 'staged') this.unsealed.set(seq, (this.unsealed.get(seq) ?? 0) + 1);
      placed?.(seq);
      for (const from of releases ?? []) this.release(from);
    }
    const [needed = seq] = this.unsealed.keys();
    const unhashed = { writer, seq, prev, body: encodeRecords(entries.map(({ record }) => record)), needed };
    const commit = { ...unhashed, hash: commitHash(unhashed) };
    let failure: RecorderUnavailable | undefined;
    try {
      const outcome = await persistently(clock, JOURNAL_PATIENCE_MS, () => journal.put(commit), { given: () => this.broken !== undefined });
      if (outcome === 'fenced') failure = this.fail(new Error(`something else stands at commit ${seq}`), true);
    } catch (cause) {
      failure = this.fail(cause);
    }
    // It may have been written, and yet the queue failed meanwhile: whoever waits was told that nothing is recorded any more.
    failure ??= this.broken;
    this.putting = false;
    if (failure === undefined) {
      this.seq = seq + 1;
      this.prev = commit.hash;
    }
    for (const { done } of entries) done?.(failure);
    this.kick();
  }

  private release(seq: number): void {
    const left = (this.unsealed.get(seq) ?? 0) - 1;
    if (left > 0) this.unsealed.set(seq, left);
    else this.unsealed.delete(seq);
  }
}

function bytesOf(record: JournalRecord): number {
  const content = record.kind === 'batch' || record.kind === 'staged' ? (record.content?.length ?? 0) : 0;
  const line = record.kind === 'batch' || record.kind === 'spine' ? record.line.length : 0;
  return RECORD_HEAD_BYTES + line + content;
}
