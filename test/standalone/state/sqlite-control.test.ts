import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Principal } from '../../../core/principal.ts';
import type { Budget } from '../../../core/target.ts';
import { SqliteControl } from '../../../standalone/state/sqlite-control.ts';
import { openState, type StateDatabase } from '../../../standalone/state/state-database.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const HOUR = 3_600_000;
const agent: Principal = { issuer: 'demo', agent: 'agent-7', human: 'alice@bank.example', groups: [], expiresAtMs: 0 };
const budgets: readonly Budget[] = [
  { per: 'hour', measure: 'rows', limit: 100 },
  { per: 'day', measure: 'rows', limit: 150 },
  { per: 'session', measure: 'rows', limit: 1 },
];

let directory: string;
let db: StateDatabase;
let clock: ManualClock;
let control: SqliteControl;

const open = (): SqliteControl => new SqliteControl({ db, clock, budgetsOf: (target) => (target === 'bank' ? budgets : undefined) });

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sallyport-control-'));
  db = openState(directory);
  clock = new ManualClock(10 * 24 * HOUR + HOUR / 2);
  control = open();
});
afterEach(() => {
  db.close();
  rmSync(directory, { recursive: true, force: true });
});

describe('budgets', () => {
  test('what does not fit is refused, not charged, and says when the window renews', () => {
    expect(control.spend(agent, 'bank', 'rows', 90)).toEqual({ ok: true });
    expect(control.spend(agent, 'bank', 'rows', 11)).toEqual({ ok: false, limit: 100, used: 90, renewsAtMs: 10 * 24 * HOUR + HOUR });
    expect(control.spend(agent, 'bank', 'rows', 10)).toEqual({ ok: true });
  });

  test('the next hour starts anew, the day goes on', () => {
    control.spend(agent, 'bank', 'rows', 100);
    clock.advance(HOUR / 2);
    expect(control.spend(agent, 'bank', 'rows', 51)).toMatchObject({ ok: false, limit: 150, used: 100, renewsAtMs: 11 * 24 * HOUR });
    expect(control.spend(agent, 'bank', 'rows', 50)).toEqual({ ok: true });
  });

  test('principals and measures do not share a budget', () => {
    control.spend(agent, 'bank', 'rows', 100);
    expect(control.spend({ ...agent, agent: 'agent-8' }, 'bank', 'rows', 100).ok).toBe(true);
    expect(control.spend(agent, 'bank', 'statements', 1e9).ok).toBe(true);
  });

  test('a target that is gone has nothing to spend', () => {
    expect(control.spend(agent, 'elsewhere', 'rows', 1).ok).toBe(false);
  });

  test('an amount that is not a number is a bug, never free', () => {
    expect(() => control.spend(agent, 'bank', 'rows', Number.NaN)).toThrow('amount');
    expect(() => control.spend(agent, 'bank', 'rows', -1)).toThrow('amount');
  });

  test('a restart remembers what was spent a second before', () => {
    control.spend(agent, 'bank', 'rows', 100);
    clock.advance(1_000);
    control = open();
    expect(control.spend(agent, 'bank', 'rows', 1)).toMatchObject({ ok: false, used: 100 });
  });
});

describe('sessions', () => {
  const watched = (principal = agent, id = 's-1') => {
    const ends: string[] = [];
    const watch = control.watch({ id, principal }, (by, reason) => ends.push(`${by}: ${reason}`));
    return { ends, watch };
  };

  test('ending a session tells it once and takes it off the list', async () => {
    const { ends } = watched();
    expect(await control.list(10)).toMatchObject({
      sessions: [{ id: 's-1', principal: 'demo/agent-7', human: 'alice@bank.example' }],
      more: false,
    });
    expect(await control.end('s-1', 'operator', 'strange')).toBe(true);
    expect(await control.end('s-1', 'operator', 'strange')).toBe(false);
    expect(ends).toEqual(['operator: strange']);
    expect(await control.list(10)).toEqual({ sessions: [], more: false });
  });

  test('a session that closed by itself is not told any more', async () => {
    const { ends, watch } = watched();
    watch.stop();
    expect(await control.end('s-1', 'operator', 'r')).toBe(false);
    expect(ends).toEqual([]);
  });

  test.each(['demo/agent-7', 'alice@bank.example'])(
    'locking %s ends its sessions and refuses new ones, also after a restart',
    async (subject) => {
      const { ends } = watched();
      const bystander = watched({ ...agent, agent: 'agent-8', human: 'carl@bank.example' }, 's-2');
      await control.lock(subject, 'operator', 'stolen');
      expect(ends).toEqual(['operator: stolen']);
      expect(bystander.ends).toEqual([]);
      expect(open().refusal(agent)).toContain('stolen');
      expect(control.refusal({ ...agent, agent: 'agent-8', human: 'carl@bank.example' })).toBeUndefined();
      expect(await control.unlock(subject)).toBe(true);
      expect(open().refusal(agent)).toBeUndefined();
    },
  );

  test('a session of a principal that was locked meanwhile ends as soon as it is watched', async () => {
    await control.lock('demo/agent-7', 'operator', 'stolen');
    const { ends } = watched();
    await Promise.resolve();
    expect(ends).toEqual(['operator: stolen']);
  });
});

test('state written by a newer version is refused', () => {
  db.exec('PRAGMA user_version = 999');
  db.close();
  expect(() => openState(directory)).toThrow('newer version');
  // A fresh one for the clean-up above.
  rmSync(directory, { recursive: true, force: true });
  db = openState(directory);
});
