import { beforeEach, describe, expect, test } from 'vitest';
import { Lifecycle, TaskFailed } from '../../proxy-task/lifecycle.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { settled } from '../support/state-tables.ts';

let clock: ManualClock;
let happened: string[];
let endSessions: () => void;
let sealing: () => Promise<void>;
let lifecycle: Lifecycle;

beforeEach(() => {
  clock = new ManualClock(0);
  happened = [];
  sealing = async () => undefined;
  const ended = new Promise<void>((resolve) => {
    endSessions = resolve;
  });
  const say = (what: string) => (): void => void happened.push(what);
  lifecycle = new Lifecycle({
    clock,
    gateway: {
      sessions: 1,
      drain: say('drain'),
      end: (reason) => {
        happened.push(`end: ${reason}`);
        endSessions();
      },
      endUnrecorded: (reason) => {
        happened.push(`unrecorded: ${reason}`);
        endSessions();
      },
      ended: () => ended,
    },
    listener: { stop: async () => say('listener stopped')(), cut: say('cut') },
    seal: async () => {
      await sealing();
      happened.push('sealed');
    },
    closeLease: async () => say('lease closed')(),
    last: [
      say('last one'),
      () => {
        throw new Error('a part that cannot end');
      },
      say('last two'),
    ],
    report: (error) => happened.push(`report: ${error instanceof Error ? error.message : ''}`),
    exit: (status) => happened.push(`exit ${status}`),
  });
});

test('SIGTERM drains, then seals, then gives the lease back, then goes', async () => {
  lifecycle.stop();
  await settled();
  expect(lifecycle.draining).toBe(true);
  expect(happened).toEqual(['drain', 'listener stopped']);
  clock.advance(60_000);
  await settled();
  expect(happened).toHaveLength(2);
  endSessions();
  await settled();
  expect(happened.slice(2)).toEqual(['sealed', 'lease closed', 'last one', 'report: a part that cannot end', 'last two', 'exit 0']);
});

test('what has not drained in 110 s is ended, and cut two seconds later, before ECS kills the task', async () => {
  const lingering = new Promise<void>(() => undefined);
  sealing = () => lingering;
  lifecycle.stop();
  clock.advance(109_999);
  expect(happened).toEqual(['drain', 'listener stopped']);
  clock.advance(1);
  await settled();
  expect(happened[2]).toBe('end: the gateway is shutting down');
  clock.advance(7_999);
  expect(happened).not.toContain('exit 1');
  clock.advance(1);
  expect(happened).toContain('exit 1');
});

test('a second SIGTERM changes nothing', async () => {
  lifecycle.stop();
  lifecycle.stop();
  endSessions();
  await settled();
  expect(happened.filter((each) => each === 'drain' || each === 'exit 0')).toEqual(['drain', 'exit 0']);
});

test('a newer deployment drains the task once clients are sent elsewhere; it stays until it is told to stop', async () => {
  lifecycle.drain();
  lifecycle.drain();
  expect(lifecycle.draining).toBe(true);
  clock.advance(14_999);
  expect(happened).toEqual([]);
  endSessions();
  clock.advance(600_000);
  await settled();
  expect(lifecycle.draining).toBe(true);
  expect(happened).toEqual(['drain']);
  lifecycle.stop();
  await settled();
  expect(happened.at(-1)).toBe('exit 0');
});

test('evidence that could not be sealed leaves the lease to run out, for the sweeper, and the status tells', async () => {
  sealing = () => Promise.reject(new Error('the journal is gone'));
  lifecycle.stop();
  endSessions();
  await settled();
  expect(happened).not.toContain('lease closed');
  expect(happened.at(-1)).toBe('exit 1');
});

describe('a failure', () => {
  test('of lease or recorder ends sessions with ZG030, and the process with status 1', async () => {
    lifecycle.fail(new TaskFailed('this writer was fenced'), 'unrecorded');
    await settled();
    expect(happened.slice(0, 3)).toEqual(['report: this writer was fenced', 'unrecorded: this writer was fenced', 'listener stopped']);
    expect(happened.at(-1)).toBe('exit 1');
  });

  test('that nobody expected ends them without its words, and cleanly where that is possible', async () => {
    lifecycle.fail(new Error('select ssn from customers'), 'interrupted');
    await settled();
    expect(happened[1]).toBe('end: the gateway met an error of its own');
    expect(happened).toContain('sealed');
    expect(happened.at(-1)).toBe('exit 1');
  });

  test('whose end hangs lasts seconds', async () => {
    sealing = () => new Promise(() => undefined);
    lifecycle.fail(new TaskFailed('fenced'), 'unrecorded');
    await settled();
    expect(happened).not.toContain('exit 1');
    clock.advance(8_000);
    expect(happened).toContain('cut');
    expect(happened).toContain('exit 1');
  });

  test('during a drain makes it a short one', async () => {
    lifecycle.stop();
    lifecycle.fail(new TaskFailed('fenced'), 'unrecorded');
    lifecycle.fail(new TaskFailed('again'), 'unrecorded');
    await settled();
    expect(happened.filter((each) => each === 'sealed')).toHaveLength(1);
    expect(happened.filter((each) => each.startsWith('unrecorded'))).toEqual(['unrecorded: fenced']);
    expect(happened.at(-1)).toBe('exit 1');
  });
});
