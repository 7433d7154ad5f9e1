import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Principal } from '../../../core/principal.ts';
import type { Budget } from '../../../core/target.ts';
import { SharedBudgets } from '../../../proxy-task/pipeline/shared-budgets.ts';
import { StateUnavailable, type BudgetCounter } from '../../../proxy-task/ports.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { settled } from '../../support/state-tables.ts';

const agent: Principal = { issuer: 'demo', agent: 'agent|7', groups: [], expiresAtMs: 0 };
const HOURLY: readonly Budget[] = [{ per: 'hour', measure: 'rows', limit: 100 }];

/** A counter whose answers wait until they are let go. */
class HeldCounter implements BudgetCounter {
  readonly sums = new Map<string, number>();
  readonly asked: { readonly counter: string; readonly amount: number; readonly expiresAtMs: number }[] = [];
  failure: Error | undefined;
  holds = false;
  readonly #held: (() => void)[] = [];

  async add(counter: string, amount: number, expiresAtMs: number): Promise<number> {
    this.asked.push({ counter, amount, expiresAtMs });
    if (this.holds) await new Promise<void>((resolve) => this.#held.push(resolve));
    if (this.failure !== undefined) throw this.failure;
    this.sums.set(counter, (this.sums.get(counter) ?? 0) + amount);
    return this.sums.get(counter) ?? 0;
  }

  async letGo(): Promise<void> {
    for (const resolve of this.#held.splice(0)) resolve();
    await settled();
  }

  get total(): number {
    return [...this.sums.values()].reduce((sum, value) => sum + value, 0);
  }
}

let clock: ManualClock;
let counter: HeldCounter;
let reports: unknown[];
beforeEach(() => {
  clock = new ManualClock(1_800_000_000_000);
  counter = new HeldCounter();
  reports = [];
});

const task = (budgets = HOURLY): SharedBudgets =>
  new SharedBudgets({ counter, clock, budgetsOf: () => budgets, report: (error) => reports.push(error) });

describe('tasks that spend one budget', () => {
  test('see what the other has spent before a session opens', async () => {
    const [one, two] = [task(), task()];
    await one.prepare(agent, 'bank');
    one.spend(agent, 'bank', 'rows', 95);
    await settled();
    await two.prepare(agent, 'bank');
    expect(two.spend(agent, 'bank', 'rows', 6)).toMatchObject({ ok: false, used: 95 });
    expect(two.spend(agent, 'bank', 'rows', 5)).toEqual({ ok: true });
  });

  test('see it within a second of their own spending', async () => {
    const [one, two] = [task(), task()];
    await one.prepare(agent, 'bank');
    await two.prepare(agent, 'bank');
    one.spend(agent, 'bank', 'rows', 90);
    await settled();
    clock.advance(1_000);
    expect(two.spend(agent, 'bank', 'rows', 1)).toEqual({ ok: true });
    await settled();
    expect(two.spend(agent, 'bank', 'rows', 10)).toMatchObject({ ok: false, used: 91 });
  });

  test('exceed it by no more than the others had left at their last answer, whatever they do and whenever answers come', async () => {
    const steps = fc.array(
      fc.oneof(
        fc.record({ do: fc.constant('spend' as const), who: fc.integer({ min: 0, max: 2 }), amount: fc.integer({ min: 0, max: 40 }) }),
        fc.record({ do: fc.constant('answer' as const) }),
        fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 3_000 }) }),
      ),
      { maxLength: 40 },
    );
    await fc.assert(
      fc.asyncProperty(steps, async (list) => {
        clock = new ManualClock(1_800_000_000_000);
        counter = new HeldCounter();
        const tasks = [task(), task(), task()];
        await Promise.all(tasks.map((each) => each.prepare(agent, 'bank')));
        counter.holds = true;
        const spent = [0, 0, 0];
        for (const step of list) {
          if (step.do === 'spend') {
            if (tasks[step.who]?.spend(agent, 'bank', 'rows', step.amount).ok === true)
              spent[step.who] = (spent[step.who] ?? 0) + step.amount;
          } else if (step.do === 'answer') await counter.letGo();
          else clock.advance(step.ms);
        }
        // One task alone never exceeds it; three of them no more than each alone.
        for (const each of spent) expect(each).toBeLessThanOrEqual(100);
        counter.holds = false;
        await counter.letGo();
        for (const each of tasks) await each.flush();
        await counter.letGo();
        expect(counter.total).toBe(spent.reduce((sum, each) => sum + each, 0));
      }),
      { numRuns: 60 },
    );
  });
});

