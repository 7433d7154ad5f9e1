/**
 * The recording of one session: batches go into the journal at their flush, and stay in memory until the segment that they make up is
 * in the evidence. Acknowledgements wait for the journal, and for the segments where too much would have to be held.
 */
import { BatchChain } from '../../core/evidence/batch-chain.ts';
import { BatchInHand } from '../../core/evidence/batch-in-hand.ts';
import type { SessionEvent } from '../../core/evidence/event.ts';
import { RecorderUnavailable, type Durability, type SessionRecorder } from '../../core/evidence/recorder.ts';
import type { SpineEvent } from '../../core/evidence/spine.ts';
import { JournaledBatches } from './journaled-batches.ts';
import type { RecorderParts } from './recorder-parts.ts';

/** More than this in hand becomes a batch before its flush: lines fit a commit, and memory stays bounded. */
const EVENTS_IN_HAND = 64 * 1024;
const CONTENT_IN_HAND = 4 * 1024 * 1024;
/** How long a flush may wait for segments before the recorder gives up. */
const BLOCKED_PATIENCE_MS = 10_000;

type Acknowledgement = { readonly upTo: number; readonly done: (error?: Error) => void };
type Totals = {
  readonly abnormal: boolean;
  readonly reason: string;
  readonly statements: number;
  readonly rows: number;
  readonly bytes: number;
};

export class SessionJournal implements SessionRecorder {
  readonly id: string;
  private readonly parts: RecorderParts;
  private readonly keepContent: boolean;
  private readonly chain: BatchChain;
  private readonly inHand: BatchInHand;
  private readonly batches: JournaledBatches;
  private readonly day: string;
  private eventTotal = 0;
  private contentTotal = 0;
  private registered = false;
  private spoiled: RecorderUnavailable | undefined;
  private closing = false;
  private ended: Promise<void> | undefined;
  private acknowledgements: Acknowledgement[] = [];
  private blocked: { cancel(): void } | undefined;
  private headTaken = '';
  private readonly settleLater = (): void => this.settle();

  /** The spine's entry goes before the session's first batch. */
  constructor(id: string, parts: RecorderParts, keepContent: boolean) {
    this.id = id;
    this.parts = parts;
    this.keepContent = keepContent;
    this.chain = new BatchChain({ kind: 'session', id });
    this.inHand = new BatchInHand(parts.pool, parts.stamps);
    this.day = parts.stamps.day();
    parts.spine.record([{ type: 'recording.opened', session: id, day: this.day }]);
    this.batches = new JournaledBatches(id, this.day, parts, () => this.settle());
  }

  append(event: SessionEvent): number {
    if (this.isOver()) return this.inHand.skip();
    const seq = this.inHand.append(event);
    if (event.type === 'session.opened') this.register(event);
    if (this.inHand.eventsLength > EVENTS_IN_HAND) this.makeBatch();
    return seq;
  }

  appendContent(source: Buffer, start: number, end: number): void {
    if (this.isOver() || end <= start) return;
    if (this.inHand.contentBytes + end - start > CONTENT_IN_HAND) this.makeBatch();
    this.inHand.appendContent(source, start, end);
  }

  /** The journal outlives this task and its machine: `written` and `durable` are the same here. */
  flush(_durability: Durability, done: (error?: Error) => void): void {
    this.makeBatch();
    this.acknowledgements.push({ upTo: this.batches.made, done });
    this.settle();
    this.parts.queue.kick();
  }

  /** Resolves when the journal has it: what the client still gets does not wait for the bucket, where the segment goes by itself. */
  async close(event: SessionEvent & { readonly type: 'session.closed' }): Promise<void> {
    this.append(event);
    const recorded = this.flushed();
    this.closing = true;
    const { abnormal, reason, statements, rows, bytes } = event;
    // A failure is the recorder's: whoever waits for anything hears of it.
    this.end({ abnormal, reason, statements, rows, bytes }).catch(() => undefined);
    await recorded;
  }

  /** Ends a recording whose session never said `session.closed`; one that is ending already goes on. Resolves when it is sealed. */
  abandon(reason: string): Promise<void> {
    this.makeBatch();
    this.closing = true;
    return this.end({ abnormal: true, reason, statements: 0, rows: 0, bytes: 0 });
  }

