// The sweeper over journals in memory: what it makes of every kind of death, and every point at which it can die itself.
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { segmentPath, tornSegmentPath } from '../../core/evidence/layout.ts';
import { verifyEvidence } from '../../core/evidence/verify.ts';
import { DAY, type JournaledWriter } from '../support/journaled-writer.ts';
import { Died } from '../support/memory-evidence.ts';
import { MemoryPlane } from '../support/sealing.ts';

const FINE = { intact: true, complete: true, findings: [], open: [], uncovered: 0 };
const ABNORMAL = 'the writer ended without closing';

async function verdict(plane: MemoryPlane) {
  const { intact, complete, findings, open, uncovered, abnormal, openWriters } = await verifyEvidence(plane.memory.source());
  return { intact, complete, findings, open, uncovered, abnormal, openWriters };
}

/** A task that dies with three sessions open: nothing sealed, one segment said, one put and not said; and one closed. */
async function deadTask(plane = new MemoryPlane()): Promise<{ plane: MemoryPlane; zombie: JournaledWriter }> {
  const task = plane.writer('w1');
  await task.start();
  for (const session of ['s1', 's2', 's3', 's4']) {
    await task.open(session);
    await task.statement(session);
    await task.statement(session, 10_000);
  }
  await task.heads();
  await task.seal('s2');
  await task.statement('s2');
  await task.statement('s2', 9_000);
  await task.close('s4');
  await task.seal('s3', 'silent');
  plane.memory.live.set('w1', new Set(['s1', 's2', 's3']));
  return { plane, zombie: task };
}

/** Seal, sweep, seal, as the minutes go by. */
async function minutesPass(plane: MemoryPlane): Promise<void> {
  await plane.seal();
  plane.minutes(1);
  await plane.sweep();
  await plane.seal();
  expect(plane.failures).toEqual([]);
}

