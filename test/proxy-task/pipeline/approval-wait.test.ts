import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { approvalNonce } from '../../../core/approval/nonce.ts';
import type { ApprovalGate } from '../../../core/approval/gate.ts';
import type { ClaimOutcome } from '../../../core/approval/approval.ts';
import type { SessionEvent } from '../../../core/evidence/event.ts';
import type { Bundle } from '../../../core/policy/bundle.ts';
import { ApprovalWait, type JudgedNow, type WaitEnd, type WaitOptions } from '../../../proxy-task/pipeline/approval-wait.ts';
import type { ApprovalPointer } from '../../../proxy-task/pipeline/approval-refusal.ts';
import { SqliteApprovalGate } from '../../../standalone/state/sqlite-approval-gate.ts';
import { openState, type StateDatabase } from '../../../standalone/state/state-database.ts';
import { aRawStatement, aRequest } from '../../support/approval-requests.ts';
import { ApproverTokens } from '../../support/approver-tokens.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const DIGEST = aRequest().digest;
// Of a bundle, waiting asks only whose rules they are.
const bundle = { version: 'b-now', policies: { authorsOf: () => [] as readonly string[] } } as unknown as Bundle;

let directory: string;
let db: StateDatabase;
let gate: SqliteApprovalGate;
let clock: ManualClock;
let tokens: ApproverTokens;
let events: SessionEvent[];
let told: ApprovalPointer[];
let asked: number;
/** What the statement is judged as; tests change it while it waits. */
let now: () => JudgedNow;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sallyport-wait-'));
  clock = new ManualClock();
  tokens = new ApproverTokens();
  db = openState(directory);
  gate = new SqliteApprovalGate({ db, clock, verifyIdToken: tokens.verify, notify: () => undefined });
  events = [];
  told = [];
  asked = 0;
  now = () => approve();
});

afterEach(() => {
  gate.close();
  db.close();
  rmSync(directory, { recursive: true, force: true });
});

function approve(digest = DIGEST, quorum = 1): JudgedNow {
  const { demand: base, policies, policyReason: reason } = aRequest();
  const demand = { ...base, quorums: [{ group: 'demo/dba', quorum }] };
  return {
    kind: 'approve',
    policies,
    reason,
    demand,
    digest,
    bundle,
    ask: (nowMs) => {
      asked += 1;
      const request = aRequest({ id: `ap_${asked}`, digest, demand, requestedAtMs: nowMs, expiresAtMs: nowMs + demand.expiresMs });
      return { request, raw: aRawStatement(request) };
    },
  };
}

type Over = Partial<WaitOptions['settings']> & { readonly gate?: ApprovalGate; readonly judge?: WaitOptions['judge'] };

function wait({ gate: through = gate, judge = async () => now(), ...settings }: Over = {}): {
  readonly wait: ApprovalWait;
  readonly end: Promise<WaitEnd>;
  readonly ended: () => boolean;
} {
  const made = new ApprovalWait(
    {
      gate: through,
      verifyIdToken: tokens.verify,
      clock,
      recorder: { append: (event) => events.push(event) },
      principal: { ...aRequest().principal, expiresAtMs: 1e12 },
      session: 's_1',
      writer: 'w_1',
      approvalUrl: (id) => `https://gateway/approvals/${id}`,
    },
    { statement: 4, settings: { approval: 'wait', approvalId: '', ...settings }, judge, tell: (_, pointer) => told.push(pointer) },
  );
  let over = false;
  const end = made.run();
  void end.then(() => (over = true));
  return { wait: made, end, ended: () => over };
}

async function vote(id: string, answer: 'approve' | 'reject' = 'approve', person = 'dana@bank.example', digest = DIGEST): Promise<void> {
  const idToken = tokens.issue(person, approvalNonce(id, digest), clock.now());
  const outcome = await gate.vote(id, { answer, reason: 'because', channel: 'page', idToken });
  expect(outcome).toMatchObject({ kind: 'counted' });
}

