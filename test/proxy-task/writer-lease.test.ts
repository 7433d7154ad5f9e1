import { beforeEach, describe, expect, test } from 'vitest';
import { StateUnavailable, type Generations, type WriterRegistry } from '../../proxy-task/ports.ts';
import { WriterLease } from '../../proxy-task/writer-lease.ts';
import type { WriterItem } from '../../core/state/control.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { settled } from '../support/state-tables.ts';

class Registry implements WriterRegistry, Generations {
  readonly put: WriterItem[] = [];
  answer: 'renewed' | 'fenced' | 'failed' = 'renewed';
  newestGeneration = 0;

  async register(writer: Omit<WriterItem, 'slot'>): Promise<WriterItem> {
    const item = { ...writer, slot: 12 };
    this.put.push(item);
    return item;
  }

  async renew(writer: WriterItem): Promise<'renewed' | 'fenced'> {
    if (this.answer === 'failed') throw new StateUnavailable('throttled');
    this.put.push(writer);
    return this.answer;
  }

  async close(writer: WriterItem): Promise<void> {
    this.put.push({ ...writer, state: 'closed' });
  }

  async newest(): Promise<number> {
    return this.newestGeneration;
  }

  async raise(generation: number): Promise<void> {
    this.newestGeneration = Math.max(this.newestGeneration, generation);
  }
}

let clock: ManualClock;
let registry: Registry;
let happened: string[];
let seq: number;
beforeEach(() => {
  clock = new ManualClock(1_000_000);
  registry = new Registry();
  happened = [];
  seq = 0;
});

async function opened(generation = 3): Promise<WriterLease> {
  const lease = new WriterLease({
    registry,
    generations: registry,
    clock,
    writer: 'w1',
    generation,
    image: 'sha256:1',
    nextSeq: () => seq,
    onLost: (reason) => happened.push(`lost: ${reason}`),
    onNewer: () => happened.push('newer'),
    report: (error) => happened.push(String(error)),
  });
  expect(await lease.open()).toBe(12);
  return lease;
}

async function seconds(count: number): Promise<void> {
  for (let second = 0; second < count; second += 1) {
    clock.advance(1_000);
    await settled();
  }
}

test("a lease is renewed every 5 s, with the recorder's next commit", async () => {
  await opened();
  seq = 40;
  await seconds(11);
  expect(registry.put.map(({ leaseUntilMs, nextSeq }) => [leaseUntilMs, nextSeq])).toEqual([
    [1_020_000, 0],
    [1_025_000, 40],
    [1_030_000, 40],
  ]);
  expect(happened).toEqual([]);
});

describe('a lease that is lost', () => {
  test('since nobody could be told for as long as it was good, is told once', async () => {
    await opened();
    await seconds(7);
    registry.answer = 'failed';
    await seconds(17);
    expect(happened).toEqual(['StateUnavailable: throttled']);
    await seconds(60);
    expect(happened).toEqual(['StateUnavailable: throttled', 'lost: its lease as a writer could not be renewed']);
    const renewals = registry.put.length;
    registry.answer = 'renewed';
    await seconds(60);
    expect(registry.put).toHaveLength(renewals);
  });

  test('to a fence is told at the next renewal', async () => {
    await opened();
    registry.answer = 'fenced';
    await seconds(5);
    expect(happened).toEqual(['lost: this writer was fenced: others took it for dead']);
  });

  test('is not lost by a few renewals that failed', async () => {
    await opened();
    registry.answer = 'failed';
    await seconds(14);
    registry.answer = 'renewed';
    await seconds(60);
    expect(happened).toEqual(['StateUnavailable: throttled']);
  });
});

test('a lease that was given back is closed with the last commit, and renewed no more', async () => {
  const lease = await opened();
  seq = 99;
  await lease.close();
  await seconds(60);
  expect(registry.put.at(-1)).toMatchObject({ state: 'closed', nextSeq: 99, slot: 12 });
  expect(registry.put).toHaveLength(2);
  expect(happened).toEqual([]);
});

describe('generations', () => {
  test('a newer one that serves is seen once, within 5 s', async () => {
    const lease = await opened(3);
    await lease.serving();
    await seconds(20);
    expect(happened).toEqual([]);
    registry.newestGeneration = 4;
    await seconds(5);
    expect(happened).toEqual(['newer']);
    expect(lease.newerSeen).toBe(true);
    registry.newestGeneration = 5;
    await seconds(10);
    expect(happened).toEqual(['newer']);
  });

  test('a task of an older one that starts after a rollback is not drained by what failed', async () => {
    registry.newestGeneration = 4;
    const lease = await opened(3);
    await lease.serving();
    await seconds(20);
    expect(happened).toEqual([]);
    expect(registry.newestGeneration).toBe(4);
  });

  test('a task that has not served drains nobody', async () => {
    await opened(9);
    expect(registry.newestGeneration).toBe(0);
  });
});