describe('the sweeper', () => {
  test('leaves a writer alone whose lease may still hold somewhere', async () => {
    const { plane } = await deadTask();
    plane.clock.nowMs += 29_000;
    expect(await plane.sweep()).toEqual([]);
    plane.clock.nowMs += 2_000;
    expect(await plane.sweep()).toMatchObject([{ writer: 'w1', state: 'ended' }]);
  });

  test.each(['before', 'after'])('ends every open recording with what the journal has, sealed %s the sweep', async (sealed) => {
    const { plane } = await deadTask();
    if (sealed === 'before') await plane.seal();
    plane.minutes(1);
    const [ended] = await plane.sweep();
    expect(ended?.recordings).toMatchObject([
      { session: 's1', segment: 0, head: { batch: 2 }, lost: { batches: 1, bytes: 10_000 } },
      { session: 's2', segment: 1, head: { batch: 4 }, lost: { batches: 1, bytes: 9_000 } },
      { session: 's3', segment: 0, head: { batch: 2 } },
    ]);
    expect(ended?.recordings[2]?.lost).toBeUndefined();
    await plane.seal();
    await plane.seal();
    const result = await verdict(plane);
    expect(result).toMatchObject(FINE);
    expect(result.openWriters).toEqual([expect.stringMatching(/^sealer-test-/u)]);
    expect(result.abnormal.map(({ session, reason }) => [session, reason])).toEqual([
      ['s1', ABNORMAL],
      ['s2', ABNORMAL],
      ['s3', ABNORMAL],
    ]);
  });

  test('puts inline content into the torn segment, and marks what was lost', async () => {
    const { plane } = await deadTask();
    await minutesPass(plane);
    const torn = plane.memory.objects.get(tornSegmentPath(DAY, 's1', 0))?.toString('latin1') ?? '';
    expect(torn.match(/\n\+\n/gu)).toHaveLength(1);
    expect(torn.match(/\n-\n/gu)).toHaveLength(1);
  });

  test('takes sessions off the list and marks the writer as fenced, once', async () => {
    const { plane } = await deadTask();
    await minutesPass(plane);
    expect(plane.memory.live.get('w1')?.size).toBe(0);
    expect(plane.memory.writers.get('w1')?.item.state).toBe('fenced');
    const { writes } = plane.memory;
    plane.minutes(1);
    expect(await plane.sweep()).toEqual([]);
    expect(plane.memory.writes).toBe(writes);
  });

  test('a zombie can commit nothing behind its tombstone', async () => {
    const { plane, zombie } = await deadTask();
    await minutesPass(plane);
    expect(await zombie.statement('s1')).toBe('taken');
    expect(await zombie.heads()).toBe('taken');
    await plane.seal();
    expect(await verdict(plane)).toMatchObject(FINE);
    expect(plane.memory.sealItems.get('writer#w1')?.body).toMatchObject({ ended: 'fenced' });
  });

  test('a zombie that was faster is read to its end, and fenced behind it', async () => {
    const { plane, zombie } = await deadTask();
    await plane.seal();
    plane.minutes(1);
    let times = 0;
    // The sweeper has just looked for the next place: the zombie takes it.
    const { fence } = plane.memory.appender;
    const [ended] = await plane.sweep({
      appender: {
        ...plane.memory.appender,
        fence: async (...place) => {
          times += 1;
          if (times <= 3) await zombie.statement('s1');
          return fence(...place);
        },
      },
    });
    expect(times).toBe(4);
    expect(ended?.recordings[0]).toMatchObject({ session: 's1', head: { batch: 5 } });
    await plane.seal();
    expect(await verdict(plane)).toMatchObject(FINE);
  });

  test('a zombie that puts its segment behind the fence changes nothing', async () => {
    const { plane, zombie } = await deadTask();
    plane.minutes(1);
    await plane.sweep();
    await zombie.seal('s1', 'silent');
    expect(plane.memory.objects.has(segmentPath(DAY, 's1', 0))).toBe(true);
    await plane.seal();
    await plane.seal();
    expect(await verdict(plane)).toMatchObject(FINE);
  });

  test('a zombie that puts its segment between two runs of the sweeper changes nothing', async () => {
    const { plane, zombie } = await deadTask();
    plane.minutes(1);
    // The run dies right behind its first torn segment.
    plane.memory.between = () => (plane.memory.objects.has(tornSegmentPath(DAY, 's1', 0)) ? Promise.reject(new Died()) : Promise.resolve());
    await plane.sweep();
    plane.memory.between = () => Promise.resolve();
    expect(plane.failures).toHaveLength(1);
    await zombie.seal('s1', 'silent');
    await plane.sweep();
    await plane.seal();
    await plane.seal();
    expect(await verdict(plane)).toMatchObject(FINE);
  });

  test('a task that died before its first commit is fenced, and no spine speaks of it', async () => {
    const plane = new MemoryPlane();
    const zombie = plane.writer('w1');
    plane.minutes(1);
    expect(await plane.sweep()).toMatchObject([{ writer: 'w1', recordings: [], state: 'ended' }]);
    expect(await zombie.start()).toBe('taken');
    await plane.seal();
    expect(await verdict(plane)).toMatchObject(FINE);
  });

  test('a task that closed in its journal and not in the table is not called abnormal', async () => {
    const plane = new MemoryPlane();
    const task = plane.writer('w1');
    await task.start();
    await task.open('s1');
    await task.close('s1');
    await task.stop();
    plane.minutes(1);
    expect(await plane.sweep()).toMatchObject([{ writer: 'w1', recordings: [], state: 'ended' }]);
    await plane.seal();
    expect(await verdict(plane)).toMatchObject({ ...FINE, abnormal: [] });
  });

  test('a task that says closed in the table and never in its journal is ended in time', async () => {
    const { plane } = await deadTask();
    const stored = plane.memory.writers.get('w1');
    if (stored === undefined) throw new Error('no such writer');
    plane.memory.writers.set('w1', { v: 2, item: { ...stored.item, state: 'closed' } });
    await plane.seal();
    plane.minutes(5);
    expect(await plane.sweep()).toEqual([]);
    plane.minutes(10);
    expect(await plane.sweep()).toMatchObject([{ writer: 'w1', state: 'ended' }]);
    await plane.seal();
    expect(await verdict(plane)).toMatchObject(FINE);
  });

  test('a session that had opened and recorded nothing else is ended too', async () => {
    const plane = new MemoryPlane();
    const task = plane.writer('w1');
    await task.start();
    await task.open('s1');
    await minutesPass(plane);
    expect(await verdict(plane)).toMatchObject({ ...FINE, abnormal: [{ session: 's1' }] });
  });

  test('a session whose every batch is in a segment ends at that segment, without a torn one', async () => {
    const plane = new MemoryPlane();
    const task = plane.writer('w1');
    await task.start();
    await task.open('s1');
    await task.statement('s1', 10_000);
    await task.seal('s1');
    plane.minutes(1);
    const [ended] = await plane.sweep();
    expect(ended?.recordings).toMatchObject([{ session: 's1', segment: 0, head: { batch: 1 } }]);
    expect([...plane.memory.objects.keys()].filter((path) => path.endsWith('.torn'))).toEqual([]);
    await plane.seal();
    expect(await verdict(plane)).toMatchObject(FINE);
  });

  test('what the sweeper says is sealed only behind the end of the writer that it speaks of', async () => {
    const plane = new MemoryPlane();
    await plane.seal();
    plane.minutes(5);
    await deadTask(plane);
    plane.minutes(1);
    await plane.sweep();
    // One commit at a time: the sweeper's own is there long before the dead writer's last.
    let turns = 0;
    await plane.seal({ limits: { commitsPerWriter: 1, bodyBytes: 1e9 }, goOn: () => (turns += 1) < 9 });
    expect(plane.memory.objects.has('writers/sweep-w1/000000000000.log')).toBe(false);
    expect(await verdict(plane)).toMatchObject({ intact: true, complete: true, findings: [] });
    await plane.seal();
    expect(await verdict(plane)).toMatchObject(FINE);
  });

  test('segments that a sealer could not have met yet are no finding, and minutes later they are', async () => {
    const { plane } = await deadTask();
    await plane.seal();
    plane.memory.putNow(segmentPath(DAY, 'forged', 0), Buffer.from('anything'));
    expect(await verdict(plane)).toMatchObject({ intact: true, complete: true });
    plane.minutes(3);
    await plane.seal();
    expect((await verdict(plane)).findings).toMatchObject([{ about: 'intact', file: 'sessions/2026-11-20/forged' }]);
  });

  test('a staged line is fetched, and its hash is checked', async () => {
    const plane = new MemoryPlane();
    const task = plane.writer('w1');
    await task.start();
    const line = await task.stage('s1', 'large/w1/s1-0');
    plane.memory.stagedLines.set('large/w1/s1-0', Buffer.from(line.toString().replace('psql', 'PSQL')));
    plane.minutes(1);
    await plane.sweep();
    expect(plane.failures).toMatchObject([{ writer: 'w1', error: { code: 'journal-broken' } }]);
    expect(plane.memory.writers.get('w1')?.item.state).toBe('live');
    plane.failures.length = 0;
    plane.memory.stagedLines.set('large/w1/s1-0', line);
    await minutesPass(plane);
    expect(await verdict(plane)).toMatchObject({ ...FINE, abnormal: [{ session: 's1' }] });
  });

  test('a journal that was changed is fenced and told, and nothing is made up from it', async () => {
    const { plane, zombie } = await deadTask();
    const entry = plane.memory.journal.get('w1 4');
    if (entry?.kind !== 'commit') throw new Error('no such commit');
    plane.memory.journal.set('w1 4', { ...entry, commit: { ...entry.commit, hash: createHash('sha256').digest('hex') } });
    plane.minutes(1);
    expect(await plane.sweep()).toEqual([]);
    expect(plane.failures).toMatchObject([{ writer: 'w1', error: { code: 'journal-broken' } }]);
    expect(await zombie.statement('s1')).toBe('taken');
    expect(plane.memory.objects.has(tornSegmentPath(DAY, 's1', 0))).toBe(false);
  });

  test('what the bucket refuses is done by the next run', async () => {
    const { plane } = await deadTask();
    plane.minutes(1);
    await plane.sweep({ store: { ...plane.memory.store, put: () => Promise.reject(new Error('AccessDenied')) } });
    expect(plane.failures).toHaveLength(1);
    expect(plane.memory.writers.get('w1')?.item.state).toBe('live');
    plane.failures.length = 0;
    await minutesPass(plane);
    expect(await verdict(plane)).toMatchObject(FINE);
  });

  test('hundreds of recordings are ended in bounded commits, over as many runs as it takes', async () => {
    const plane = new MemoryPlane();
    const task = plane.writer('w1');
    await task.start();
    for (let each = 0; each < 450; each += 1) await task.open(`s${each}`);
    await plane.seal();
    plane.minutes(1);
    let asked = 0;
    const [first] = await plane.sweep({ goOn: () => (asked += 1) <= 2 });
    expect([first?.state, first?.recordings.length]).toEqual(['later', 200]);
    const [second] = await plane.sweep();
    expect([second?.state, second?.recordings.length]).toEqual(['ended', 250]);
    await plane.seal();
    const result = await verdict(plane);
    expect(result).toMatchObject(FINE);
    expect(result.abnormal).toHaveLength(450);
  });

  test('a writer with more open recordings than the sealer can list is read from its first commit', async () => {
    const { plane } = await deadTask();
    await plane.seal();
    const item = plane.memory.sealItems.get('writer#w1');
    const body: unknown = JSON.parse(JSON.stringify(item?.body ?? {}, (key, value: unknown) => (key === 'open' ? undefined : value)));
    plane.memory.sealItems.set('writer#w1', { v: item?.v ?? 0, body });
    await minutesPass(plane);
    const result = await verdict(plane);
    expect(result).toMatchObject(FINE);
    expect(result.abnormal).toHaveLength(3);
  });

  test('one writer that cannot be ended keeps no other from its end', async () => {
    const { plane } = await deadTask();
    plane.memory.journal.set('w1 4', { kind: 'malformed', seq: 4 });
    const other = plane.writer('w2');
    await other.start();
    plane.minutes(1);
    expect(await plane.sweep()).toMatchObject([{ writer: 'w2', state: 'ended' }]);
  });

  test('dies at any write, with or without its effect, and the next run ends what it began', async () => {
    const { plane: whole } = await deadTask();
    await whole.seal();
    whole.minutes(1);
    const before = whole.memory.writes;
    await whole.sweep();
    const steps = whole.memory.writes - before;
    expect(steps).toBeGreaterThan(8);
    for (let step = 0; step < steps; step += 1) {
      for (const [when, sealedBetween] of [
        ['before', false],
        ['before', true],
        ['after', false],
        ['after', true],
      ] as const) {
        const { plane } = await deadTask();
        await plane.seal();
        plane.minutes(1);
        plane.memory.fault = { at: plane.memory.writes + step, when };
        await plane.sweep();
        expect(plane.failures.map(({ error }) => error)).toEqual([expect.any(Died)]);
        plane.memory.fault = undefined;
        plane.failures.length = 0;
        if (sealedBetween) await plane.seal();
        plane.minutes(1);
        await plane.sweep();
        expect(plane.failures).toEqual([]);
        await plane.seal();
        expect([step, when, sealedBetween, await verdict(plane)]).toMatchObject([step, when, sealedBetween, FINE]);
        expect(plane.memory.writers.get('w1')?.item.state).toBe('fenced');
        expect(plane.memory.live.get('w1')?.size).toBe(0);
      }
    }
  });

  test('two runs at once, with a sealer between them, end a writer once', async () => {
    const { plane } = await deadTask();
    plane.minutes(1);
    await Promise.all([plane.sweep(), plane.seal(), plane.sweep(), plane.seal()]);
    await plane.sweep();
    await plane.seal();
    await plane.seal();
    expect(plane.failures).toEqual([]);
    expect(await verdict(plane)).toMatchObject(FINE);
  });
});