/** The gate, but for what is given. */
function asGate(over: Partial<ApprovalGate>): ApprovalGate {
  return {
    find: (digest) => gate.find(digest),
    request: (request) => gate.request(request),
    read: (id) => gate.read(id),
    watch: (id, changed) => gate.watch(id, changed),
    claim: (id, by) => gate.claim(id, by),
    withdraw: (id, reason) => gate.withdraw(id, reason),
    settle: (id, made) => gate.settle(id, made),
    ...over,
  };
}

/** Lets everything happen that does not wait for a clock or for people. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

const outcome = (changes: Partial<ClaimOutcome>): ClaimOutcome => ({
  result: 'committed',
  rows: 3,
  atMs: 5,
  answerDelivered: false,
  ...changes,
});
const decided = (): readonly unknown[] =>
  events.filter(({ type }) => type === 'approval.decided').map((event) => 'outcome' in event && event.outcome);

describe('what waits for people', () => {
  test('says at once where it waits, and every 20 s', async () => {
    const { end } = wait();
    await settled();
    expect(told).toEqual([
      {
        approvalId: 'ap_1',
        url: 'https://gateway/approvals/ap_1',
        expiresAt: new Date(3_600_000).toISOString(),
        digest: DIGEST,
        retryAfterMs: 5_000,
      },
    ]);
    clock.advance(41_000);
    expect(told).toHaveLength(3);
    await vote('ap_1');
    await end;
    clock.advance(60_000);
    expect(told).toHaveLength(3);
  });

  test('runs once it is approved, and has used the approval up', async () => {
    const { end } = wait();
    await settled();
    await vote('ap_1');
    expect(await end).toMatchObject({ kind: 'claimed', approvalId: 'ap_1' });
    expect(await gate.read('ap_1')).toMatchObject({ state: 'claimed', claim: { session: 's_1', writer: 'w_1', statement: 4 } });
    expect(events.map(({ type }) => type)).toEqual(['approval.requested', 'approval.decided']);
    expect(events[1]).toMatchObject({
      outcome: 'approved',
      approvers: [{ person: 'dana@bank.example', group: 'demo/dba' }],
      bundle: 'b-now',
    });
  });

  test('runs at once where it was approved before, since the hold was over', async () => {
    const first = wait();
    await settled();
    clock.advance(55_000);
    expect(await first.end).toMatchObject({ kind: 'refused', refusal: { code: 'ZG001', executed: 'no', details: { approvalId: 'ap_1' } } });
    await vote('ap_1');
    expect(await wait().end).toMatchObject({ kind: 'claimed', approvalId: 'ap_1' });
    expect(asked).toBe(1);
  });

  test('does not wait in fail-fast mode, and runs the next time', async () => {
    expect(await wait({ approval: 'failfast' }).end).toMatchObject({ refusal: { code: 'ZG001' } });
    expect(told).toEqual([]);
    await vote('ap_1');
    expect(await wait({ approval: 'failfast' }).end).toMatchObject({ kind: 'claimed' });
  });

  test('ends with the reason of who rejects it', async () => {
    const { end } = wait();
    await settled();
    await vote('ap_1', 'reject');
    expect(await end).toMatchObject({ refusal: { code: 'ZG003', message: 'approval rejected: because' } });
    expect(decided()).toEqual(['rejected']);
  });

  test('ends when the time to answer runs out', async () => {
    now = () => {
      const judged = approve();
      return judged.kind === 'approve' ? { ...judged, demand: { ...judged.demand, expiresMs: 10_000 }, ask: expiring } : judged;
    };
    const { end } = wait();
    await settled();
    clock.advance(10_000);
    expect(await end).toMatchObject({ refusal: { code: 'ZG004' } });
    expect(decided()).toEqual(['expired']);
  });

  test('asks anew where somebody else used the approval first', async () => {
    const first = wait();
    const second = wait();
    await settled();
    await vote('ap_1');
    const winner = await Promise.race([first.end, second.end]);
    expect(winner).toMatchObject({ kind: 'claimed', approvalId: 'ap_1' });
    await settled();
    expect([first.ended(), second.ended()].filter(Boolean)).toHaveLength(1);
    expect(await gate.read('ap_2')).toMatchObject({ state: 'pending' });
  });
});

function expiring(nowMs: number): ReturnType<(JudgedNow & { kind: 'approve' })['ask']> {
  asked += 1;
  const request = aRequest({ id: `ap_${asked}`, requestedAtMs: nowMs, expiresAtMs: nowMs + 10_000 });
  return { request, raw: aRawStatement(request) };
}

describe('what is approved is judged again before it runs', () => {
  test('and asked about anew where it has become something else', async () => {
    const { end } = wait();
    await settled();
    now = () => approve('e'.repeat(64));
    await vote('ap_1');
    await settled();
    expect(await gate.read('ap_1')).toMatchObject({ state: 'withdrawn' });
    await vote('ap_2', 'approve', 'dana@bank.example', 'e'.repeat(64));
    expect(await end).toMatchObject({ kind: 'claimed', approvalId: 'ap_2' });
  });

  test('and asked about anew where more people are demanded now', async () => {
    const { ended } = wait();
    await settled();
    now = () => approve(DIGEST, 2);
    await vote('ap_1');
    await settled();
    expect(ended()).toBe(false);
    expect(await gate.read('ap_1')).toMatchObject({ state: 'withdrawn' });
    expect(await gate.read('ap_2')).toMatchObject({ state: 'pending', request: { demand: { quorums: [{ quorum: 2 }] } } });
  });

  test('and refused where policy blocks it now', async () => {
    const { end } = wait();
    await settled();
    now = () => ({ kind: 'block', policies: ['no'], reason: 'Blocked by no.' });
    await vote('ap_1');
    expect(await end).toMatchObject({ refusal: { code: 'ZG010', details: { policies: ['no'] } } });
    expect(await gate.read('ap_1')).toMatchObject({ state: 'withdrawn' });
  });

  test('and runs without it where nobody is needed any longer', async () => {
    const { wait: made, end } = wait();
    await settled();
    now = () => ({ kind: 'permit', policies: ['yes'], reason: 'Permitted by yes.' });
    made.reconsider();
    expect(await end).toMatchObject({ kind: 'permitted', judged: { policies: ['yes'] } });
    expect(await gate.read('ap_1')).toMatchObject({ state: 'withdrawn' });
  });

  test('and not run where it changes whenever it is looked at', async () => {
    let count = 0;
    const made: { wait?: ApprovalWait } = {};
    const judge = async (): Promise<JudgedNow> => {
      count += 1;
      await Promise.resolve();
      made.wait?.reconsider();
      return approve(String(count).padStart(64, '0'));
    };
    const waiting = wait({ judge });
    made.wait = waiting.wait;
    expect(await waiting.end).toMatchObject({ refusal: { code: 'ZG010', message: expect.stringContaining('changes all the time') } });
    expect(count).toBe(100);
  });

  test('and not run where it cannot be judged', async () => {
    expect(await wait({ judge: () => Promise.reject(new Error('the host does not answer')) }).end).toMatchObject({
      refusal: { code: 'ZG010' },
    });
  });
});

describe('an approval that is forged or spent', () => {
  test('by who can write the table lets nothing run', async () => {
    const forged: ApprovalGate = asGate({
      find: async () => [{ request: aRequest({ id: 'ap_x' }), state: 'approved', decidedAtMs: 0, votes: [] }],
      watch: () => ({ stop: () => undefined }),
      claim: () => Promise.reject(new Error('nothing is claimed')),
    });
    expect(await wait({ gate: forged }).end).toMatchObject({
      refusal: { code: 'ZG010', message: expect.stringContaining('does not hold') },
    });
  });

  test('and whose answer was lost tells its outcome, once', async () => {
    const { end } = wait();
    await settled();
    await vote('ap_1');
    await end;
    await gate.settle('ap_1', outcome({}));
    expect(await wait().end).toMatchObject({
      refusal: { code: 'ZG006', executed: 'yes', details: { approvalId: 'ap_1', rows: 3, outcome: 'committed' } },
    });
    const again = wait();
    await settled();
    expect(again.ended()).toBe(false);
    expect(await gate.read('ap_2')).toMatchObject({ state: 'pending' });
  });

  test.each([
    ['failed', 'no', 'rolledBack'],
    ['unknown', 'unknown', 'unknown'],
  ] as const)('and %s says so', async (result, executed, said) => {
    const { end } = wait();
    await settled();
    await vote('ap_1');
    await end;
    await gate.settle('ap_1', outcome({ result }));
    expect(await wait().end).toMatchObject({ refusal: { code: 'ZG006', executed, details: { outcome: said } } });
  });

  test('is not the one of an execution that is still under way', async () => {
    const { end } = wait();
    await settled();
    await vote('ap_1');
    await end;
    const second = wait();
    await settled();
    expect(second.ended()).toBe(false);
    expect(asked).toBe(2);
  });
});

describe('an approval that the client names', () => {
  test('is refused where it is for something else, or is none', async () => {
    await gate.request(aRequest({ id: 'ap_other', digest: 'f'.repeat(64) }));
    expect(await wait({ approvalId: 'ap_other' }).end).toMatchObject({
      refusal: { code: 'ZG005', details: { approvalId: 'ap_other', digest: DIGEST, approvedDigest: 'f'.repeat(64) } },
    });
    expect(await wait({ approvalId: 'ap_none' }).end).toMatchObject({ refusal: { code: 'ZG005', details: { approvedDigest: '' } } });
    expect(asked).toBe(0);
  });

  test('is told to be rejected, and used where it was approved', async () => {
    await wait({ approval: 'failfast' }).end;
    await vote('ap_1', 'reject');
    expect(await wait({ approvalId: 'ap_1' }).end).toMatchObject({ refusal: { code: 'ZG003' } });
    await wait({ approval: 'failfast' }).end;
    await vote('ap_2');
    expect(await wait({ approvalId: 'ap_2' }).end).toMatchObject({ kind: 'claimed', approvalId: 'ap_2' });
  });
});

describe('what is taken back', () => {
  test('is withdrawn, and does not run when it is approved afterwards', async () => {
    const { wait: made, end } = wait();
    await settled();
    made.withdraw('the client has gone');
    expect(await end).toMatchObject({ refusal: { code: '57014', details: { approvalId: 'ap_1' } } });
    await settled();
    expect(await gate.read('ap_1')).toMatchObject({ state: 'withdrawn' });
    expect(decided()).toEqual(['withdrawn']);
  });

  test.each(['find', 'request', 'claim'] as const)('while the gate is asked to %s runs never', async (method) => {
    const made: { wait?: ApprovalWait } = {};
    const slow: ApprovalGate = asGate({
      // What the gate does, it does; the client goes before it has answered.
      [method]: async (...given: [never, never]) => {
        const answer: unknown = await Reflect.apply(gate[method], gate, given);
        made.wait?.withdraw('gone');
        return answer;
      },
    });
    const waiting = wait({ gate: slow });
    made.wait = waiting.wait;
    await settled();
    if (method === 'claim') await vote('ap_1');
    expect(await waiting.end).toMatchObject({ refusal: { code: '57014' } });
    await settled();
    const stored = await gate.read('ap_1');
    if (method === 'find') expect(asked).toBe(0);
    else if (method === 'request') expect(stored).toMatchObject({ state: 'withdrawn' });
    else expect(stored).toMatchObject({ state: 'claimed', claim: { outcome: { result: 'failed', answerDelivered: true } } });
  });
});

test('a gate that cannot be asked lets nothing run, and says why where the agent can mend it', async () => {
  const failing = (error: Error): ApprovalGate => {
    const find = async (): Promise<never> => {
      throw error;
    };
    return asGate({ find });
  };
  expect(await wait({ gate: failing(new Error('secret of the store')) }).end).toMatchObject({
    refusal: { code: 'ZG010', message: 'blocked by policy: approvals cannot be asked for now' },
  });
  const judged = now();
  now = () => (judged.kind === 'approve' ? { ...judged, ask: ownerless } : judged);
  expect(await wait().end).toMatchObject({ refusal: { code: 'ZG010', message: expect.stringContaining('has no owner') } });
});

function ownerless(): ReturnType<(JudgedNow & { kind: 'approve' })['ask']> {
  const request = aRequest({ principal: { issuer: 'demo', agent: 'agent-7', groups: [] } });
  return { request, raw: aRawStatement(request) };
}
