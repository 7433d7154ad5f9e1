/** Sealer and sweeper over one set of ports, as their handlers compose them. */
import type { Signer } from '../../core/evidence/checkpoint.ts';
import type { WriterItem } from '../../core/state/control.ts';
import { seal, type SealOutcome, type SealParts } from '../../lambdas/seal/seal.ts';
import { endWriters, type EndedWriter, type SweepParts } from '../../lambdas/sweep/end-writers.ts';
import { JournaledWriter } from './journaled-writer.ts';
import { MemoryEvidence, memorySigner } from './memory-evidence.ts';

export type SealingClock = { nowMs: number };

/** The instant at which everything starts. */
export const START_MS = Date.UTC(2026, 10, 20, 9);

/** An instance whose tables and buckets are in memory. */
export class MemoryPlane {
  readonly memory = new MemoryEvidence();
  readonly clock: SealingClock = { nowMs: START_MS };
  signer: Signer = memorySigner();
  readonly signed: { path: string; note: string }[] = [];
  readonly failures: { writer: string; error: unknown }[] = [];
  readonly ages: number[] = [];

  constructor() {
    this.memory.now = () => this.clock.nowMs;
  }

  seal(over: Partial<SealParts> = {}): Promise<SealOutcome> {
    const { memory } = this;
    return seal({
      journals: memory.journals,
      writers: { list: () => Promise.resolve(memory.directory.known()) },
      state: memory.state,
      store: memory.store,
      signers: { signer: () => Promise.resolve(this.signer) },
      clock: this.steadyClock(),
      instance: 'test',
      program: '0.1.0',
      boot: 'boot',
      limits: { commitsPerWriter: 400, bodyBytes: 48 * 1024 * 1024 },
      goOn: () => true,
      signed: (path, note) => Promise.resolve(void this.signed.push({ path, note })),
      age: (ms) => this.ages.push(ms),
      ...over,
    });
  }

  sweep(over: Partial<SweepParts> = {}): Promise<readonly EndedWriter[]> {
    const { memory } = this;
    return endWriters({
      journals: memory.journals,
      appender: memory.appender,
      writers: memory.directory,
      positions: memory.positions,
      sessions: memory.sessions,
      store: memory.store,
      files: memory.files,
      staged: memory.staged,
      clock: this.steadyClock(),
      program: '0.1.0',
      boot: 'boot',
      failed: (writer, error) => this.failures.push({ writer, error }),
      goOn: () => true,
      ...over,
    });
  }

  /** A task that registered with a lease of 20 s from now. */
  writer(id: string, over: Partial<WriterItem> = {}): JournaledWriter {
    const { memory } = this;
    const item: WriterItem = {
      writer: id,
      slot: 1,
      state: 'live',
      leaseUntilMs: this.clock.nowMs + 20_000,
      nextSeq: 0,
      generation: 1,
      image: `sha256:${'1'.repeat(64)}`,
      ...over,
    };
    memory.writers.set(id, { v: 1, item });
    return new JournaledWriter(id, {
      append: (commit) => Promise.resolve(memory.appendNow(commit)),
      segment: (path, bytes) => Promise.resolve(memory.putNow(path, bytes)),
    });
  }

  /** Its lease runs out. */
  minutes(minutes: number): void {
    this.clock.nowMs += minutes * 60_000;
  }

  private steadyClock(): { now(): number; monoUs(): number } {
    return { now: () => this.clock.nowMs, monoUs: () => this.clock.nowMs * 1000 };
  }
}