  /** The entry that says how far the recording has come, if it has come further since the last. */
  takeHead(): SpineEvent[] {
    const { head, segment } = this.batches;
    const state = `${segment} ${head.batch}`;
    if (state === this.headTaken || this.closing || head.batch < 0) return [];
    this.headTaken = state;
    return [{ type: 'recording.head', session: this.id, segment, head }];
  }

  /** A recording in which little happens becomes evidence nevertheless. */
  sealIfOld(nowMs: number): void {
    this.batches.sealIfOld(nowMs);
  }

  sealEarly(): void {
    this.batches.seal();
  }

  get unsealedBytes(): number {
    return this.batches.unsealedBytes;
  }

  /** The recorder has failed: whoever waits is told. */
  fail(): void {
    this.inHand.drop();
    this.settle();
  }

  /** Nothing can be recorded here any more, and every flush says so. Throws after `close`. */
  private isOver(): boolean {
    if (!this.closing) return this.failure !== undefined;
    if (this.failure === undefined) throw new Error('the recording is closed');
    return true;
  }

  private get failure(): RecorderUnavailable | undefined {
    return this.parts.queue.failure ?? this.spoiled;
  }

  private makeBatch(): void {
    const taken = this.inHand.take();
    if (taken === undefined) return;
    const { events, content } = taken;
    if (this.failure === undefined) {
      const line = this.chain.add(events, content, this.keepContent);
      this.contentTotal += content?.length ?? 0;
      this.eventTotal = this.inHand.eventCount;
      // The pool's buffer is used again; this copy lives until the segment is put.
      const kept = content === undefined || !this.keepContent ? undefined : Buffer.from(content);
      this.batches.add(line, this.chain.head, kept);
    }
    this.inHand.drop();
  }

  /** Others must find the session before it does anything: its first flush waits for that. */
  private register(event: SessionEvent & { readonly type: 'session.opened' }): void {
    this.parts.register(event, this.day).then(
      () => {
        this.registered = true;
        this.settle();
      },
      (cause: unknown) => {
        this.spoiled = new RecorderUnavailable('the session could not be registered', { cause });
        this.settle();
      },
    );
  }

  /** Callers hear in the order in which they flushed. */
  private settle(): void {
    for (let [first] = this.acknowledgements; first !== undefined; [first] = this.acknowledgements) {
      const { failure } = this;
      if (failure === undefined && (first.upTo > this.batches.committed || (!this.registered && first.upTo > 0))) return;
      if (failure === undefined && this.holdsTooMuch()) {
        this.wait();
        return;
      }
      this.blocked?.cancel();
      this.blocked = undefined;
      this.acknowledgements.shift();
      first.done(failure);
    }
  }

  private holdsTooMuch(): boolean {
    const { memory } = this.parts;
    return memory.isFull || this.batches.unsealedBytes > memory.limits.sessionBytes;
  }

  private wait(): void {
    const { clock, queue, memory } = this.parts;
    if (memory.isFull) memory.whenFree(this.settleLater);
    this.batches.seal();
    this.blocked ??= clock.after(BLOCKED_PATIENCE_MS, () => {
      queue.fail(new Error('segments were not taken in time, and more cannot be held'));
    });
  }

  private end(totals: Totals): Promise<void> {
    this.ended ??= this.sealAndEnd(totals);
    return this.ended;
  }

  private async sealAndEnd(totals: Totals): Promise<void> {
    const { spine, sessionEnded, unregister } = this.parts;
    await this.batches.recorded();
    unregister(this.id);
    await this.batches.sealAll();
    const { head, segment } = this.batches;
    const last = Math.max(0, segment - 1);
    const counted = { events: this.eventTotal, contentBytes: this.contentTotal };
    const ended = { type: 'recording.closed', session: this.id, segment: last, head, ...counted, ...totals } as const;
    await spine.recorded([ended]);
    sessionEnded(this.id);
  }

  private flushed(): Promise<void> {
    return new Promise((resolve, reject) => this.flush('durable', (error) => (error === undefined ? resolve() : reject(error))));
  }
}
