/**
 * The recorder of a task that may vanish: everything goes into a journal before it is acknowledged, and from there into segments. Its
 * writer is never used again: after a failure, or once another has ended it, the task starts anew under another name.
 */
import { ContentPool } from '../../core/evidence/content-pool.ts';
import type { SessionEvent } from '../../core/evidence/event.ts';
import type { JournalStore, LiveSessions, SegmentStore, StagingStore } from '../../core/evidence/journal-store.ts';
import { isId } from '../../core/evidence/layout.ts';
import { type Recorder, RecorderUnavailable, type SessionRecorder } from '../../core/evidence/recorder.ts';
import { createStamps } from '../../core/evidence/stamps.ts';
import type { Clock } from '../ports.ts';
import { CommitQueue } from './commit-queue.ts';
import { JournalSpine } from './journal-spine.ts';
import type { RecorderParts } from './recorder-parts.ts';
import { SessionJournal } from './session-journal.ts';
import { SessionRegister } from './session-register.ts';
import { Slots } from './slots.ts';
import { MEMORY_LIMITS, type MemoryLimits, UnsealedMemory } from './unsealed-memory.ts';

/** A session's newest batches are named by the spine within this time. */
const HEADS_MS = 1_000;
/** Segments on their way at once: each is held twice meanwhile. */
const SEGMENT_PUTS = 8;
/** Between two looks for sessions that hold much. */
const RELIEF_MS = 100;

export type JournalRecorderOptions = {
  /** Never used before: a task's name and boot. Its item stands in the table of writers. */
  readonly writer: string;
  readonly boot: string;
  /** Version of the program. */
  readonly program: string;
  readonly journal: JournalStore;
  readonly segments: SegmentStore;
  readonly staging: StagingStore;
  readonly sessions: LiveSessions;
  readonly clock: Clock;
  /** Told of what failed and is tried again; never holds content. */
  readonly problem: (error: unknown) => void;
  readonly limits?: MemoryLimits;
};

export type JournalRecorder = Recorder & {
  readonly writerId: string;
  /** The number of the next commit, for the writer's lease. */
  readonly nextSeq: number;
  /** Why nothing is recorded any more: every flush says so, and the task must start anew. */
  readonly failure: RecorderUnavailable | undefined;
  /** Calls back once when another has ended this writer: no session may go on. */
  onFenced(fenced: () => void): void;
  /** Calls back once when nothing can be recorded any more, whether or not another has ended this writer. */
  onFailed(failed: (failure: RecorderUnavailable) => void): void;
  /** Ends what is open, as abnormal, seals it, and ends the writer. Rejects with RecorderUnavailable. */
  close(): Promise<void>;
};

/** Begins the writer's journal; its first commit is on its way. */
export function createJournalRecorder(options: JournalRecorderOptions): JournalRecorder {
  return new JournalRecorderRun(options);
}

class JournalRecorderRun implements JournalRecorder {
  private readonly options: JournalRecorderOptions;
  private readonly queue: CommitQueue;
  private readonly spine: JournalSpine;
  private readonly parts: RecorderParts;
  private readonly sessions = new Map<string, SessionJournal>();
  private readonly register: SessionRegister;
  private heads: { cancel(): void } | undefined;
  private relief: { cancel(): void } | undefined;
  private closing: Promise<void> | undefined;

  constructor(options: JournalRecorderOptions) {
    const { writer, boot, program, clock, journal, segments, staging, problem, limits = MEMORY_LIMITS } = options;
    if (!isId(writer)) throw new Error('a writer id is of letters, digits, _ and -');
    this.options = options;
    this.queue = new CommitQueue({ writer, journal, clock });
    this.spine = new JournalSpine(writer, this.queue, clock);
    const given = (): boolean => this.queue.failure !== undefined;
    this.register = new SessionRegister({ writer, sessions: options.sessions, clock, problem, given });
    this.parts = {
      writer,
      clock,
      stamps: createStamps(clock),
      pool: new ContentPool(),
      queue: this.queue,
      spine: this.spine,
      memory: new UnsealedMemory(limits),
      segments,
      staging,
      slots: new Slots(SEGMENT_PUTS),
      problem,
      register: (event, day) => this.register.add(event, day),
      unregister: (session) => this.register.remove(session),
      sessionEnded: (session) => void this.sessions.delete(session),
      crowded: () => this.relieve(),
    };
    this.queue.onFailure(() => this.stopped());
    this.spine.record([{ type: 'writer.opened', writer, boot, program, previous: [] }]);
    this.queue.kick();
    this.nextHeads();
  }

  get writerId(): string {
    return this.options.writer;
  }

  get nextSeq(): number {
    return this.queue.nextSeq;
  }

  get failure(): RecorderUnavailable | undefined {
    return this.queue.failure;
  }

  onFenced(fenced: () => void): void {
    this.queue.onFailure((_, isFenced) => {
      if (isFenced) fenced();
    });
  }

  onFailed(failed: (failure: RecorderUnavailable) => void): void {
    this.queue.onFailure(failed);
  }

  open(sessionId: string, rows: 'rows' | 'digest' = 'rows'): SessionRecorder {
    if (!isId(sessionId)) throw new Error('a session id is of letters, digits, _ and -');
    if (this.closing !== undefined) throw new RecorderUnavailable('the recorder is closed');
    if (this.queue.failure !== undefined) throw this.queue.failure;
    if (this.sessions.has(sessionId)) throw new Error('the session was recorded before');
    const session = new SessionJournal(sessionId, this.parts, rows === 'rows');
    this.sessions.set(sessionId, session);
    return session;
  }

  /** Where the recorder has failed, the next `open` throws: no session starts unrecorded. */
  recordRefusal(event: SessionEvent & { readonly type: 'session.refused' }): void {
    if (this.closing === undefined) this.spine.record([event]);
  }

  close(): Promise<void> {
    this.closing ??= this.end();
    return this.closing;
  }

  private async end(): Promise<void> {
    this.heads?.cancel();
    try {
      await Promise.all([...this.sessions.values()].map((session) => session.abandon('the writer closed')));
      await this.spine.recorded([{ type: 'writer.closed', writer: this.options.writer }]);
    } finally {
      await this.register.settled();
    }
  }

  private stopped(): void {
    this.heads?.cancel();
    this.relief?.cancel();
    for (const session of this.sessions.values()) session.fail();
  }

  private nextHeads(): void {
    this.heads = this.options.clock.after(HEADS_MS, () => {
      const nowMs = this.options.clock.now();
      const entries = [...this.sessions.values()].flatMap((session) => {
        session.sealIfOld(nowMs);
        return session.takeHead();
      });
      this.spine.record(entries);
      this.nextHeads();
    });
  }

  /** Largest first: half of what is held goes, at the fewest puts. */
  private relieve(): void {
    this.relief ??= this.options.clock.after(RELIEF_MS, () => {
      this.relief = undefined;
      const { memory } = this.parts;
      if (!memory.isCrowded) return;
      let left = memory.total / 2;
      for (const session of [...this.sessions.values()].toSorted((a, b) => b.unsealedBytes - a.unsealedBytes)) {
        if (left <= 0) break;
        left -= session.unsealedBytes;
        session.sealEarly();
      }
    });
  }
}
