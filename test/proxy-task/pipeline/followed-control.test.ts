import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { LockList, MailEntry } from '../../../core/state/control.ts';
import type { Principal } from '../../../core/principal.ts';
import type { BudgetCounter } from '../../../proxy-task/ports.ts';
import { CONTROL_STARTS_MS, controlContract } from '../../contract/control.ts';
import { startControl, type TestControl, type TestControlOptions } from '../../support/followed-control.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { stateTables, type StateTables } from '../../support/state-tables.ts';

const tables = { control: 'control', cancels: 'cancels', decisions: 'decisions', claims: 'claims' };
const agent: Principal = { issuer: 'demo', agent: 'agent-7', groups: [], expiresAtMs: 9 };

/** Counters in memory. */
function counters(): BudgetCounter {
  const sums = new Map<string, number>();
  return {
    add: async (counter, amount) => {
      sums.set(counter, (sums.get(counter) ?? 0) + amount);
      return sums.get(counter) ?? 0;
    },
  };
}

controlContract('FollowedControl', async () => {
  const clock = new ManualClock(CONTROL_STARTS_MS);
  const state = stateTables();
  const counter = counters();
  let running = await startControl({ client: state.client, tables, clock, counter });
  let locks: LockList['locks'] = [];
  let entries: readonly MailEntry[] = [];
  const write = async (id: string, value: unknown): Promise<void> => {
    state.put('control', id, value);
    await running.polled();
  };
  return {
    control: running.control,
    clock,
    lock: (subject, by, reason) => {
      locks = [...locks, { subject, by, reason, lockedAtMs: clock.now() }];
      return write('locks', { locks });
    },
    unlock: (subject) => {
      locks = locks.filter((lock) => lock.subject !== subject);
      return write('locks', { locks });
    },
    end: (session, by, reason) => {
      entries = [...entries, { id: `m${entries.length}`, atMs: clock.now(), kind: 'end', session, by, reason }];
      return write('mail#w1', { entries });
    },
    restart: async () => {
      await running.budgets.flush();
      running.stop();
      running = await startControl({ client: state.client, tables, clock, counter });
      return running.control;
    },
    close: async () => running.stop(),
  };
});

let clock: ManualClock;
let state: StateTables;
let started: TestControl[];
beforeEach(() => {
  clock = new ManualClock(CONTROL_STARTS_MS);
  state = stateTables();
  started = [];
});
afterEach(() => {
  for (const each of started) each.stop();
});

async function start(options: Partial<TestControlOptions> = {}): Promise<TestControl> {
  const running = await startControl({ client: state.client, tables, clock, counter: counters(), ...options });
  started.push(running);
  return running;
}

describe('a list of locks that cannot be understood', () => {
  test('lifts no lock, keeps statements waiting, and ends sessions after half a minute', async () => {
    const { control, polled, reports } = await start();
    state.put('control', 'locks', { locks: [{ subject: 'demo/agent-7', by: 'olga', reason: 'stolen', lockedAtMs: 0 }] });
    await polled();
    state.put('control', 'locks', { locks: [{ subject: 'demo/agent-7' }] });
    await polled();
    expect(control.refusal(agent)).toContain('stolen');
    expect(control.view()).toBe('stale');
    for (let second = 0; second < 30; second += 1) await polled();
    expect(control.view()).toBe('lost');
    expect(reports).toHaveLength(1);
    state.put('control', 'locks', { locks: [] });
    await polled();
    expect(control.view()).toBe('current');
    expect(control.refusal(agent)).toBeUndefined();
  });

  test('that was taken away lifts all locks', async () => {
    const { control, polled } = await start();
    state.put('control', 'locks', { locks: [{ subject: 'demo/agent-7', by: 'olga', reason: 'stolen', lockedAtMs: 0 }] });
    await polled();
    state.remove('control', 'locks');
    await polled();
    expect(control.refusal(agent)).toBeUndefined();
  });
});

