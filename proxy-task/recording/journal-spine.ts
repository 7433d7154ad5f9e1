/** The spine of a writer whose evidence is a journal: batches of entries among the records of its sessions. */
import type { RecorderUnavailable } from '../../core/evidence/recorder.ts';
import type { SpineEvent } from '../../core/evidence/spine.ts';
import { nextSpineLine, SPINE_START } from '../../core/evidence/spine-lines.ts';
import type { Clock } from '../ports.ts';
import type { CommitQueue } from './commit-queue.ts';

/** Heads of thousands of sessions come at once: a line stays far below what a commit takes. */
const ENTRIES_PER_LINE = 128;

export class JournalSpine {
  private readonly writer: string;
  private readonly queue: CommitQueue;
  private readonly clock: Pick<Clock, 'now' | 'monoUs'>;
  private end = SPINE_START;

  constructor(writer: string, queue: CommitQueue, clock: Pick<Clock, 'now' | 'monoUs'>) {
    this.writer = writer;
    this.queue = queue;
    this.clock = clock;
  }

  /** Entries in order, on their way; `done` is called once the last of them stands, or the recorder has failed. */
  record(entries: readonly SpineEvent[], done?: (error?: RecorderUnavailable) => void): void {
    for (let at = 0; at < entries.length; at += ENTRIES_PER_LINE) {
      const some = entries.slice(at, at + ENTRIES_PER_LINE);
      const { line, end } = nextSpineLine(this.writer, this.end, some, { atMs: this.clock.now(), monoUs: this.clock.monoUs() });
      this.end = end;
      const isLast = at + ENTRIES_PER_LINE >= entries.length;
      this.queue.add({ record: { kind: 'spine', line }, ...(isLast && done !== undefined ? { done } : {}) });
    }
  }

  /** Resolves when the entries stand. Rejects with RecorderUnavailable. */
  recorded(entries: readonly SpineEvent[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.record(entries, (error) => (error === undefined ? resolve() : reject(error)));
      this.queue.kick();
    });
  }
}
