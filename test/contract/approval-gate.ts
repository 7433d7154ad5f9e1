/** What every ApprovalGate keeps, whatever stores it. Called by the test file of each adapter. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Approval, ApprovalRequest, ApprovalState } from '../../core/approval/approval.ts';
import type { ApprovalGate } from '../../core/approval/gate.ts';
import { aRawStatement, aRequest } from '../support/approval-requests.ts';

export type GateUnderTest = {
  readonly gate: ApprovalGate;
  /** A person of demo/dba answers; resolves when the answer is stored, whether or not it counted. */
  readonly answer: (id: string, person: string, answer: 'approve' | 'reject') => Promise<void>;
  /** Time at the start is 0. */
  readonly advance: (ms: number) => void | Promise<void>;
  /** The same store under a process that starts anew; the old one is gone without a farewell. */
  readonly restart: () => Promise<ApprovalGate>;
  readonly stop: () => Promise<void>;
};

const BY = { session: 's-1', writer: 'w-1', statement: 3 };
const RUNNING_OVER = { result: 'committed', rows: 1, atMs: 5_000, answerDelivered: true } as const;
const HOUR = 3_600_000;

/** Registers the suite; `start` gives an empty gate for each test. */
export function approvalGateContract(name: string, start: () => Promise<GateUnderTest>): void {
  describe(`${name} as an ApprovalGate`, () => {
    let under: GateUnderTest;
    let gate: ApprovalGate;
    const request = aRequest();
    const { id, digest } = request;

    beforeEach(async () => {
      under = await start();
      gate = under.gate;
    });
    afterEach(() => under.stop());

    const ask = (asked: ApprovalRequest): Promise<ApprovalRequest> => gate.request(asked, aRawStatement(asked));
    const stateOf = async (): Promise<ApprovalState | undefined> => (await gate.read(id))?.state;

    test('a request waits as it was asked, and asking again changes nothing', async () => {
      expect(await ask(request)).toEqual(request);
      expect(await ask(request)).toEqual(request);
      expect(await gate.read(id)).toEqual({ request, state: 'pending', votes: [] });
      expect(await gate.find(digest)).toHaveLength(1);
    });

    test('characters that storage likes to lose survive', async () => {
      const odd = aRequest({ text: 'select \ud800 \u202e \u0001 ü', reasonGiven: '"\\', parameters: [null, ''] });
      await ask(odd);
      expect((await gate.read(odd.id))?.request).toEqual(odd);
    });

    test('an id that is taken cannot be given to another statement', async () => {
      await ask(request);
      await under.answer(id, 'dana@bank.example', 'approve');
      await expect(ask(aRequest({ digest: 'e'.repeat(64) }))).rejects.toMatchObject({ code: 'gate-unavailable' });
      expect(await gate.read(id)).toMatchObject({ request: { digest }, state: 'approved' });
    });

    test('a request that nobody could approve is refused at once', async () => {
      const orphan = aRequest({ principal: { issuer: 'demo', agent: 'agent-7', groups: [] } });
      await expect(ask(orphan)).rejects.toMatchObject({ code: 'request-unapprovable' });
      expect(await gate.read(id)).toBeUndefined();
    });

    test('an unknown id is not found, not claimed and not withdrawn', async () => {
      expect(await gate.read('ap_none')).toBeUndefined();
      expect(await gate.claim('ap_none', BY)).toBe(false);
      expect(await gate.withdraw('ap_none', 'r')).toBe(false);
    });

    test('nothing can be claimed before it is approved', async () => {
      await ask(request);
      expect(await gate.claim(id, BY)).toBe(false);
      expect(await stateOf()).toBe('pending');
    });

    test('of many claims at once exactly one succeeds', async () => {
      await ask(request);
      await under.answer(id, 'dana@bank.example', 'approve');
      const claims = await Promise.all(Array.from({ length: 8 }, (_, statement) => gate.claim(id, { ...BY, statement })));
      expect(claims.filter(Boolean)).toHaveLength(1);
      expect((await gate.read(id))?.claim?.statement).toBe(claims.indexOf(true));
    });

    test('of claim and withdrawal exactly one succeeds', async () => {
      await ask(request);
      await under.answer(id, 'dana@bank.example', 'approve');
      const [withdrawn, claimed] = await Promise.all([gate.withdraw(id, 'client gone'), gate.claim(id, BY)]);
      expect([withdrawn, claimed].filter(Boolean)).toHaveLength(1);
      expect(await stateOf()).toBe(withdrawn ? 'withdrawn' : 'claimed');
    });

    test('after a rejection nothing can be claimed, and no approval undoes it', async () => {
      await ask(request);
      await under.answer(id, 'dana@bank.example', 'reject');
      await under.answer(id, 'erin@bank.example', 'approve');
      expect(await stateOf()).toBe('rejected');
      expect(await gate.claim(id, BY)).toBe(false);
      expect(await gate.find(digest)).toEqual([]);
    });

    test('a withdrawal keeps its reason and leaves nothing to answer', async () => {
      await ask(request);
      expect(await gate.withdraw(id, 'client gone')).toBe(true);
      await under.answer(id, 'dana@bank.example', 'approve');
      expect(await gate.read(id)).toMatchObject({ state: 'withdrawn', withdrawal: { reason: 'client gone' }, votes: [] });
    });

    test('a withdrawal is told once, and what is withdrawn, rejected or claimed cannot be withdrawn', async () => {
      const [rejected, claimed] = [aRequest({ id: 'ap_02' }), aRequest({ id: 'ap_03' })];
      for (const each of [request, rejected, claimed]) await ask(each);
      expect([await gate.withdraw(id, 'client gone'), await gate.withdraw(id, 'client gone twice')]).toEqual([true, false]);
      await under.answer('ap_02', 'dana@bank.example', 'reject');
      await under.answer('ap_03', 'dana@bank.example', 'approve');
      await gate.claim('ap_03', BY);
      expect([await gate.withdraw('ap_02', 'r'), await gate.withdraw('ap_03', 'r')]).toEqual([false, false]);
      expect((await gate.read(id))?.withdrawal?.reason).toBe('client gone');
    });

    test('what was never claimed has no outcome, whoever tells one', async () => {
      await ask(request);
      await gate.settle(id, RUNNING_OVER);
      await under.answer(id, 'dana@bank.example', 'approve');
      await gate.settle(id, RUNNING_OVER);
      expect(await gate.read(id)).toMatchObject({ state: 'approved' });
      expect((await gate.read(id))?.claim).toBeUndefined();
    });

    test('of two gates over one store the second sees what the first did', async () => {
      await ask(request);
      await under.answer(id, 'dana@bank.example', 'approve');
      expect(await gate.claim(id, BY)).toBe(true);
      await gate.settle(id, RUNNING_OVER);
      gate = await under.restart();
      expect(await gate.read(id)).toMatchObject({ state: 'claimed', claim: { ...BY, outcome: RUNNING_OVER } });
      expect(await gate.claim(id, BY)).toBe(false);
      expect(await gate.withdraw(id, 'r')).toBe(false);
    });

    test('an unanswered request expires at its time, and an answer after it does not count', async () => {
      await ask(request);
      await under.advance(HOUR - 1);
      expect(await stateOf()).toBe('pending');
      await under.advance(1);
      await under.answer(id, 'dana@bank.example', 'approve');
      expect(await stateOf()).toBe('expired');
      expect(await gate.find(digest)).toEqual([]);
    });

    test('an approval can be used until its grant ends, counted from the decision', async () => {
      await ask(request);
      await under.advance(HOUR - 1);
      await under.answer(id, 'dana@bank.example', 'approve');
      await under.advance(request.demand.grantMs - 1);
      expect(await stateOf()).toBe('approved');
      await under.answer(id, 'erin@bank.example', 'approve');
      await under.advance(1);
      expect(await gate.claim(id, BY)).toBe(false);
      expect(await stateOf()).toBe('expired');
    });

    test('find gives what can still be used or is waited for, newest first', async () => {
      const older = aRequest({ id: 'ap_01', requestedAtMs: 0 });
      const newer = aRequest({ id: 'ap_02', requestedAtMs: 10 });
      const other = aRequest({ id: 'ap_03', digest: 'e'.repeat(64) });
      for (const each of [older, newer, other]) await ask(each);
      await under.answer('ap_01', 'dana@bank.example', 'approve');
      expect((await gate.find(digest)).map(({ request, state }) => [request.id, state])).toEqual([
        ['ap_02', 'pending'],
        ['ap_01', 'approved'],
      ]);
    });

    test('a claimed approval is found until its answer has reached the client', async () => {
      await ask(request);
      await under.answer(id, 'dana@bank.example', 'approve');
      await gate.claim(id, BY);
      await gate.settle(id, { ...RUNNING_OVER, answerDelivered: false });
      expect(await gate.find(digest)).toMatchObject([{ state: 'claimed', claim: { outcome: { result: 'committed', rows: 1 } } }]);
      await gate.settle(id, RUNNING_OVER);
      expect(await gate.find(digest)).toEqual([]);
    });

    test('a known outcome cannot be told differently', async () => {
      await ask(request);
      await under.answer(id, 'dana@bank.example', 'approve');
      await gate.claim(id, BY);
      await gate.settle(id, RUNNING_OVER);
      await gate.settle(id, { ...RUNNING_OVER, result: 'rolledBack', rows: 0 });
      expect((await gate.read(id))?.claim?.outcome).toEqual(RUNNING_OVER);
    });

    test('a watcher hears the present state, then every change, and nothing after stop', async () => {
      await ask(request);
      const seen: Approval[] = [];
      const watch = gate.watch(id, (approval) => seen.push(approval));
      expect(await eventually(() => seen.at(-1)?.state === 'pending')).toBe(true);
      await under.answer(id, 'dana@bank.example', 'approve');
      expect(await eventually(() => seen.at(-1)?.state === 'approved')).toBe(true);
      watch.stop();
      await gate.claim(id, BY);
      await under.advance(60_000);
      expect(seen.map(({ state }) => state)).not.toContain('claimed');
    });

    test('a watcher hears that the time has run out', async () => {
      await ask(request);
      const seen: ApprovalState[] = [];
      gate.watch(id, ({ state }) => seen.push(state));
      await under.advance(HOUR);
      expect(await eventually(() => seen.at(-1) === 'expired')).toBe(true);
    });

    test('a restart loses neither requests nor answers nor what was withdrawn', async () => {
      await ask(request);
      await ask(aRequest({ id: 'ap_02' }));
      await ask(aRequest({ id: 'ap_03' }));
      await under.answer('ap_02', 'dana@bank.example', 'approve');
      await gate.withdraw('ap_03', 'r');
      gate = await under.restart();
      expect(await stateOf()).toBe('pending');
      expect((await gate.read('ap_03'))?.state).toBe('withdrawn');
      expect(await gate.claim('ap_02', BY)).toBe(true);
    });

    test('what expired while nothing ran is expired after a restart', async () => {
      await ask(request);
      const restarted = under.restart;
      await under.advance(HOUR);
      gate = await restarted();
      expect(await stateOf()).toBe('expired');
    });

    test('an execution under way when the process died has an unknown outcome after the restart, and is not run again', async () => {
      await ask(request);
      await under.answer(id, 'dana@bank.example', 'approve');
      await gate.claim(id, BY);
      gate = await under.restart();
      expect(await gate.find(digest)).toMatchObject([
        { state: 'claimed', claim: { outcome: { result: 'unknown', answerDelivered: false } } },
      ]);
      expect(await gate.claim(id, BY)).toBe(false);
    });
  });
}

/** True once it holds; gives callbacks of any adapter their turns. */
async function eventually(holds: () => boolean): Promise<boolean> {
  for (const untilMs = performance.now() + 5_000; performance.now() < untilMs;) {
    if (holds()) return true;
    await new Promise((resolve) => setImmediate(resolve));
  }
  return false;
}