describe('mail', () => {
  test('that ends a session which is about to open ends it when it does', async () => {
    const { control, polled } = await start();
    state.put('control', 'mail#w1', { entries: [{ id: 'a', atMs: 0, kind: 'end', session: 's_1', by: 'olga', reason: 'strange' }] });
    await polled();
    const ends: string[] = [];
    control.watch({ id: 's_1', principal: agent }, (by) => ends.push(by));
    await Promise.resolve();
    expect(ends).toEqual(['olga']);
  });

  test('with a renewal is taken up once, with what the token itself says', async () => {
    const { polled, renewals } = await start({ tokens: { verify: async (token) => ({ ...agent, tokenId: token }) } });
    const entry = { id: 'a', atMs: 0, kind: 'renew', session: 's_1', token: 'fresh' };
    state.put('control', 'mail#w1', { entries: [entry] });
    await polled();
    state.put('control', 'mail#w1', { entries: [entry, { ...entry, id: 'b', session: 's_2' }] });
    await polled();
    expect(renewals.map(([session, { tokenId }]) => [session, tokenId])).toEqual([
      ['s_1', 'fresh'],
      ['s_2', 'fresh'],
    ]);
  });

  test('with a token that does not verify extends nothing, and the report does not hold it', async () => {
    const { polled, renewals, reports } = await start({ tokens: { verify: () => Promise.reject(new Error('expired')) } });
    state.put('control', 'mail#w1', { entries: [{ id: 'a', atMs: 0, kind: 'renew', session: 's_1', token: 'a-token' }] });
    await polled();
    expect(renewals).toEqual([]);
    expect(reports.join()).toContain('expired');
    expect(reports.join()).not.toContain('a-token');
  });
});

describe('two tasks and one cancel', () => {
  const key = { processId: (9 << 16) | 3, secret: Buffer.from('00ff00ff', 'hex') };

  test('a cancel that lands on the wrong task is left for the one that its key names', async () => {
    const left: unknown[] = [];
    const { control } = await start({ slot: 7, cancels: { put: async (slot, cancel) => void left.push([slot, cancel]) } });
    await control.cancelElsewhere(key);
    expect(left).toEqual([[9, { processId: key.processId, secretHex: '00ff00ff' }]]);
  });

  test('a key with a slot above 32767 names it all the same', async () => {
    const left: number[] = [];
    const { control } = await start({ slot: 7, cancels: { put: async (slot) => void left.push(slot) } });
    await control.cancelElsewhere({ processId: (0xfffe << 16) | 1 | 0, secret: key.secret });
    expect(left).toEqual([0xfffe]);
  });

  test('a key of this very task that did not match goes nowhere', async () => {
    const left: unknown[] = [];
    const { control } = await start({ slot: 9, cancels: { put: async (slot) => void left.push(slot) } });
    await control.cancelElsewhere(key);
    expect(left).toEqual([]);
  });

  test('it is done once, while it is fresh, whatever else is in the list', async () => {
    const { canceled, polled } = await start({ slot: 9 });
    const entry = { id: 'a', atMs: clock.now(), processId: key.processId, secretHex: '00ff00ff' };
    const old = { ...entry, id: 'b', atMs: clock.now() - 61_000 };
    state.put('cancels', 'cancels#9', { entries: [old, entry] });
    await polled();
    state.put('cancels', 'cancels#9', { entries: [entry, { ...entry, id: 'c', processId: 1 }] });
    await polled();
    expect(canceled.map(({ processId }) => processId)).toEqual([key.processId, 1]);
    expect(canceled[0]?.secret).toEqual(key.secret);
  });

  test('a list that cannot be understood cancels nothing and stops nothing', async () => {
    const { control, canceled, polled } = await start({ slot: 9 });
    state.put('cancels', 'cancels#9', { entries: 'x' });
    await polled();
    expect(canceled).toEqual([]);
    expect(control.view()).toBe('current');
  });
});
