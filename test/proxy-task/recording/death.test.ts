// A task dies at any moment, whatever its stores did before; sweeper and sealer make evidence of what it left.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { findingText } from '../../../core/evidence/findings.ts';
import type { JournalStore, LiveSessions, SegmentStore, StagingStore } from '../../../core/evidence/journal-store.ts';
import type { SessionRecorder } from '../../../core/evidence/recorder.ts';
import { listRecordings, readRecording } from '../../../core/evidence/recordings.ts';
import { verifyEvidence } from '../../../core/evidence/verify.ts';
import { createJournalRecorder, type JournalRecorder } from '../../../proxy-task/recording/journal-recorder.ts';
import { judged, opened, sessionClosed } from '../../support/evidence.ts';
import { type Behaviour, Faults, settled } from '../../support/journal-stores.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import type { MemoryEvidence } from '../../support/memory-evidence.ts';
import { MemoryPlane, START_MS } from '../../support/sealing.ts';

const MIB = 1024 * 1024;
/** Content stands nowhere else for two seconds, and its segment takes a moment. */
const LOST_AT_MOST_MS = 2_500;

/** A task on the tables and buckets that sealer and sweeper read. */
class Task {
  readonly plane = new MemoryPlane();
  readonly clock = new ManualClock(START_MS);
  readonly faults = { journal: new Faults(), segments: new Faults(), staging: new Faults() };
  readonly recorder: JournalRecorder;
  /** Segments that are sent and arrive after the task has died. */
  readonly late: (() => void)[] = [];
  private dying = false;

  constructor() {
    this.plane.writer('t1');
    const { memory } = this.plane;
    const journal: JournalStore = {
      put: (commit) => this.faults.journal.run(() => (memory.appendNow(commit) === 'written' ? 'written' : 'fenced')),
    };
    this.recorder = createJournalRecorder({
      writer: 't1',
      boot: 'b',
      program: '0.1.0',
      journal,
      segments: this.segments(memory),
      staging: { put: (key, bytes) => this.faults.staging.run(() => void memory.stagedLines.set(key, bytes)) } satisfies StagingStore,
      sessions: liveSessions(memory),
      clock: this.clock,
      problem: () => undefined,
    });
  }

  async passes(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 100) {
      this.clock.advance(Math.min(100, left));
      this.plane.clock.nowMs = this.clock.now();
      await settled();
    }
  }

  /** From now on no answer reaches it; what it has sent to the bucket may still arrive. */
  async die(): Promise<void> {
    this.dying = true;
    for (const faults of Object.values(this.faults)) faults.set('hangs');
    // What content there is now is on its way, as far as it goes.
    await this.passes(2_100);
  }

  private segments(memory: MemoryEvidence): SegmentStore {
    const put = (path: string, bytes: Buffer): void => {
      if (memory.putNow(path, bytes) === 'taken') throw new Error('taken');
    };
    return {
      put: (path, bytes) => {
        if (this.dying) this.late.push(() => put(path, bytes));
        return this.faults.segments.run(() => put(path, bytes));
      },
    };
  }
}

function liveSessions(memory: MemoryEvidence): LiveSessions {
  return {
    put: ({ writer, session }) => {
      memory.live.set(writer, (memory.live.get(writer) ?? new Set()).add(session));
      return Promise.resolve();
    },
    remove: (writer, session) => {
      memory.live.get(writer)?.delete(session);
      return Promise.resolve();
    },
  };
}

type Step =
  | { readonly kind: 'flush'; readonly session: number; readonly bytes: number; readonly text: number }
  | { readonly kind: 'close'; readonly session: number }
  | { readonly kind: 'time'; readonly ms: number }
  | { readonly kind: 'seal' }
  | { readonly kind: 'fault'; readonly store: 'journal' | 'segments' | 'staging'; readonly behaviour: Behaviour };

const STEP: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 7,
    arbitrary: fc.record({
      kind: fc.constant('flush' as const),
      session: fc.nat(3),
      bytes: fc.constantFrom(0, 100, 5_000, 3 * MIB),
      text: fc.constantFrom(0, 10, 70_000, 140_000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('close' as const), session: fc.nat(3) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('time' as const), ms: fc.constantFrom(1, 50, 1_200, 3_000) }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'seal' as const }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('fault' as const),
      store: fc.constantFrom('journal' as const, 'segments' as const, 'staging' as const),
      behaviour: fc.constantFrom<Behaviour>('refuses', 'losesAnswer', 'hangs'),
    }),
  },
);

