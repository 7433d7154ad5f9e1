import { beforeEach, expect, test } from 'vitest';
import { ScaleInProtection } from '../../proxy-task/scale-in.ts';
import { StateUnavailable } from '../../proxy-task/ports.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { settled } from '../support/state-tables.ts';

let clock: ManualClock;
let asked: string[];
let failing: boolean;
let sessions: number;
let reports: unknown[];
beforeEach(() => {
  clock = new ManualClock(0);
  asked = [];
  failing = false;
  sessions = 0;
  reports = [];
});

const started = (): ScaleInProtection =>
  new ScaleInProtection({
    clock,
    wanted: () => sessions > 0,
    report: (error) => reports.push(error),
    protection: {
      protect: async (minutes) => {
        asked.push(`protect ${minutes}`);
        if (failing) throw new StateUnavailable('the agent is down');
      },
      release: async () => {
        asked.push('release');
        if (failing) throw new StateUnavailable('the agent is down');
      },
    },
  });

async function minutes(count: number): Promise<void> {
  await settled();
  for (let step = 0; step < count * 6; step += 1) {
    clock.advance(10_000);
    await settled();
  }
}

test('a task is protected in slices while sessions live, and not longer', async () => {
  started();
  await minutes(5);
  expect(asked).toEqual([]);
  sessions = 1;
  await minutes(25);
  expect(asked).toEqual(['protect 30', 'protect 30', 'protect 30']);
  sessions = 0;
  await minutes(60);
  expect(asked.slice(3)).toEqual(['release']);
});

test('an agent that does not answer is asked again, and told of once', async () => {
  started();
  sessions = 1;
  failing = true;
  await minutes(1);
  expect(asked).toHaveLength(6);
  expect(reports).toHaveLength(1);
  failing = false;
  await minutes(1);
  expect(asked).toHaveLength(7);
});

test('a release that failed is tried again', async () => {
  started();
  sessions = 1;
  await minutes(1);
  sessions = 0;
  failing = true;
  await minutes(1);
  failing = false;
  await minutes(1);
  expect(asked.filter((each) => each === 'release').length).toBe(7);
});

test('a task that ends lets go at once and asks nothing more', async () => {
  const protection = started();
  sessions = 1;
  await minutes(1);
  await protection.stop();
  await minutes(60);
  expect(asked).toEqual(['protect 30', 'release']);
});
