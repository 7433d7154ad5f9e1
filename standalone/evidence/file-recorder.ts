/** The recorder of one machine: evidence as append-only files, recovered at start, sealed every minute. */
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ContentPool } from '../../core/evidence/content-pool.ts';
import { trustedKey, type Signer } from '../../core/evidence/checkpoint.ts';
import type { SessionEvent } from '../../core/evidence/event.ts';
import { FORMAT_PATH, FORMAT_TEXT, isId, keyPath, segmentPath } from '../../core/evidence/layout.ts';
import { type Recorder, RecorderUnavailable, type SessionRecorder } from '../../core/evidence/recorder.ts';
import { createStamps } from '../../core/evidence/stamps.ts';
import type { Clock } from '../../proxy-task/ports.ts';
import { type AppendFiles, diskFiles, publishNow } from './append-files.ts';
import { createScratch } from './batch-writer.ts';
import { fenceEntries, readLeftBehind } from './recovery.ts';
import { Sealer, type SignedCheckpoint } from './sealer.ts';
import { SessionWriter } from './session-writer.ts';
import { Writer, type WriterParts } from './writer.ts';

/** A session's newest batches are named by the spine within this time. */
const HEADS_MS = 1000;
const SEAL_MS = 60_000;
/** Written and removed before a new writer starts after a failure: room for its first entries, not just for a name. */
const PROBE_BYTES = 64 * 1024;

export type FileRecorderOptions = {
  /** The root of the evidence, `<data>/evidence`. The caller holds the data directory's lock: no other writer is alive. */
  readonly directory: string;
  /** Never used before: a task's name and boot. */
  readonly writerId: string;
  readonly clock: Clock;
  readonly signer: Signer;
  /** Name of this installation in its checkpoints: `sallyport/<instance>`. */
  readonly instance: string;
  /** Version of the program. */
  readonly program: string;
  /** Told of a seal that failed; it is tried again with the next. */
  readonly problem: (error: unknown) => void;
  readonly files?: AppendFiles;
};

export type FileRecorder = Recorder & {
  /** The writer in use: another one after a failure. */
  readonly writerId: string;
  /** Makes everything recorded so far durable and signs a checkpoint over it. */
  seal(): Promise<SignedCheckpoint | undefined>;
  /** Ends what is open, as abnormal, then seals for the last time. */
  close(): Promise<void>;
};

/** Recovers what earlier writers left, then records. Throws RecorderUnavailable or EvidenceBroken. */
export function createFileRecorder(options: FileRecorderOptions): FileRecorder {
  return new FileRecorderRun(options);
}

class FileRecorderRun implements FileRecorder {
  private readonly options: FileRecorderOptions;
  private readonly parts: WriterParts;
  private readonly pool = new ContentPool();
  private readonly boot = randomUUID();
  private readonly sealer: Sealer;
  private writer: Writer;
  private generation = 1;
  private sealing: Promise<unknown> = Promise.resolve();
  private closed = false;
  private readonly timers = new Map<unknown, { cancel(): void }>();

  constructor(options: FileRecorderOptions) {
    const { directory: root, clock, signer, instance, writerId, files = diskFiles } = options;
    if (!isId(writerId)) throw new Error('a writer id is of letters, digits, _ and -');
    const stamps = createStamps(clock);
    this.options = options;
    this.parts = { root, files, scratch: createScratch(), stamps, nowMs: () => clock.now() };
    try {
      mkdirSync(root, { recursive: true, mode: 0o750 });
      publishNow(root, FORMAT_PATH, Buffer.from(FORMAT_TEXT));
      publishNow(root, keyPath(signer.keyId), Buffer.from(signer.publicKeyPem));
    } catch (cause) {
      throw new RecorderUnavailable('the recorder cannot write', { cause });
    }
    if (trustedKey(signer.publicKeyPem)?.fingerprint !== signer.keyId) throw new Error('the signer does not know its own key');
    this.sealer = new Sealer({ root, files, signer, origin: `sallyport/${instance}`, day: () => stamps.day() });
    this.writer = this.startWriter(writerId, 'the writer ended without closing');
    this.every(HEADS_MS, () => this.writer.recordHeads());
    this.every(SEAL_MS, () => this.seal());
  }

  get writerId(): string {
    return this.writer.id;
  }

