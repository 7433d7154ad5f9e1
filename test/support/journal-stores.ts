/** A journal, a bucket and tables in memory, which fail as they are told, and the evidence that a sealer would make of them. */
import { BatchReader } from '../../core/evidence/batch-reader.ts';
import { JournalChain } from '../../core/evidence/journal-chain.ts';
import type { JournalCommit, JournalRecord } from '../../core/evidence/journal.ts';
import type { JournalStore, LiveSessions, SegmentStore, StagingStore } from '../../core/evidence/journal-store.ts';
import type { LiveSessionItem } from '../../core/state/control.ts';
import { createJournalRecorder, type JournalRecorder, type JournalRecorderOptions } from '../../proxy-task/recording/journal-recorder.ts';
import { ManualClock } from './manual-clock.ts';
import { sealedPieces } from './sealed-pieces.ts';

/** What a store does with a call: its work, its work without an answer, nothing, or nothing ever. */
export type Behaviour = 'works' | 'losesAnswer' | 'refuses' | 'hangs';

export class Faults {
  calls = 0;
  private next: Behaviour[] = [];
  private always: Behaviour = 'works';

  /** The next calls do this, one after the other; then all as before. */
  plan(...behaviours: Behaviour[]): void {
    this.next.push(...behaviours);
  }

  set(behaviour: Behaviour): void {
    this.always = behaviour;
  }

  async run<T>(work: () => T): Promise<T> {
    this.calls += 1;
    const behaviour = this.next.shift() ?? this.always;
    if (behaviour === 'refuses') throw new Error('throttled');
    if (behaviour === 'hangs') return new Promise(() => undefined);
    const done = work();
    // An answer is never there at once.
    await Promise.resolve();
    if (behaviour === 'losesAnswer') throw new Error('the answer was lost');
    return done;
  }
}

export class MemoryJournal implements JournalStore {
  readonly faults = new Faults();
  readonly commits: JournalCommit[] = [];
  private tombstone: number | undefined;

  put(commit: JournalCommit): Promise<'written' | 'fenced'> {
    return this.faults.run(() => {
      const standing = this.commits[commit.seq];
      if (standing !== undefined) return standing.hash === commit.hash ? 'written' : 'fenced';
      if (this.tombstone !== undefined && commit.seq >= this.tombstone) return 'fenced';
      this.commits[commit.seq] = commit;
      return 'written';
    });
  }

  /** Another ends the writer behind its last commit. */
  fence(): void {
    this.tombstone = this.commits.length;
  }

  /** Everything that was committed; throws where it is no chain. */
  records(): { readonly seq: number; readonly record: JournalRecord }[] {
    const [first] = this.commits;
    if (first === undefined) return [];
    const chain = new JournalChain(first.writer);
    return this.commits.flatMap((commit) => {
      const taken = chain.take({ kind: 'commit', commit, atMs: 0 });
      if (taken.kind !== 'commit') throw new Error(`commit ${commit.seq}: ${JSON.stringify(taken)}`);
      return taken.records.map((record) => ({ seq: commit.seq, record }));
    });
  }
}

/** Objects that are put once. */
export class MemoryObjects implements SegmentStore, StagingStore {
  readonly faults = new Faults();
  readonly files = new Map<string, Buffer>();

  put(path: string, bytes: Buffer): Promise<void> {
    return this.faults.run(() => {
      const standing = this.files.get(path);
      if (standing !== undefined && !standing.equals(bytes)) throw new Error('taken');
      this.files.set(path, Buffer.from(bytes));
    });
  }
}

export class MemoryLiveSessions implements LiveSessions {
  readonly faults = new Faults();
  readonly items = new Map<string, LiveSessionItem>();

  put(item: LiveSessionItem): Promise<void> {
    return this.faults.run(() => void this.items.set(item.session, item));
  }

  remove(_writer: string, session: string): Promise<void> {
    return this.faults.run(() => void this.items.delete(session));
  }
}

export type JournalDesk = {
  readonly recorder: JournalRecorder;
  readonly clock: ManualClock;
  readonly journal: MemoryJournal;
  readonly segments: MemoryObjects;
  readonly staging: MemoryObjects;
  readonly sessions: MemoryLiveSessions;
  readonly problems: unknown[];
};

/** A recorder on such stores. */
export function startJournalRecorder(more: Partial<JournalRecorderOptions> = {}): JournalDesk {
  const clock = new ManualClock(Date.UTC(2026, 10, 20, 9));
  const journal = new MemoryJournal();
  const segments = new MemoryObjects();
  const staging = new MemoryObjects();
  const sessions = new MemoryLiveSessions();
  const problems: unknown[] = [];
  const problem = (error: unknown): void => void problems.push(error);
  const recorder = createJournalRecorder({
    writer: 't1',
    boot: 'b',
    program: '0.1.0',
    journal,
    segments,
    staging,
    sessions,
    clock,
    problem,
    ...more,
  });
  return { recorder, clock, journal, segments, staging, sessions, problems };
}

/** Lets everything that needs no time come to rest. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** Lets time pass in small steps, so that what one timer starts can meet the next. */
export async function passes(clock: ManualClock, ms: number, stepMs = 100): Promise<void> {
  for (let left = ms; left > 0; left -= stepMs) {
    clock.advance(Math.min(stepMs, left));
    await settled();
  }
}

/** What a sealer makes of a writer's journal and the segments: evidence, under one checkpoint. */
export function evidenceOf(
  records: readonly { readonly record: JournalRecord }[],
  segments: ReadonlyMap<string, Buffer>,
  writer = 't1',
): Map<string, Buffer> {
  const lines = records.flatMap(({ record }) => (record.kind === 'spine' ? [record.line] : []));
  return new Map([...sealedPieces(new Map([[writer, lines]]), 3), ...segments]);
}

/** Types of the events of a session, as far as journal and staging have them. */
export function journaledEvents({ journal, staging }: Pick<JournalDesk, 'journal' | 'staging'>, session: string): string[] {
  const types: string[] = [];
  const reader = new BatchReader({ batch: ({ events }) => types.push(...events.map(({ type }) => type)) }, { torn: true });
  for (const { record } of journal.records()) {
    if ((record.kind !== 'batch' && record.kind !== 'staged') || record.session !== session) continue;
    const line = record.kind === 'batch' ? record.line : staging.files.get(record.key);
    if (line === undefined) throw new Error('a staged line is missing');
    // No line without kept content is followed by a mark; of the others the content does not matter here.
    const kept = /"content":\{"bytes":\d+,"sha256"/u.test(line.toString('latin1', 0, 200));
    reader.push(Buffer.concat([line, Buffer.from(kept ? '\n-\n' : '\n')]));
  }
  return types;
}
