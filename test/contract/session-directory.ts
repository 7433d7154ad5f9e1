import { beforeEach, describe, expect, test } from 'vitest';
import type { SessionDirectory } from '../../console/ports.ts';

export type OpenedSession = {
  readonly id: string;
  /** `corp/agent-7` */
  readonly principal: string;
  readonly human?: string;
  readonly owner?: string;
};

export type SessionDirectoryHarness = {
  readonly directory: SessionDirectory;
  /** Opens a session on target `bank` from 10.0.0.1. */
  readonly open: (session: OpenedSession) => Promise<void>;
  /** The session's own end. */
  readonly close: (id: string) => Promise<void>;
  /** Lets whoever holds the sessions take up what it was asked for. */
  readonly settle: () => Promise<void>;
  /** What this session was told, `by: reason`, until now. */
  readonly told: (id: string) => readonly string[];
};

/** What every directory of live sessions keeps to. */
export function sessionDirectoryContract(name: string, make: () => Promise<SessionDirectoryHarness>): void {
  describe(`live sessions in ${name}`, () => {
    let harness: SessionDirectoryHarness;
    beforeEach(async () => {
      harness = await make();
      await harness.open({ id: 's_1', principal: 'corp/agent-7', human: 'alice@bank.example' });
      await harness.open({ id: 's_2', principal: 'corp/agent-8', owner: 'owen@bank.example' });
    });
    const ids = async (limit = 10): Promise<readonly string[]> =>
      (await harness.directory.list(limit)).sessions.map(({ id }) => id).toSorted();

    test('are listed with who, for whom, what and from where', async () => {
      const { sessions, more } = await harness.directory.list(10);
      expect(more).toBe(false);
      expect(sessions.toSorted((a, b) => a.id.localeCompare(b.id))).toEqual([
        {
          id: 's_1',
          principal: 'corp/agent-7',
          human: 'alice@bank.example',
          target: 'bank',
          source: '10.0.0.1',
          openedAtMs: expect.any(Number),
        },
        {
          id: 's_2',
          principal: 'corp/agent-8',
          owner: 'owen@bank.example',
          target: 'bank',
          source: '10.0.0.1',
          openedAtMs: expect.any(Number),
        },
      ]);
    });

    test('are listed up to a limit, and the list says that there are more', async () => {
      expect(await harness.directory.list(1)).toMatchObject({ sessions: { length: 1 }, more: true });
      expect(await harness.directory.list(2)).toMatchObject({ sessions: { length: 2 }, more: false });
      expect(await harness.directory.list(0)).toEqual({ sessions: [], more: true });
    });

    test('one that is ended is told by whom and why, and is then gone', async () => {
      expect(await harness.directory.end('s_1', 'olga@bank.example', 'strange')).toBe(true);
      await harness.settle();
      expect(harness.told('s_1')).toEqual(['olga@bank.example: strange']);
      expect(harness.told('s_2')).toEqual([]);
      expect(await ids()).toEqual(['s_2']);
      expect(await harness.directory.end('s_1', 'olga@bank.example', 'strange')).toBe(false);
    });

    test('one that is ended twice is told once', async () => {
      await Promise.all([1, 2, 3].map((n) => harness.directory.end('s_1', 'olga@bank.example', `reason ${n}`)));
      await harness.settle();
      expect(harness.told('s_1')).toHaveLength(1);
    });

    test('one that closed by itself is gone and cannot be ended', async () => {
      await harness.close('s_1');
      expect(await ids()).toEqual(['s_2']);
      expect(await harness.directory.end('s_1', 'olga@bank.example', 'late')).toBe(false);
      await harness.settle();
      expect(harness.told('s_1')).toEqual([]);
    });

    test.each(['s_3', '', 's_1 ', 'S_1', 'x'.repeat(300)])('none is ended by the id %.10j', async (id) => {
      expect(await harness.directory.end(id, 'olga@bank.example', 'r')).toBe(false);
      await harness.settle();
      expect([...harness.told('s_1'), ...harness.told('s_2')]).toEqual([]);
    });
  });
}
