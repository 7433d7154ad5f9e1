// What is gathered of a dead writer's journal at a time is bounded, and nothing is left out over all times.
import { expect, test } from 'vitest';
import { fenceWriter } from '../../lambdas/sweep/fence-writer.ts';
import { gatherBatches } from '../../lambdas/sweep/journaled-batches.ts';
import { MemoryPlane } from '../support/sealing.ts';

async function threeSessions() {
  const plane = new MemoryPlane();
  const task = plane.writer('w1');
  await task.start();
  for (const session of ['s1', 's2', 's3']) await task.open(session);
  for (let each = 0; each < 20; each += 1) for (const session of ['s1', 's2', 's3']) await task.statement(session, 1_000);
  const left = await fenceWriter('w1', 'sweep-w1', 0, plane.memory);
  return { plane, left };
}

test('as many recordings are gathered as fit, whole, and at least one', async () => {
  const { plane, left } = await threeSessions();
  for (const [maxBytes, sessions] of [
    [1, ['s1']],
    [80_000, ['s1', 's2']],
    [10_000_000, ['s1', 's2', 's3']],
  ] as const) {
    const found = await gatherBatches('w1', left, ['s1', 's2', 's3'], maxBytes, plane.memory);
    expect([...found.keys()]).toEqual(sessions);
    for (const { batches } of found.values())
      expect(batches.map(({ parsed }) => parsed.batch)).toEqual(Array.from({ length: 21 }, (_, at) => at));
  }
});

test('what a segment has is not held', async () => {
  const plane = new MemoryPlane();
  const task = plane.writer('w1');
  await task.start();
  await task.open('s1');
  await task.statement('s1', 9_000);
  await task.seal('s1');
  await task.statement('s1');
  const left = await fenceWriter('w1', 'sweep-w1', 0, plane.memory);
  // From the first commit on, as where the writer never said what was needed.
  const found = await gatherBatches('w1', { needed: 0, end: left.end }, ['s1'], 1e9, plane.memory);
  expect(found.get('s1')?.batches.map(({ parsed }) => parsed.batch)).toEqual([2]);
  expect(left.needed).toBeGreaterThan(0);
});
