// What every Control does, whoever decides on locks and ends and wherever sums are kept.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Principal } from '../../core/principal.ts';
import type { Budget } from '../../core/target.ts';
import type { Control } from '../../proxy-task/ports.ts';
import type { ManualClock } from '../support/manual-clock.ts';

export type ControlHarness = {
  readonly control: Control;
  readonly clock: ManualClock;
  /** An operator's doings; each resolves when the control has had the time to notice. */
  lock(subject: string, by: string, reason: string): Promise<void>;
  unlock(subject: string): Promise<void>;
  end(session: string, by: string, reason: string): Promise<void>;
  /** The process ends well and another takes its place. */
  restart(): Promise<Control>;
  close(): Promise<void>;
};

const HOUR = 3_600_000;

/** Where the clock of a harness begins: half past an hour, half a day in. */
export const CONTROL_STARTS_MS = 20_000 * 24 * HOUR + HOUR / 2;

export const CONTROL_BUDGETS: readonly Budget[] = [
  { per: 'hour', measure: 'rows', limit: 100 },
  { per: 'day', measure: 'rows', limit: 150 },
  { per: 'session', measure: 'rows', limit: 1 },
];

const agent: Principal = {
  issuer: 'demo',
  agent: 'agent-7',
  human: 'alice@bank.example',
  owner: 'owen@bank.example',
  groups: [],
  expiresAtMs: 0,
};
const bystander: Principal = { issuer: 'demo', agent: 'agent-8', human: 'carl@bank.example', groups: [], expiresAtMs: 0 };

/** `open` gives the target `bank` CONTROL_BUDGETS, and no other target any. */
export function controlContract(name: string, open: () => Promise<ControlHarness>): void {
  describe(`${name} as Control`, () => {
    let harness: ControlHarness;
    let control: Control;
    let clock: ManualClock;
    beforeEach(async () => {
      harness = await open();
      ({ control, clock } = harness);
      await control.prepare(agent, 'bank');
    });
    afterEach(() => harness.close());

    const watched = (principal = agent, id = 's_1') => {
      const ends: string[] = [];
      const watch = control.watch({ id, principal }, (by, reason) => ends.push(`${by}: ${reason}`));
      return { ends, watch };
    };

    test('knows the state of others', () => {
      expect(control.view()).toBe('current');
    });

    test('what does not fit a budget is refused, not charged, and says when it renews', () => {
      const renewsAtMs = CONTROL_STARTS_MS + HOUR / 2;
      expect(control.spend(agent, 'bank', 'rows', 90)).toEqual({ ok: true });
      expect(control.spend(agent, 'bank', 'rows', 11)).toEqual({ ok: false, limit: 100, used: 90, renewsAtMs });
      expect(control.spend(agent, 'bank', 'rows', 10)).toEqual({ ok: true });
      expect(control.spend(agent, 'bank', 'rows', 1)).toMatchObject({ ok: false, used: 100 });
    });

    test('the next hour starts anew, the day goes on', async () => {
      control.spend(agent, 'bank', 'rows', 100);
      clock.advance(HOUR / 2);
      await control.prepare(agent, 'bank');
      expect(control.spend(agent, 'bank', 'rows', 51)).toMatchObject({ ok: false, limit: 150, used: 100 });
      expect(control.spend(agent, 'bank', 'rows', 50)).toEqual({ ok: true });
    });

    test('principals and measures do not share a budget', async () => {
      await control.prepare(bystander, 'bank');
      control.spend(agent, 'bank', 'rows', 100);
      expect(control.spend(bystander, 'bank', 'rows', 100)).toEqual({ ok: true });
      expect(control.spend(agent, 'bank', 'statements', 1e9)).toEqual({ ok: true });
    });

    test('a target that is gone has nothing to spend', () => {
      expect(control.spend(agent, 'elsewhere', 'rows', 1).ok).toBe(false);
    });

    test('an amount that is not a number is a bug, never free', () => {
      expect(() => control.spend(agent, 'bank', 'rows', Number.NaN)).toThrow('amount');
      expect(() => control.spend(agent, 'bank', 'rows', -1)).toThrow('amount');
    });

    test('another process remembers what was spent', async () => {
      control.spend(agent, 'bank', 'rows', 99);
      control = await harness.restart();
      await control.prepare(agent, 'bank');
      expect(control.spend(agent, 'bank', 'rows', 2)).toMatchObject({ ok: false, used: 99 });
      expect(control.spend(agent, 'bank', 'rows', 1)).toEqual({ ok: true });
    });

    test('ending a session tells it once, with who and why, and no other', async () => {
      const { ends } = watched();
      const other = watched(agent, 's_2');
      await harness.end('s_1', 'olga', 'strange');
      await harness.end('s_1', 'olga', 'again');
      expect(ends).toEqual(['olga: strange']);
      expect(other.ends).toEqual([]);
    });

    test('a session that closed by itself is not told any more', async () => {
      const { ends, watch } = watched();
      watch.stop();
      await harness.end('s_1', 'olga', 'strange');
      await harness.lock('demo/agent-7', 'olga', 'stolen');
      expect(ends).toEqual([]);
    });

    test.each(['demo/agent-7', 'alice@bank.example', 'owen@bank.example'])(
      'locking %s ends its sessions and refuses new ones, also in another process',
      async (subject) => {
        const { ends } = watched();
        const other = watched(bystander, 's_2');
        await harness.lock(subject, 'olga', 'stolen');
        expect(ends).toEqual(['olga: stolen']);
        expect(other.ends).toEqual([]);
        expect(control.refusal(agent)).toContain('stolen');
        expect(control.refusal(bystander)).toBeUndefined();
        control = await harness.restart();
        expect(control.refusal(agent)).toContain('stolen');
        await harness.unlock(subject);
        expect(control.refusal(agent)).toBeUndefined();
      },
    );

    test('a session of a principal that was locked meanwhile ends as soon as it is watched', async () => {
      await harness.lock('demo/agent-7', 'olga', 'stolen');
      const { ends } = watched();
      expect(ends).toEqual([]);
      await Promise.resolve();
      expect(ends).toEqual(['olga: stolen']);
    });
  });
}
