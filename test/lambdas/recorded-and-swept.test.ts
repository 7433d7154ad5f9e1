// The recorder of a task as it is, killed at any point, then sealer and sweeper: whatever was acknowledged is in evidence that verifies.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readRecording } from '../../core/evidence/recordings.ts';
import { verifyEvidence } from '../../core/evidence/verify.ts';
import type { SessionRecorder } from '../../core/evidence/recorder.ts';
import { createJournalRecorder } from '../../proxy-task/recording/journal-recorder.ts';
import { judged, opened, sessionClosed } from '../support/evidence.ts';
import { passes, settled } from '../support/journal-stores.ts';
import { DAY } from '../support/journaled-writer.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { MemoryPlane, START_MS } from '../support/sealing.ts';

/** A task over the plane's tables; dead, it does nothing more, and a request in flight may or may not have arrived. */
class Task {
  readonly clock = new ManualClock(START_MS);
  readonly recorder;
  /** Statements whose intent was acknowledged, by session. */
  readonly acknowledged = new Map<string, number[]>();
  private dead = false;
  private readonly sessions = new Map<string, { session: string; recorder: SessionRecorder; statements: number }>();

  constructor(plane: MemoryPlane, id: string) {
    const { memory } = plane;
    plane.writer(id);
    const alive = <T>(work: () => T): Promise<T> =>
      this.dead ? new Promise(() => undefined) : Promise.resolve().then(() => (this.dead ? new Promise<T>(() => undefined) : work()));
    this.recorder = createJournalRecorder({
      writer: id,
      boot: 'b',
      program: '0.1.0',
      journal: { put: (commit) => alive(() => (memory.appendNow(commit) === 'written' ? 'written' : 'fenced')) },
      segments: {
        put: (path, bytes) =>
          alive(() => {
            if (memory.putNow(path, bytes) === 'taken') throw new Error('taken');
          }),
      },
      staging: { put: (key, bytes) => alive(() => void memory.stagedLines.set(key, Buffer.from(bytes))) },
      sessions: {
        put: ({ session }) => alive(() => void memory.live.set(id, new Set([...(memory.live.get(id) ?? []), session]))),
        remove: (_, session) => alive(() => void memory.live.get(id)?.delete(session)),
      },
      clock: this.clock,
      problem: () => undefined,
    });
  }

  /** Opens one in this place, under a name that was never used. */
  open(place: string): void {
    if (this.sessions.has(place)) return;
    const session = `${place}-${this.acknowledged.size}`;
    const recorder = this.recorder.open(session);
    recorder.append(opened(session));
    this.sessions.set(place, { session, recorder, statements: 0 });
    this.acknowledged.set(session, []);
  }

  statement(place: string, bytes: number, textBytes: number): void {
    const run = this.sessions.get(place);
    if (run === undefined) return;
    const { session } = run;
    const number = (run.statements += 1);
    run.recorder.append(judged(number, 'x'.repeat(textBytes)));
    run.recorder.append({ type: 'statement.sent', statement: number });
    run.recorder.flush('durable', (error) => {
      if (error === undefined) this.acknowledged.get(session)?.push(number);
    });
    const rows = Buffer.alloc(bytes, number);
    run.recorder.appendContent(rows, 0, rows.length);
    run.recorder.append({ type: 'rows.released', statement: number, rows: 1, bytes, masked: [], detected: 0 });
    run.recorder.flush('written', () => undefined);
  }

  close(place: string): void {
    const run = this.sessions.get(place);
    if (run === undefined) return;
    this.sessions.delete(place);
    void run.recorder.close(sessionClosed(run.statements)).catch(() => undefined);
  }

  kill(): void {
    this.dead = true;
  }
}

const SESSIONS = fc.constantFrom('s1', 's2', 's3');
const STEP = fc.oneof(
  fc.record({ kind: fc.constant('open' as const), session: SESSIONS }),
  fc.record({
    kind: fc.constant('statement' as const),
    session: SESSIONS,
    bytes: fc.constantFrom(1, 4_096, 4_097, 60_000, 2_500_000),
    textBytes: fc.constantFrom(10, 10, 200_000),
  }),
  fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(1, 5, 100, 1_000, 2_500) }),
  fc.record({ kind: fc.constant('settle' as const) }),
  fc.record({ kind: fc.constant('seal' as const) }),
  fc.record({ kind: fc.constant('close' as const), session: SESSIONS }),
);

test('a task killed at any point leaves no acknowledged statement unrecorded, and its end is named', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(STEP, { minLength: 1, maxLength: 25 }), async (steps) => {
      const plane = new MemoryPlane();
      const task = new Task(plane, 't1');
      for (const step of steps) {
        if (step.kind === 'open') task.open(step.session);
        else if (step.kind === 'statement') task.statement(step.session, step.bytes, step.textBytes);
        else if (step.kind === 'wait') await passes(task.clock, step.ms, 250);
        else if (step.kind === 'settle') await settled();
        else if (step.kind === 'close') task.close(step.session);
        else await plane.seal();
        plane.clock.nowMs = task.clock.now();
        // Whoever looks while it runs finds nothing wrong either, once there is a checkpoint.
        if (plane.signed.length > 0) {
          expect(await verifyEvidence(plane.memory.source())).toMatchObject({ intact: true, complete: true, findings: [] });
        }
      }
      task.kill();
      plane.minutes(2);
      await plane.sweep();
      await plane.seal();
      await plane.seal();
      expect(plane.failures).toEqual([]);
      const result = await verifyEvidence(plane.memory.source());
      expect(result).toMatchObject({ intact: true, complete: true, findings: [], open: [], uncovered: 0, pending: 0 });
      for (const [session, statements] of task.acknowledged) {
        const recorded = new Set<unknown>();
        for await (const { events } of readRecording(plane.memory.source(), { session, day: DAY })) {
          for (const event of events) if (event.type === 'statement.sent') recorded.add(event['statement']);
        }
        expect([session, statements.filter((number) => !recorded.has(number))]).toEqual([session, []]);
      }
    }),
    { numRuns: 60 },
  );
});

test('a task that closes leaves nothing to the sweeper', async () => {
  const plane = new MemoryPlane();
  const task = new Task(plane, 't1');
  task.open('s1');
  task.statement('s1', 5_000, 10);
  await settled();
  task.close('s1');
  await settled();
  const closed = task.recorder.close();
  await passes(task.clock, 1_000);
  await closed;
  plane.minutes(2);
  await plane.seal();
  expect(await plane.sweep()).toMatchObject([{ writer: 't1', recordings: [], state: 'ended' }]);
  await plane.seal();
  expect(await verifyEvidence(plane.memory.source())).toMatchObject({
    intact: true,
    complete: true,
    abnormal: [],
    open: [],
    recordings: 1,
  });
});
