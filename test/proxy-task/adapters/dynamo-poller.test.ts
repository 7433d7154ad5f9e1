import { BatchGetItemCommand } from '@aws-sdk/client-dynamodb';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DynamoPoller } from '../../../proxy-task/adapters/dynamo-poller.ts';
import type { StateItem } from '../../../proxy-task/ports.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { settled, stateTables, type StateTables } from '../../support/state-tables.ts';

const tables = { control: 'control', cancels: 'cancels', decisions: 'decisions', claims: 'claims' };
const THROTTLED = Object.assign(new Error('slow down'), { name: 'ProvisionedThroughputExceededException' });

let clock: ManualClock;
let state: StateTables;
let poller: DynamoPoller;
let reports: string[];

beforeEach(() => {
  clock = new ManualClock(1_000_000);
  state = stateTables();
  reports = [];
  poller = new DynamoPoller({ client: state.client, tables, clock, report: (error) => reports.push(String(error)) });
});
afterEach(() => poller.stop());

async function seconds(count: number): Promise<void> {
  for (let second = 0; second < count; second += 1) {
    clock.advance(1_000);
    await settled();
  }
}

function following(id: string, table: 'control' | 'decisions' = 'control'): { seen: (StateItem | undefined)[]; stop(): void } {
  const seen: (StateItem | undefined)[] = [];
  const watch = poller.follow(table, id, (item) => seen.push(item));
  return { seen, stop: () => watch.stop() };
}

describe('followers', () => {
  test('are told of the item as it is at the next poll, and then only of changes', async () => {
    state.put('control', 'locks', { locks: [] });
    const { seen } = following('locks');
    expect(seen).toEqual([]);
    await poller.start();
    await seconds(3);
    expect(seen).toEqual([{ v: 1, body: { locks: [] } }]);
    state.put('control', 'locks', { locks: ['x'] });
    await seconds(1);
    state.remove('control', 'locks');
    await seconds(1);
    expect(seen.slice(1)).toEqual([{ v: 2, body: { locks: ['x'] } }, undefined]);
  });

  test('are told that there is none', async () => {
    const { seen } = following('ap_1', 'decisions');
    await poller.start();
    await seconds(2);
    expect(seen).toEqual([undefined]);
  });

  test('of a changed body under the same version are told: a hand that writes the table may not count', async () => {
    state.putRaw('control', 'locks', { v: { N: '1' }, body: { S: '1' } });
    const { seen } = following('locks');
    await poller.start();
    state.putRaw('control', 'locks', { v: { N: '1' }, body: { S: '2' } });
    await seconds(1);
    expect(seen.map((item) => item?.body)).toEqual([1, 2]);
  });

  test('never take an item that is none of ours for absent', async () => {
    state.putRaw('control', 'locks', { body: { S: '{"locks":[]}' } });
    const { seen } = following('locks');
    await poller.start();
    expect(seen).toEqual([{ v: 0, body: undefined }]);
    expect(reports.join()).toContain('locks');
  });

  test('that stopped hear nothing more, and one that throws keeps nothing from the others', async () => {
    state.put('control', 'locks', 1);
    poller.follow('control', 'locks', () => {
      throw new Error('a bug of a follower');
    });
    const second = following('locks');
    await poller.start();
    second.stop();
    state.put('control', 'locks', 2);
    await seconds(1);
    expect(second.seen).toEqual([{ v: 1, body: 1 }]);
    expect(reports.join()).toContain('a bug of a follower');
    expect(poller.view()).toBe('current');
  });

  test('of 250 items are read in three consistent reads, and keys that were left out are asked for again', async () => {
    const watched = Array.from({ length: 250 }, (_, at) => {
      state.put('decisions', `ap_${at}`, at);
      return following(`ap_${at}`, 'decisions');
    });
    await poller.start();
    expect(watched.map(({ seen }) => seen[0]?.body)).toEqual(watched.map((_, at) => at));
    const calls = state.mock.commandCalls(BatchGetItemCommand);
    expect(calls).toHaveLength(3);
    for (const { args } of calls)
      for (const asked of Object.values(args[0].input.RequestItems ?? {})) {
        expect(asked.ConsistentRead).toBe(true);
        expect(asked.Keys?.length).toBeLessThanOrEqual(100);
      }
    state.mock.reset();
    state.mock
      .on(BatchGetItemCommand)
      .resolvesOnce({ Responses: {}, UnprocessedKeys: { decisions: { Keys: [{ id: { S: 'ap_0' } }], ConsistentRead: true } } })
      .resolves({ Responses: { decisions: [{ id: { S: 'ap_0' }, v: { N: '9' }, body: { S: '"late"' } }] } });
    for (const { stop } of watched.slice(1)) stop();
    await seconds(1);
    clock.advance(50);
    await settled();
    expect(watched[0]?.seen.at(-1)).toEqual({ v: 9, body: 'late' });
  });
});

describe('the view of others', () => {
  beforeEach(async () => {
    following('locks');
    await poller.start();
  });

  test('is current while polls succeed', async () => {
    await seconds(120);
    expect(poller.view()).toBe('current');
  });

  test.each([
    ['throttled', THROTTLED],
    ['unreachable', Object.assign(new Error('connect ECONNREFUSED'), { name: 'Error' })],
    ['not permitted', Object.assign(new Error('denied'), { name: 'AccessDeniedException' })],
  ])('is stale after 5 s and lost after 30 s of a table that is %s, and current at the first answer', async (_what, error) => {
    state.fail(error);
    await seconds(4);
    expect(poller.view()).toBe('current');
    await seconds(1);
    expect(poller.view()).toBe('stale');
    await seconds(24);
    expect(poller.view()).toBe('stale');
    await seconds(1);
    expect(poller.view()).toBe('lost');
    state.fail(undefined);
    await seconds(1);
    expect(poller.view()).toBe('current');
    expect(reports).toHaveLength(1);
  });

  test('is as old as its question: an answer that took seconds is not newer than what was asked', async () => {
    let answer: (() => void) | undefined;
    state.mock.on(BatchGetItemCommand).callsFake(() => new Promise((resolve) => (answer = () => resolve({ Responses: {} }))));
    await seconds(6);
    expect(poller.view()).toBe('stale');
    answer?.();
    await settled();
    expect(poller.ageMs()).toBe(5_000);
  });

  test('does not look at wall clocks, its own or that of a writer', async () => {
    const jumping = { now: () => Number.NaN, monoUs: () => clock.monoUs(), after: (ms: number, run: () => void) => clock.after(ms, run) };
    const other = new DynamoPoller({ client: state.client, tables, clock: jumping, report: () => undefined });
    other.follow('control', 'locks', () => undefined);
    await other.start();
    await seconds(3);
    expect(other.view()).toBe('current');
    expect(other.ageMs()).toBe(0);
    other.stop();
  });

  test('is not known before the first answer', () => {
    const other = new DynamoPoller({ client: state.client, tables, clock, report: () => undefined });
    expect(other.view()).toBe('stale');
    expect(other.ageMs()).toBeUndefined();
  });
});
