/** Hands the batches of one session to the journal in order; a line that is too large for a commit is staged before its record. */
import { hash as sha256 } from 'node:crypto';
import { NO_BATCH } from '../../core/evidence/batch.ts';
import { type JournalRecord, MAX_INLINE_CONTENT_BYTES, MAX_JOURNAL_LINE_BYTES } from '../../core/evidence/journal.ts';
import { stagedLineKey } from '../../core/evidence/journal-store.ts';
import type { ChainHead } from '../../core/evidence/spine.ts';
import type { Entry } from './commit-queue.ts';
import { persistently } from './persistence.ts';
import type { RecorderParts } from './recorder-parts.ts';

/** Time for a second attempt after one that was silent: a flush waits for it. */
const STAGING_PATIENCE_MS = 8_000;

/** A batch on its way: `content` is what its segment will have behind the line. */
export type NewBatch = { readonly line: Buffer; readonly head: ChainHead; readonly content: Buffer | undefined; readonly segment: number };

/** Whether content of this size rides along with its line, and is never lost. */
export function ridesAlong(content: Buffer): boolean {
  return content.length <= MAX_INLINE_CONTENT_BYTES;
}

export class SessionRecords {
  private readonly session: string;
  private readonly parts: RecorderParts;
  private queuedHead: ChainHead = { batch: -1, hash: NO_BATCH };
  /** Settles when everything behind a line that is being staged is on its way. */
  private held: Promise<void> | undefined;

  constructor(session: string, parts: RecorderParts) {
    this.session = session;
    this.parts = parts;
  }

  /** The last batch that is on its way into the journal: what names it goes behind it. */
  get head(): ChainHead {
    return this.queuedHead;
  }

  send(batch: NewBatch, hooks: Pick<Entry, 'placed' | 'done'>): void {
    const { line, head, content, segment } = batch;
    const where = { session: this.session, segment };
    const inline = content !== undefined && ridesAlong(content) ? { content } : {};
    if (line.length <= MAX_JOURNAL_LINE_BYTES) {
      this.queue({ record: { kind: 'batch', ...where, line, ...inline }, ...hooks }, head);
      return;
    }
    const key = stagedLineKey(this.parts.writer, this.session, head.batch);
    const named = { key, bytes: line.length, sha256: sha256('sha256', line, 'hex') };
    const record: JournalRecord = { kind: 'staged', ...where, ...named, ...inline };
    this.queue({ record, ...hooks }, head, this.stage(key, line));
  }

  private queue(entry: Entry, head: ChainHead, staged?: Promise<void>): void {
    const { queue } = this.parts;
    const send = (): void => {
      this.queuedHead = head;
      queue.add(entry);
    };
    if (this.held === undefined && staged === undefined) {
      send();
      return;
    }
    const held = Promise.all([staged, this.held]).then(
      () => {
        if (this.held === held) this.held = undefined;
        send();
        queue.kick();
      },
      (cause: unknown) => {
        entry.done?.(queue.fail(cause));
      },
    );
    this.held = held;
  }

  private stage(key: string, line: Buffer): Promise<void> {
    const { clock, staging, queue, problem } = this.parts;
    const given = (): boolean => queue.failure !== undefined;
    return persistently(clock, STAGING_PATIENCE_MS, () => staging.put(key, line), { given, failed: problem });
  }
}
