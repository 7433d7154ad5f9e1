/** The recording of one session: events and content gathered in memory, one write per flush, acknowledged in order. */
import { BatchInHand } from '../../core/evidence/batch-in-hand.ts';
import type { ContentPool } from '../../core/evidence/content-pool.ts';
import type { SessionEvent } from '../../core/evidence/event.ts';
import { NO_BATCH } from '../../core/evidence/batch.ts';
import { segmentPath } from '../../core/evidence/layout.ts';
import { type Durability, RecorderUnavailable, type SessionRecorder } from '../../core/evidence/recorder.ts';
import type { SpineEvent } from '../../core/evidence/spine.ts';
import type { AppendFile } from './append-files.ts';
import { BatchWriter } from './batch-writer.ts';
import type { Writer } from './writer.ts';

/** A segment is one object of evidence: small enough to copy, rare enough to list. */
const SEGMENT_BYTES = 64 * 1024 * 1024;
const SEGMENT_MS = 15 * 60_000;
/** More than this in hand is written before its flush: memory stays bounded however much one statement returns. */
const EVENTS_IN_HAND = 1024 * 1024;
const CONTENT_IN_HAND = 4 * 1024 * 1024;

type Acknowledgement = { readonly done: (error?: Error) => void; settled: boolean; error: Error | undefined };

export class SessionWriter implements SessionRecorder {
  private readonly id: string;
  private readonly writer: Writer;
  private readonly inHand: BatchInHand;
  private readonly day: string;
  private readonly keepContent: boolean;
  private readonly chain: BatchWriter;
  private file: AppendFile;
  private segment = 0;
  private segmentBytes = 0;
  private segmentSinceMs: number;
  /** Segments before this one that may not be on the disk yet. */
  private older: AppendFile[] = [];
  private spineDurable = false;
  private headTaken = -1;
  private contentTotal = 0;
  private closing = false;
  private ended = false;
  private acknowledgements: Acknowledgement[] = [];

  /** The spine's entry is written before the file appears. Throws RecorderUnavailable. */
  constructor(id: string, writer: Writer, pool: ContentPool, keepContent: boolean) {
    this.keepContent = keepContent;
    this.id = id;
    this.writer = writer;
    const { root, files, scratch, stamps, nowMs } = writer.parts;
    this.inHand = new BatchInHand(pool, stamps);
    this.day = stamps.day();
    this.chain = new BatchWriter({ kind: 'session', id }, scratch);
    writer.record([{ type: 'recording.opened', session: id, day: this.day }]);
    try {
      this.file = files.create(root, segmentPath(this.day, id, 0));
    } catch (cause) {
      // Nothing is torn: only this session cannot be. Its entry must not stand open for ever.
      const head = { batch: -1, hash: NO_BATCH };
      const nothing = { events: 0, contentBytes: 0, statements: 0, rows: 0, bytes: 0 };
      writer.record([
        { type: 'recording.closed', session: id, segment: 0, head, abnormal: true, reason: 'its file could not be made', ...nothing },
      ]);
      throw new RecorderUnavailable('the recorder cannot write', { cause });
    }
    this.segmentSinceMs = nowMs();
    writer.sessions.add(this);
  }

  append(event: SessionEvent): number {
    if (this.isOver()) return this.inHand.skip();
    const seq = this.inHand.append(event);
    if (this.inHand.eventsLength > EVENTS_IN_HAND) this.writeBatch();
    return seq;
  }

  appendContent(source: Buffer, start: number, end: number): void {
    if (this.isOver()) return;
    const bytes = end - start;
    if (bytes <= 0) return;
    if (this.inHand.contentBytes + bytes > CONTENT_IN_HAND) this.writeBatch();
    this.inHand.appendContent(source, start, end);
  }

  flush(durability: Durability, done: (error?: Error) => void): void {
    this.writeBatch();
    const { failure } = this.writer;
    if (this.acknowledgements.length === 0 && (durability === 'written' || failure !== undefined)) {
      done(failure);
      return;
    }
    const acknowledgement: Acknowledgement = { done, settled: false, error: undefined };
    if (failure === undefined && durability === 'durable') {
      this.acknowledgements.push(acknowledgement);
      this.syncFiles((error) => this.settle(acknowledgement, error));
      return;
    }
    this.acknowledgements.push(acknowledgement);
    this.settle(acknowledgement, failure);
  }

