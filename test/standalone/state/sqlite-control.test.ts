import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Principal } from '../../../core/principal.ts';
import type { Budget } from '../../../core/target.ts';
import { SqliteControl } from '../../../standalone/state/sqlite-control.ts';
import { openState, type StateDatabase } from '../../../standalone/state/state-database.ts';
import { CONTROL_BUDGETS, CONTROL_STARTS_MS, controlContract } from '../../contract/control.ts';
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

controlContract('SqliteControl', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-control-'));
  const state = openState(folder);
  const time = new ManualClock(CONTROL_STARTS_MS);
  const made = (): SqliteControl =>
    new SqliteControl({ db: state, clock: time, budgetsOf: (target) => (target === 'bank' ? CONTROL_BUDGETS : undefined) });
  let running = made();
  return {
    control: running,
    clock: time,
    lock: async (subject, by, reason) => void (await running.lock(subject, by, reason)),
    unlock: async (subject) => void (await running.unlock(subject)),
    end: async (session, by, reason) => void (await running.end(session, by, reason)),
    restart: async () => {
      running.flush();
      running = made();
      return running;
    },
    close: async () => {
      state.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
});

describe('budgets', () => {
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
});

test('state written by a newer version is refused', () => {
  db.exec('PRAGMA user_version = 999');
  db.close();
  expect(() => openState(directory)).toThrow('newer version');
  // A fresh one for the clean-up above.
  rmSync(directory, { recursive: true, force: true });
  db = openState(directory);
});
