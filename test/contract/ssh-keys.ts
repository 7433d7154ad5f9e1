import { beforeEach, describe, expect, test } from 'vitest';
import type { SshLoginStore } from '../../console/ports.ts';
import { loginId, type StoredLogin } from '../../core/ssh/login.ts';
import type { SshLogins } from '../../proxy-task/ports.ts';

export type SshLoginsHarness = {
  /** The side of the API. */
  readonly store: SshLoginStore;
  /** The side of the listener. */
  readonly logins: SshLogins;
  readonly clock: { now(): number; advance(ms: number): void };
};

/** What every store of prepared logins keeps to. */
export function sshLoginsContract(name: string, open: () => Promise<SshLoginsHarness>): void {
  describe(`prepared logins in ${name}`, () => {
    let harness: SshLoginsHarness;
    beforeEach(async () => {
      harness = await open();
    });
    const key = loginId('key', 'a key');
    const code = loginId('code', 'a code');
    const login = (change: Partial<StoredLogin> = {}): StoredLogin => ({
      principal: 'corp/agent-7',
      expiresAtMs: harness.clock.now() + 1_000,
      sealed: 'c2VhbGVk',
      ...change,
    });

    test('a key is read as often as needed until its time has come', async () => {
      const { store, logins, clock } = harness;
      expect(await store.keep(key, login())).toBe(true);
      expect(await logins.readKey(key)).toEqual(login());
      clock.advance(999);
      expect(await logins.readKey(key)).toMatchObject({ principal: 'corp/agent-7' });
      clock.advance(1);
      expect(await logins.readKey(key)).toBeUndefined();
    });

    test('a code is taken once, by one of many at once', async () => {
      const { store, logins } = harness;
      await store.keep(code, login());
      const taken = await Promise.all(Array.from({ length: 8 }, () => logins.takeCode(code)));
      expect(taken.filter((one) => one !== undefined)).toEqual([login()]);
      expect(await logins.takeCode(code)).toBeUndefined();
    });

    test('a code is not there when its time has come', async () => {
      await harness.store.keep(code, login());
      harness.clock.advance(1_000);
      expect(await harness.logins.takeCode(code)).toBeUndefined();
    });

    test('one key is one principal’s: another gets it when the registration has ended, and no sooner', async () => {
      const { store, logins, clock } = harness;
      await store.keep(key, login());
      expect(await store.keep(key, login({ principal: 'corp/other', sealed: 'b3RoZXI' }))).toBe(false);
      expect(await logins.readKey(key)).toEqual(login());
      clock.advance(1_000);
      expect(await store.keep(key, login({ principal: 'corp/other' }))).toBe(true);
      expect(await logins.readKey(key)).toEqual(login({ principal: 'corp/other' }));
    });

    test('the same principal registers anew with a later token', async () => {
      const { store, logins, clock } = harness;
      await store.keep(key, login());
      clock.advance(500);
      const later = login({ sealed: 'bGF0ZXI' });
      expect(await store.keep(key, later)).toBe(true);
      expect(await logins.readKey(key)).toEqual(later);
    });

    test('of two principals that register one key at once, one has it', async () => {
      const { store, logins } = harness;
      const names = Array.from({ length: 6 }, (_, n) => `corp/agent-${n}`);
      const kept = await Promise.all(names.map((principal) => store.keep(key, login({ principal }))));
      expect(kept.filter(Boolean)).toHaveLength(1);
      expect((await logins.readKey(key))?.principal).toBe(names[kept.indexOf(true)]);
    });

    test('what nobody stored is not there', async () => {
      expect(await harness.logins.readKey(key)).toBeUndefined();
      expect(await harness.logins.takeCode(code)).toBeUndefined();
    });
  });
}