describe('what is spent is told', () => {
  test('within a second, together', async () => {
    const one = task([{ per: 'hour', measure: 'rows', limit: 1_000_000 }]);
    await one.prepare(agent, 'bank');
    for (let at = 0; at < 50; at += 1) one.spend(agent, 'bank', 'rows', 1);
    expect(counter.asked.map(({ amount }) => amount)).toEqual([0]);
    clock.advance(1_000);
    await settled();
    expect(counter.asked.map(({ amount }) => amount)).toEqual([0, 50]);
    clock.advance(60_000);
    await settled();
    expect(counter.asked).toHaveLength(2);
  });

  test('at once when little is left, one question at a time', async () => {
    const one = task();
    await one.prepare(agent, 'bank');
    counter.holds = true;
    one.spend(agent, 'bank', 'rows', 7);
    one.spend(agent, 'bank', 'rows', 50);
    one.spend(agent, 'bank', 'rows', 3);
    expect(counter.asked.map(({ amount }) => amount)).toEqual([0, 7]);
    await counter.letGo();
    clock.advance(1_000);
    expect(counter.asked.map(({ amount }) => amount)).toEqual([0, 7, 53]);
  });

  test('to the window in which it was spent, and the names of principals cannot run together', async () => {
    const one = task();
    await one.prepare(agent, 'bank');
    one.spend(agent, 'bank', 'rows', 1);
    clock.advance(3_600_000);
    one.spend(agent, 'bank', 'rows', 2);
    await one.flush();
    await settled();
    const told = counter.asked.filter(({ amount }) => amount > 0);
    expect(new Map(told.map((each) => [each.counter, each.amount]))).toEqual(
      new Map([
        ['demo%2Fagent%7C7|bank|rows|hour|2027-01-15T08:00:00.000Z', 1],
        ['demo%2Fagent%7C7|bank|rows|hour|2027-01-15T09:00:00.000Z', 2],
      ]),
    );
    for (const { expiresAtMs } of told) expect(expiresAtMs).toBeGreaterThan(clock.now());
  });

  test('when the task ends', async () => {
    const one = task([{ per: 'day', measure: 'rows', limit: 1_000 }]);
    await one.prepare(agent, 'bank');
    one.spend(agent, 'bank', 'rows', 5);
    await one.flush();
    expect(counter.total).toBe(5);
  });
});

describe('a counter that does not answer', () => {
  test('keeps a session from opening', async () => {
    counter.failure = new Error('throttled');
    await expect(task().prepare(agent, 'bank')).rejects.toBeInstanceOf(StateUnavailable);
  });

  test('stops spending after 5 s, and loses nothing of what was spent', async () => {
    const one = task();
    await one.prepare(agent, 'bank');
    counter.failure = new Error('throttled');
    for (let second = 0; second < 5; second += 1) {
      expect(one.spend(agent, 'bank', 'rows', 1)).toEqual({ ok: true });
      clock.advance(1_000);
      await settled();
    }
    expect(one.spend(agent, 'bank', 'rows', 1)).toMatchObject({ ok: false, limit: 100, used: 5 });
    expect(reports).toHaveLength(1);
    counter.failure = undefined;
    clock.advance(1_000);
    await settled();
    expect(counter.total).toBe(5);
    expect(one.spend(agent, 'bank', 'rows', 1)).toEqual({ ok: true });
  });
});

test('a clock that is set back does not open the old window again', async () => {
  const one = task();
  await one.prepare(agent, 'bank');
  one.spend(agent, 'bank', 'rows', 100);
  clock.advance(-1_800_000 * 2);
  expect(one.spend(agent, 'bank', 'rows', 1).ok).toBe(false);
});