type Told = {
  /** Events that are acknowledged. */
  events: number;
  /** Released bytes, each with the moment of its acknowledgement. */
  readonly released: { readonly bytes: number; readonly atMs: number }[];
};

test('of what was acknowledged only the newest content can be lost, and the evidence says how much', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(STEP, { maxLength: 25 }), fc.boolean(), async (steps, comesBack) => {
      const task = new Task();
      const told = new Map<string, Told>();
      await act(task, steps, told);
      await task.die();
      const { plane } = task;
      const diedAtMs = plane.clock.nowMs;
      plane.minutes(1);
      await plane.sweep();
      if (comesBack) for (const arrive of task.late) arrive();
      await plane.seal();
      plane.minutes(1);
      await plane.sweep();
      await plane.seal();
      expect(plane.failures).toEqual([]);
      const result = await verifyEvidence(plane.memory.source());
      expect(result.findings.map(findingText)).toEqual([]);
      expect([result.intact, result.complete, result.open, result.pending]).toEqual([true, true, [], 0]);
      expect(plane.memory.live.get('t1')?.size ?? 0).toBe(0);
      const slow = steps.some((step) => step.kind === 'fault');
      for (const [session, { events, released }] of told) {
        const found = await readBack(plane, session);
        expect(found.events).toBeGreaterThanOrEqual(events);
        const acknowledged = released.reduce((sum, { bytes }) => sum + bytes, 0);
        expect(found.contentBytes + found.lostBytes).toBeGreaterThanOrEqual(acknowledged);
        const young = released.filter(({ atMs }) => diedAtMs - atMs <= LOST_AT_MOST_MS + 2_100);
        if (!slow) expect(found.lostBytes).toBeLessThanOrEqual(young.reduce((sum, { bytes }) => sum + bytes, 0));
      }
    }),
    { numRuns: 80 },
  );
});

async function act(task: Task, steps: readonly Step[], told: Map<string, Told>): Promise<void> {
  const open = new Map<string, SessionRecorder>();
  for (const step of steps) {
    if (step.kind === 'time') await task.passes(step.ms);
    else if (step.kind === 'seal') await task.plane.seal();
    else if (step.kind === 'fault') task.faults[step.store].plan(step.behaviour);
    else if (task.recorder.failure === undefined) {
      const id = `s${step.session}`;
      if (step.kind === 'close') {
        open
          .get(id)
          ?.close(sessionClosed(0))
          .catch(() => undefined);
        open.delete(id);
        await settled();
        continue;
      }
      const session = open.get(id) ?? (told.has(id) ? undefined : task.recorder.open(id));
      if (session === undefined) continue;
      const heard = told.get(id) ?? { events: 0, released: [] };
      if (!told.has(id)) session.append(opened(id));
      told.set(id, heard);
      open.set(id, session);
      if (step.bytes > 0) session.appendContent(Buffer.alloc(step.bytes, 7), 0, step.bytes);
      const events = session.append(step.text > 0 ? judged(1, 'x'.repeat(step.text)) : { type: 'transaction', status: 'I' }) + 1;
      session.flush('written', (error) => {
        if (error !== undefined) return;
        heard.events = events;
        heard.released.push({ bytes: step.bytes, atMs: task.clock.now() });
      });
      if (step.text !== 10) await settled();
    }
  }
}

async function readBack(plane: MemoryPlane, session: string): Promise<{ events: number; contentBytes: number; lostBytes: number }> {
  const source = plane.memory.source();
  const recording = (await listRecordings(source)).find((each) => each.session === session);
  const found = { events: 0, contentBytes: 0, lostBytes: 0 };
  if (recording === undefined) return found;
  for await (const { events, content, lostBytes } of readRecording(source, recording)) {
    found.events += events.length;
    found.contentBytes += content.length;
    found.lostBytes += lostBytes;
  }
  return found;
}
