/** One writer: its spine, its open recordings, and the one failure that ends them all. */
import { canonicalJson } from '../../core/evidence/canonical-json.ts';
import { writerPath } from '../../core/evidence/layout.ts';
import { RecorderUnavailable } from '../../core/evidence/recorder.ts';
import type { SpineEvent } from '../../core/evidence/spine.ts';
import type { Stamps } from '../../core/evidence/stamps.ts';
import type { AppendFile, AppendFiles } from './append-files.ts';
import { BatchWriter, type Scratch } from './batch-writer.ts';
import type { SessionWriter } from './session-writer.ts';

export type WriterParts = {
  readonly root: string;
  readonly files: AppendFiles;
  readonly scratch: Scratch;
  readonly stamps: Stamps;
  readonly nowMs: () => number;
};

/**
 * After the first write or sync that fails, nothing is written any more, neither here nor to the writer's sessions: what
 * stands behind a torn tail could not be read. A new writer goes on, and fences this one.
 */
export class Writer {
  readonly id: string;
  readonly parts: WriterParts;
  readonly sessions = new Set<SessionWriter>();
  private readonly spine: AppendFile;
  private readonly chain: BatchWriter;
  private seq = 0;
  private broken: RecorderUnavailable | undefined;

  constructor(id: string, parts: WriterParts) {
    this.id = id;
    this.parts = parts;
    this.spine = parts.files.create(parts.root, writerPath(id));
    this.chain = new BatchWriter({ kind: 'writer', id }, parts.scratch);
  }

  get failure(): RecorderUnavailable | undefined {
    return this.broken;
  }

  /** Ends this writer. The first cause stays. */
  fail(cause: unknown): RecorderUnavailable {
    this.broken ??= new RecorderUnavailable('the recorder cannot write', { cause });
    return this.broken;
  }

  /** One batch of entries; `written` when it returns. Throws RecorderUnavailable. */
  record(entries: readonly SpineEvent[]): void {
    if (this.broken !== undefined) throw this.broken;
    const texts = entries.map((entry) => canonicalJson({ ...entry, ...this.parts.stamps.next(this.seq++) }));
    try {
      this.chain.write(this.spine, texts.join(','));
    } catch (cause) {
      throw this.fail(cause);
    }
  }

  /** Entries for every recording that moved since the last time, in one batch. */
  recordHeads(): void {
    const moved = [...this.sessions].flatMap((session) => session.takeHead());
    if (moved.length > 0) this.record(moved);
  }

  /** Calls back when the spine is on the disk; a failure has ended the writer by then. */
  sync(done: (error?: RecorderUnavailable) => void): void {
    this.spine.sync((error) => done(error === undefined ? undefined : this.fail(error)));
  }

  /** Closes the files, failed or not; the files stay as they are. */
  release(): void {
    for (const session of this.sessions) session.release();
    this.sessions.clear();
    this.spine.close();
  }
}
