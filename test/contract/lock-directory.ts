import { beforeEach, describe, expect, test } from 'vitest';
import type { LockDirectory } from '../../console/ports.ts';
import type { OpenedSession } from './session-directory.ts';

export type LockDirectoryHarness = {
  readonly locks: LockDirectory;
  /** A second one over the same state: after a restart, or on another machine. */
  readonly another: () => LockDirectory;
  readonly open: (session: OpenedSession) => Promise<void>;
  readonly clock: { now(): number; advance(ms: number): void };
};

/** What every directory of locks keeps to. That sessions then end is the contract of `Control`. */
export function lockDirectoryContract(name: string, make: () => Promise<LockDirectoryHarness>): void {
  describe(`locks in ${name}`, () => {
    let harness: LockDirectoryHarness;
    beforeEach(async () => {
      harness = await make();
      await harness.open({ id: 's_1', principal: 'corp/agent-7', human: 'alice@bank.example' });
      await harness.open({ id: 's_2', principal: 'corp/agent-7', owner: 'owen@bank.example' });
      await harness.open({ id: 's_3', principal: 'corp/agent-8', human: 'carl@bank.example', owner: 'owen@bank.example' });
    });
    const lock = (subject: string): Promise<number> => harness.locks.lock(subject, 'olga@bank.example', 'strange');
    const subjects = async (directory = harness.locks): Promise<readonly string[]> =>
      (await directory.locks()).map(({ subject }) => subject).toSorted();

    test.each([
      ['corp/agent-7', 2],
      ['corp/agent-8', 1],
      ['owen@bank.example', 2],
      ['alice@bank.example', 1],
      ['nobody@bank.example', 0],
      ['corp/agent', 0],
      ['agent-7', 0],
      ['bank', 0],
    ])('locking %s concerns %i live sessions', async (subject, count) => {
      expect(await lock(subject)).toBe(count);
      expect(await harness.locks.locks()).toEqual([
        { subject, by: 'olga@bank.example', reason: 'strange', lockedAtMs: harness.clock.now() },
      ]);
    });

    test('a lock is there for others too, and after a restart', async () => {
      await lock('corp/agent-7');
      await lock('alice@bank.example');
      expect(await subjects(harness.another())).toEqual(['alice@bank.example', 'corp/agent-7']);
    });

    test('a second lock of one name replaces the first', async () => {
      await lock('corp/agent-7');
      harness.clock.advance(1_000);
      await harness.locks.lock('corp/agent-7', 'pat@bank.example', 'still strange');
      expect(await harness.locks.locks()).toEqual([
        { subject: 'corp/agent-7', by: 'pat@bank.example', reason: 'still strange', lockedAtMs: harness.clock.now() },
      ]);
    });

    test('unlocking is for that name, once', async () => {
      await lock('corp/agent-7');
      await lock('corp/agent-8');
      expect(await harness.locks.unlock('corp/agent-9')).toBe(false);
      expect(await harness.locks.unlock('corp/agent-7')).toBe(true);
      expect(await harness.locks.unlock('corp/agent-7')).toBe(false);
      expect(await subjects(harness.another())).toEqual(['corp/agent-8']);
    });

    test('of locks set at the same moment none is lost', async () => {
      const wanted = ['corp/a', 'corp/b', 'corp/c', 'corp/d'];
      await Promise.all(wanted.map((subject) => lock(subject)));
      expect(await subjects()).toEqual(wanted);
    });
  });
}
