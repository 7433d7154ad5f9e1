import { beforeEach, describe, expect, test } from 'vitest';
import type { SignedIn, SignInFlow, SignInStore } from '../../console/ports.ts';

export type SignInStoreHarness = {
  readonly store: SignInStore;
  readonly clock: { now(): number; advance(ms: number): void };
  /** Everything that is stored, as whoever reads the disk or the table sees it. */
  readonly stored: () => Promise<string>;
};

const flow: SignInFlow = { approvalId: 'ap_1', codeVerifier: 'verifier', browser: 'b'.repeat(64) };
const session: SignedIn = { approvalId: 'ap_1', idToken: 'an.id.token', csrf: 'csrf' };

/** What every store of sign-ins keeps to. */
export function signInStoreContract(name: string, open: () => Promise<SignInStoreHarness>): void {
  describe(`sign-ins in ${name}`, () => {
    let harness: SignInStoreHarness;
    let store: SignInStore;
    const inMs = (ms: number): number => harness.clock.now() + ms;
    beforeEach(async () => {
      harness = await open();
      store = harness.store;
    });

    test('a flow is taken once', async () => {
      await store.putFlow('state', flow, inMs(1_000));
      expect(await store.takeFlow('state')).toEqual(flow);
      expect(await store.takeFlow('state')).toBeUndefined();
    });

    test('of many returns with one state at once, one takes the flow', async () => {
      await store.putFlow('state', flow, inMs(1_000));
      const taken = await Promise.all(Array.from({ length: 8 }, () => store.takeFlow('state')));
      expect(taken.filter((one) => one !== undefined)).toEqual([flow]);
    });

    test('a flow is not there when its time has come, whether or not it was cleaned up', async () => {
      await store.putFlow('state', flow, inMs(1_000));
      harness.clock.advance(1_000);
      expect(await store.takeFlow('state')).toBeUndefined();
    });

    test('a session is read as often as needed until it is dropped', async () => {
      await store.putSession('id', session, inMs(1_000));
      expect(await store.readSession('id')).toEqual(session);
      expect(await store.readSession('id')).toEqual(session);
      await store.dropSession('id');
      expect(await store.readSession('id')).toBeUndefined();
      await expect(store.dropSession('id')).resolves.toBeUndefined();
    });

    test('a session is not there when its time has come', async () => {
      await store.putSession('id', session, inMs(1_000));
      harness.clock.advance(999);
      expect(await store.readSession('id')).toEqual(session);
      harness.clock.advance(1);
      expect(await store.readSession('id')).toBeUndefined();
    });

    test('a flow’s state opens no session, and a session’s id is no state', async () => {
      await store.putFlow('one', flow, inMs(1_000));
      await store.putSession('two', session, inMs(1_000));
      expect(await store.readSession('one')).toBeUndefined();
      expect(await store.takeFlow('two')).toBeUndefined();
    });

    test.each(['', 'x', 'state#', 'flow#state', '%', "'; DROP TABLE x; --", 'ü'.repeat(2_000)])(
      '%.20j is an id like any other',
      async (id) => {
        expect(await store.takeFlow(id)).toBeUndefined();
        await store.putFlow(id, flow, inMs(1_000));
        await store.putSession(id, session, inMs(1_000));
        expect(await store.readSession(id)).toEqual(session);
        expect(await store.takeFlow(id)).toEqual(flow);
      },
    );

    test('what is stored gives neither a state nor a session to whoever reads it', async () => {
      await store.putFlow('unguessable-state', flow, inMs(1_000));
      await store.putSession('unguessable-session', session, inMs(1_000));
      const stored = await harness.stored();
      expect(stored).toContain('ap_1');
      expect(stored).not.toContain('unguessable');
    });
  });
}