  open(sessionId: string, rows: 'rows' | 'digest' = 'rows'): SessionRecorder {
    if (!isId(sessionId)) throw new Error('a session id is of letters, digits, _ and -');
    const { root, stamps } = this.parts;
    if (existsSync(join(root, segmentPath(stamps.day(), sessionId, 0)))) throw new Error('the session was recorded before');
    return new SessionWriter(sessionId, this.working(), this.pool, rows === 'rows');
  }

  recordRefusal(event: SessionEvent & { readonly type: 'session.refused' }): void {
    try {
      this.working().record([event]);
    } catch {
      // The writer has failed and keeps why: the next `open` throws it, so no session starts unrecorded.
    }
  }

  seal(): Promise<SignedCheckpoint | undefined> {
    const run = this.sealing.then(() => this.sealNow());
    // The caller hears of the failure; the next seal does not wait for it to be gone.
    this.sealing = run.catch(() => undefined);
    return run;
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    for (const timer of this.timers.values()) timer.cancel();
    await this.sealing;
    const { writer } = this;
    if (writer.failure !== undefined) {
      writer.release();
      throw writer.failure;
    }
    await Promise.all([...writer.sessions].map((session) => session.abandon('the writer closed')));
    await this.sealNow();
    writer.record([{ type: 'writer.closed', writer: writer.id }]);
    await synced(writer);
    await this.sealer.seal();
    writer.release();
  }

  private async sealNow(): Promise<SignedCheckpoint | undefined> {
    const { writer } = this;
    if (writer.failure !== undefined) throw writer.failure;
    // What a head names must be on the disk before the head is.
    writer.recordHeads();
    await Promise.all([...writer.sessions].map((session) => session.durable()));
    await synced(writer);
    const checkpoint = await this.sealer.seal();
    if (checkpoint !== undefined) {
      const { size, day, sha256 } = checkpoint;
      writer.record([{ type: 'checkpoint.signed', size, day, sha256 }]);
    }
    return checkpoint;
  }

  /** The writer, or a new one in place of one that failed. Throws RecorderUnavailable. */
  private working(): Writer {
    if (this.closed) throw new RecorderUnavailable('the recorder is closed');
    if (this.writer.failure === undefined) return this.writer;
    const { root, files } = this.parts;
    const probe = 'probe.tmp';
    try {
      rmSync(join(root, probe), { force: true });
      const file = files.create(root, probe);
      try {
        file.write([Buffer.alloc(PROBE_BYTES, 0x20)]);
      } finally {
        file.close();
        rmSync(join(root, probe), { force: true });
      }
      this.writer.release();
      this.generation += 1;
      this.writer = this.startWriter(`${this.options.writerId}-${this.generation}`, 'the recorder could not write');
    } catch (cause) {
      throw cause instanceof RecorderUnavailable ? cause : new RecorderUnavailable('the recorder cannot write', { cause });
    }
    return this.writer;
  }

  /** Opens a spine, names the writers before it, and ends those that did not end. */
  private startWriter(id: string, reason: string): Writer {
    const { root } = this.parts;
    const { boot, options } = this;
    const left = readLeftBehind(root, id);
    const previous = left.writers.filter(({ writer }) => !left.named.has(writer)).map(({ writer, head }) => ({ writer, head }));
    let writer: Writer;
    try {
      writer = new Writer(id, this.parts);
    } catch (cause) {
      throw new RecorderUnavailable('the recorder cannot write', { cause });
    }
    try {
      writer.record([{ type: 'writer.opened', writer: id, boot, key: options.signer.keyId, program: options.program, previous }]);
      for (const dead of left.writers) {
        if (!dead.closed && !left.fenced.has(dead.writer)) writer.record(fenceEntries(root, dead, left.sealed, reason));
      }
      const newest = this.sealer.newest();
      if (newest !== undefined && !left.checkpoints.has(newest.size)) {
        writer.record([{ type: 'checkpoint.signed', size: newest.size, day: newest.day, sha256: newest.sha256 }]);
      }
    } catch (error) {
      writer.release();
      throw error;
    }
    return writer;
  }

  private every(ms: number, run: () => void | Promise<unknown>): void {
    const timer = this.options.clock.after(ms, () => {
      void this.attempt(run).finally(() => {
        if (!this.closed) this.every(ms, run);
      });
    });
    this.timers.set(run, timer);
  }

  private async attempt(run: () => void | Promise<unknown>): Promise<void> {
    try {
      if (this.writer.failure === undefined) await run();
    } catch (error) {
      this.options.problem(error);
    }
  }
}

function synced(writer: Writer): Promise<void> {
  return new Promise((resolve, reject) => writer.sync((error) => (error === undefined ? resolve() : reject(error))));
}