  async close(event: SessionEvent & { readonly type: 'session.closed' }): Promise<void> {
    this.append(event);
    const written = this.durable();
    this.closing = true;
    await written;
    const { abnormal, reason, statements, rows, bytes } = event;
    this.end({ abnormal, reason, statements, rows, bytes });
    this.writer.sessions.delete(this);
    this.release();
    await new Promise<void>((resolve, reject) => this.writer.sync((error) => (error === undefined ? resolve() : reject(error))));
  }

  /** Ends a recording whose session never said `session.closed`, when the writer closes. */
  async abandon(reason: string): Promise<void> {
    const written = this.durable();
    this.closing = true;
    await written;
    this.end({ abnormal: true, reason, statements: 0, rows: 0, bytes: 0 });
  }

  /** The entry that says how far the recording has come, if it has come further since the last. */
  takeHead(): SpineEvent[] {
    const { head } = this.chain;
    if (head.batch === this.headTaken || this.closing) return [];
    this.headTaken = head.batch;
    return [{ type: 'recording.head', session: this.id, segment: this.segment, head }];
  }

  /** Resolves when what is in hand is durable. */
  durable(): Promise<void> {
    return new Promise((resolve, reject) => this.flush('durable', (error) => (error === undefined ? resolve() : reject(error))));
  }

  release(): void {
    this.inHand.drop();
    this.closing = true;
    this.file.close();
    for (const file of this.older) file.close();
  }

  /** Another writer has taken over: nothing can be recorded here any more, and every flush says so. Throws after `close`. */
  private isOver(): boolean {
    if (!this.closing) return false;
    if (this.writer.failure === undefined) throw new Error('the recording is closed');
    return true;
  }

  private end(totals: { abnormal: boolean; reason: string; statements: number; rows: number; bytes: number }): void {
    if (this.ended) return;
    this.ended = true;
    const { segment, contentTotal: contentBytes } = this;
    const events = this.inHand.eventCount;
    const { head } = this.chain;
    this.writer.record([{ type: 'recording.closed', session: this.id, segment, head, events, contentBytes, ...totals }]);
  }

  /** A failure is kept by the writer: the next flush says it. */
  private writeBatch(): void {
    const taken = this.inHand.take();
    if (taken === undefined) return;
    const { events, content } = taken;
    if (this.writer.failure === undefined) {
      try {
        this.rollSegment();
        this.segmentBytes += this.chain.write(this.file, events, content, this.keepContent);
        this.contentTotal += content?.length ?? 0;
      } catch (cause) {
        this.writer.fail(cause);
      }
    }
    this.inHand.drop();
  }

  private rollSegment(): void {
    const { root, files, nowMs } = this.writer.parts;
    if (this.segmentBytes <= SEGMENT_BYTES && nowMs() - this.segmentSinceMs <= SEGMENT_MS) return;
    let next: AppendFile;
    try {
      next = files.create(root, segmentPath(this.day, this.id, this.segment + 1));
    } catch {
      // The limit is for handling, not for safety: the segment in hand still takes the batch, or fails the writer.
      return;
    }
    this.older.push(this.file);
    this.file = next;
    this.segment += 1;
    this.segmentBytes = 0;
    this.segmentSinceMs = nowMs();
  }

  private syncFiles(done: (error?: Error) => void): void {
    const { older, spineDurable } = this;
    let left = older.length + (spineDurable ? 1 : 2);
    let failure: Error | undefined;
    const one = (error?: Error): void => {
      if (error !== undefined) failure = this.writer.fail(error);
      left -= 1;
      if (left > 0) return;
      if (failure === undefined) {
        this.spineDurable = true;
        for (const file of older) file.close();
        this.older = this.older.filter((file) => !older.includes(file));
      }
      done(failure);
    };
    for (const file of older) file.sync(one);
    if (!spineDurable) this.writer.sync(one);
    this.file.sync(one);
  }

  /** Callers hear in the order in which they flushed. */
  private settle(acknowledgement: Acknowledgement, error: Error | undefined): void {
    acknowledgement.settled = true;
    acknowledgement.error = error;
    for (let [first] = this.acknowledgements; first?.settled === true; [first] = this.acknowledgements) {
      this.acknowledgements.shift();
      first.done(first.error);
    }
  }
}
