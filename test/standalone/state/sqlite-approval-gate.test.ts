import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import type { Approval } from '../../../core/approval/approval.ts';
import { approvalNonce } from '../../../core/approval/nonce.ts';
import { SqliteApprovalGate } from '../../../standalone/state/sqlite-approval-gate.ts';
import { openState, type StateDatabase } from '../../../standalone/state/state-database.ts';
import { approvalGateContract, type GateUnderTest } from '../../contract/approval-gate.ts';
import { aRequest } from '../../support/approval-requests.ts';
import { ApproverTokens } from '../../support/approver-tokens.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const directories: string[] = [];
afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
});

type Embedded = GateUnderTest & {
  readonly gate: SqliteApprovalGate;
  readonly clock: ManualClock;
  readonly tokens: ApproverTokens;
  readonly db: StateDatabase;
  readonly notified: Approval[];
};

async function embedded(): Promise<Embedded> {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-gate-'));
  directories.push(directory);
  const clock = new ManualClock();
  const tokens = new ApproverTokens();
  const notified: Approval[] = [];
  const notify = (approval: Approval): void => void notified.push(approval);
  const open = (db: StateDatabase): SqliteApprovalGate => new SqliteApprovalGate({ db, clock, verifyIdToken: tokens.verify, notify });
  let db = openState(directory);
  const first = open(db);
  let gate = first;
  return {
    gate: first,
    clock,
    tokens,
    db,
    notified,
    answer: async (id, person, answer) => {
      const nonce = approvalNonce(id, aRequest().digest);
      await gate.vote(id, { answer, reason: 'r', channel: 'page', idToken: tokens.issue(person, nonce, clock.now()) });
    },
    advance: (ms) => clock.advance(ms),
    restart: async () => {
      gate.close();
      db.close();
      db = openState(directory);
      gate = open(db);
      return gate;
    },
    stop: async () => {
      gate.close();
      db.close();
    },
  };
}

approvalGateContract('SqliteApprovalGate', embedded);

describe('SqliteApprovalGate', () => {
  const request = aRequest();
  const nonce = approvalNonce(request.id, request.digest);

  test('a vote without a valid sign-in for this approval is not stored', async () => {
    const { gate, tokens, stop } = await embedded();
    await gate.request(request);
    const other = tokens.issue('dana@bank.example', approvalNonce('ap_other', request.digest), 0);
    for (const idToken of ['', 'made up', other]) {
      expect(await gate.vote(request.id, { answer: 'approve', reason: '', channel: 'cli', idToken })).toMatchObject({
        kind: 'refused',
        code: 'sign-in-invalid',
      });
    }
    expect(await gate.read(request.id)).toMatchObject({ state: 'pending', votes: [] });
    await stop();
  });

  test('a sign-in that goes stale before the answer does not count', async () => {
    const { gate, tokens, clock, stop } = await embedded();
    await gate.request(request);
    const idToken = tokens.issue('dana@bank.example', nonce, 0);
    clock.advance(600_001);
    expect(await gate.vote(request.id, { answer: 'approve', reason: '', channel: 'page', idToken })).toMatchObject({
      code: 'sign-in-invalid',
    });
    await stop();
  });

  test('two votes at once for a quorum of one decide once', async () => {
    const { gate, tokens, stop } = await embedded();
    await gate.request(request);
    const outcomes = await Promise.all(
      ['dana', 'erin'].map((name) =>
        gate.vote(request.id, {
          answer: 'approve',
          reason: '',
          channel: 'page',
          idToken: tokens.issue(`${name}@bank.example`, nonce, 0),
        }),
      ),
    );
    expect(outcomes.map(({ kind }) => kind).toSorted()).toEqual(['counted', 'refused']);
    expect((await gate.read(request.id))?.votes).toHaveLength(1);
    await stop();
  });

  test('approvers are told once per request', async () => {
    const { gate, notified, stop } = await embedded();
    await gate.request(request);
    await gate.request(request);
    expect(notified.map((approval) => approval.request.id)).toEqual([request.id]);
    await stop();
  });

  test('an agent in a loop is refused after a hundred open requests, and other agents are not', async () => {
    const { gate, stop } = await embedded();
    for (let n = 0; n < 100; n += 1) await gate.request(aRequest({ id: `ap_${n}` }));
    await expect(gate.request(aRequest({ id: 'ap_100' }))).rejects.toMatchObject({ code: 'gate-unavailable' });
    const other = { ...request.principal, agent: 'agent-8' };
    await expect(gate.request(aRequest({ id: 'ap_101', principal: other }))).resolves.toMatchObject({ id: 'ap_101' });
    await stop();
  });

  test('a text that nobody can judge is refused', async () => {
    const { gate, stop } = await embedded();
    await expect(gate.request(aRequest({ text: 'x'.repeat(65_537) }))).rejects.toMatchObject({ code: 'request-unapprovable' });
    await stop();
  });

  test('open approvals are listed apart from all', async () => {
    const { gate, answer, stop } = await embedded();
    await gate.request(aRequest({ id: 'ap_1', requestedAtMs: 1 }));
    await gate.request(aRequest({ id: 'ap_2', requestedAtMs: 2 }));
    await answer('ap_1', 'dana@bank.example', 'reject');
    const ids = async (open: boolean, limit = 10): Promise<readonly string[]> =>
      (await gate.list({ open, limit })).map((approval) => approval.request.id);
    expect(await ids(true)).toEqual(['ap_2']);
    expect(await ids(false)).toEqual(['ap_2', 'ap_1']);
    expect(await ids(false, 1)).toEqual(['ap_2']);
    await stop();
  });

  test('the store itself refuses to change or delete requests and votes', async () => {
    const { gate, answer, db, stop } = await embedded();
    await gate.request(request);
    await answer(request.id, 'dana@bank.example', 'approve');
    for (const sql of [
      'UPDATE approval_request SET digest = 0',
      'DELETE FROM approval_request',
      'UPDATE approval_vote SET body = 0',
      'DELETE FROM approval_vote',
    ]) {
      expect(() => db.exec(sql)).toThrow('never');
    }
    await stop();
  });

  test('one watcher that fails keeps neither the answer nor the other watchers from being told', async () => {
    const { gate, answer, stop } = await embedded();
    await gate.request(request);
    const seen: string[] = [];
    let failing = false;
    gate.watch(request.id, () => {
      if (failing) throw new Error('a bug of this session');
    });
    gate.watch(request.id, ({ state }) => seen.push(state));
    await Promise.resolve();
    failing = true;
    await answer(request.id, 'dana@bank.example', 'approve');
    expect(seen).toEqual(['pending', 'approved']);
    await stop();
  });

  test('what is stored is for this account only', async () => {
    const { gate, stop } = await embedded();
    await gate.request(request);
    const path = join(directories.at(-1) ?? '', 'state.db');
    for (const suffix of ['', '-wal', '-shm']) expect(statSync(path + suffix).mode & 0o777).toBe(0o600);
    await stop();
  });

  test('a closed store refuses everything instead of answering from memory', async () => {
    const { gate, db, clock } = await embedded();
    await gate.request(request);
    gate.close();
    db.close();
    await expect(gate.read(request.id)).rejects.toMatchObject({ code: 'gate-unavailable' });
    await expect(gate.find(request.digest)).rejects.toMatchObject({ code: 'gate-unavailable' });
    await expect(gate.claim(request.id, { session: 's', writer: 'w', statement: 1 })).rejects.toMatchObject({ code: 'gate-unavailable' });
    expect(clock.now()).toBe(0);
  });
});
