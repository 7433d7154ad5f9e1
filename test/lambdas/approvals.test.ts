// Requests, votes, notices and their end, with every write lost, repeated or refused, and in every order that clocks and people find.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Vote } from '../../core/approval/approval.ts';
import { approvalNonce } from '../../core/approval/nonce.ts';
import { digestItem } from '../../core/approval/stored-approval.ts';
import { verifyDecision } from '../../core/approval/votes.ts';
import { JournalChain } from '../../core/evidence/journal-chain.ts';
import { decodeJournalItem } from '../../core/evidence/journal-item.ts';
import { SpineLedger } from '../../core/evidence/spine-ledger.ts';
import { closeApproval } from '../../lambdas/close-approval/close-approval.ts';
import { decideApproval } from '../../lambdas/decide-approval/decide-approval.ts';
import { noticeText } from '../../lambdas/notify-approvers/notice-text.ts';
import { describeWait, notifyApprovers } from '../../lambdas/notify-approvers/notify-approvers.ts';
import { openItem, storeRequest } from '../../lambdas/request-approval/store-request.ts';
import { deliverDecisions } from '../../lambdas/sweep/undelivered-decisions.ts';
import { aHostRequest, aRequest, aVote } from '../support/approval-requests.ts';
import { AwsApprovals } from '../support/aws-approvals.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { MemoryDynamo, type Fault } from '../support/memory-dynamo.ts';

const HOUR = 3_600_000;
const DANA = 'dana@bank.example';
const ERIN = 'erin@bank.example';
const BY = { session: 's-1', writer: 'w-1', statement: 3 };
const request = aRequest();
const { id, digest } = request;
const two = aRequest({ demand: { ...request.demand, quorums: [{ group: 'demo/dba', quorum: 2 }] } });

let dynamo: MemoryDynamo;
let aws: AwsApprovals;

beforeEach(async () => {
  dynamo = new MemoryDynamo();
  aws = new AwsApprovals(dynamo.client);
  await aws.writer('w-1', 'live');
});

/** The fault at the nth write from now on. */
function faultAt(n: number, fault: Fault): void {
  let writes = 0;
  dynamo.fault = (command) => {
    if (command === 'get' || command === 'batch') return undefined;
    writes += 1;
    return writes === n ? fault : undefined;
  };
}

const healthy = (): void => {
  dynamo.fault = () => undefined;
};
const stateOf = async (): Promise<string | undefined> => (await aws.gate().gate.read(id))?.state;
const ask = (asked = request) => storeRequest(aws.storing, asked);

describe('a request', () => {
  const WRITES = [`requests ${openItem('demo/agent-7')}`, `requests ${digestItem(digest)}`, 'notices due#0', `requests ${id}`];

  test('is listed for its principal, its statement and the sweep before it is there, and started after it', async () => {
    dynamo.written.length = 0;
    expect(await ask()).toEqual({ kind: 'stored', request });
    expect(dynamo.written).toEqual(WRITES);
    expect(aws.started).toEqual([id]);
  });

  test.each([1, 2, 3, 4])('whose write %i lost its answer is stored once, as if nothing had happened', async (n) => {
    faultAt(n, 'retried');
    expect(await ask()).toEqual({ kind: 'stored', request });
    healthy();
    expect(await aws.gate().gate.find(digest)).toHaveLength(1);
  });

  test.each([
    [1, 'throttled'],
    [2, 'throttled'],
    [3, 'throttled'],
    [4, 'throttled'],
    [1, 'lost'],
    [2, 'lost'],
    [3, 'lost'],
    [4, 'lost'],
  ] as const)('whose write %i was %s is not answered, and asked again is stored once', async (n, fault) => {
    faultAt(n, fault);
    await expect(ask()).rejects.toThrow();
    healthy();
    expect(await ask()).toEqual({ kind: 'stored', request });
    expect(await aws.gate().gate.find(digest)).toHaveLength(1);
  });

  test('is stored though its workflow is refused; the sweep starts it', async () => {
    aws.workflowFailure = new Error('Step Functions does not answer');
    expect(await ask()).toMatchObject({ kind: 'stored' });
    expect(aws.problems).toHaveLength(1);
    aws.workflowFailure = undefined;
    aws.clock.advance(119_999);
    await deliverDecisions(aws.sweeping);
    expect(aws.started).toEqual([]);
    aws.clock.advance(1);
    expect(await deliverDecisions(aws.sweeping)).toEqual({ open: 0, closed: 0, repeated: 1 });
    expect(aws.started).toEqual([id]);
  });

  test('of the size that people can read is kept, one byte more is refused with the reason', async () => {
    const room = 65_536 - Buffer.byteLength(request.reasonGiven + request.parameters.join(''));
    expect(await ask(aRequest({ text: 'x'.repeat(room) }))).toMatchObject({ kind: 'stored' });
    expect(await ask(aRequest({ id: 'ap_2', text: 'x'.repeat(room + 1) }))).toMatchObject({
      kind: 'unapprovable',
      reason: expect.stringContaining('nobody can judge more than 65536'),
    });
  });

  test('whose item no table takes is refused with the reason', async () => {
    const effects = Array.from({ length: 6_000 }, (_, at) => ({
      action: 'update' as const,
      resource: { type: 'Table' as const, path: ['public', `accounts_${at}`] },
    }));
    expect(await ask(aRequest({ effects }))).toMatchObject({ kind: 'unapprovable', reason: expect.stringContaining('6000 effects') });
    // Control characters have six characters each in JSON.
    expect(await ask(aRequest({ id: 'ap_2', text: '\u0001'.repeat(65_000) }))).toMatchObject({ kind: 'unapprovable' });
  });

  test('is refused while its agent waits for a hundred answers, not while others do, and not when some have expired', async () => {
    for (let n = 0; n < 100; n += 1) await ask(aRequest({ id: `ap_${n}`, digest: `${n}`.padStart(64, '0') }));
    expect(await ask()).toMatchObject({ kind: 'unavailable', reason: expect.stringContaining('demo/agent-7') });
    expect(await ask(aRequest({ principal: { ...request.principal, agent: 'agent-8' } }))).toMatchObject({ kind: 'stored' });
    aws.clock.advance(HOUR);
    const later = aRequest({ id: 'ap_later', requestedAtMs: HOUR, expiresAtMs: 2 * HOUR });
    expect(await ask(later)).toMatchObject({ kind: 'stored' });
  });

  test('is one of many of its principal at once, and none is lost from the lists', async () => {
    const asked = Array.from({ length: 6 }, (_, n) => aRequest({ id: `ap_${n}` }));
    expect((await Promise.all(asked.map((each) => ask(each)))).map(({ kind }) => kind)).toEqual(asked.map(() => 'stored'));
    expect(await aws.gate().gate.find(digest)).toHaveLength(6);
  });

  test('under an id that is taken by another statement is refused', async () => {
    await ask();
    expect(await ask(aRequest({ digest: 'e'.repeat(64) }))).toMatchObject({ kind: 'unavailable' });
  });
});

describe('a vote', () => {
  beforeEach(async () => void (await ask()));

  test('decides, and the workflow that waits is told', async () => {
    await notifyApprovers(aws.notifying, id, 'token-1');
    expect(await aws.vote(request, DANA)).toEqual({ kind: 'counted' });
    expect(await stateOf()).toBe('approved');
    expect(aws.completed).toEqual(['token-1']);
  });

  test('before the token is stored: the workflow hears of it when it comes to wait', async () => {
    expect(await aws.vote(request, DANA)).toEqual({ kind: 'counted' });
    expect(aws.completed).toEqual([]);
    await expect(notifyApprovers(aws.notifying, id, 'token-1')).rejects.toMatchObject({ name: 'AlreadyDecided' });
    expect(aws.told).toEqual([]);
  });

  test('between the store of the token and the look at the decision: either of the two tells the workflow', async () => {
    dynamo.before = async (table) => {
      if (table !== 'notices') return;
      dynamo.before = async () => undefined;
      await aws.vote(request, DANA);
    };
    await expect(notifyApprovers(aws.notifying, id, 'token-1')).rejects.toMatchObject({ name: 'AlreadyDecided' });
  });

  test('counts though its workflow cannot be told; the sweep tells it and closes the approval', async () => {
    await notifyApprovers(aws.notifying, id, 'token-1');
    aws.workflowFailure = new Error('Step Functions does not answer');
    expect(await aws.vote(request, DANA)).toEqual({ kind: 'counted' });
    expect(aws.problems).toHaveLength(1);
    aws.workflowFailure = undefined;
    aws.clock.advance(120_000);
    expect(await deliverDecisions(aws.sweeping)).toEqual({ open: 0, closed: 1, repeated: 0 });
    expect(aws.completed).toEqual(['token-1']);
    expect(await deliverDecisions(aws.sweeping)).toEqual({ open: 0, closed: 0, repeated: 0 });
  });

  test('whose write lost its answer counts, and counts once', async () => {
    faultAt(1, 'retried');
    expect(await aws.vote(request, DANA)).toEqual({ kind: 'counted' });
    healthy();
    expect((await aws.approval(id))?.votes).toHaveLength(1);
  });

  test('whose write was never answered is an error, and the page then shows what holds', async () => {
    faultAt(1, 'lost');
    await expect(aws.vote(request, DANA)).rejects.toThrow('no answer came');
    healthy();
    expect(await stateOf()).toBe('approved');
    expect(await aws.vote(request, DANA)).toMatchObject({ kind: 'refused', code: 'already-approved' });
  });

  test('while the table is throttled counts nothing', async () => {
    faultAt(1, 'throttled');
    await expect(aws.vote(request, DANA)).rejects.toThrow();
    expect(await stateOf()).toBe('pending');
  });

  test('given twice is refused the second time, before and after the decision', async () => {
    const asked = aRequest({ ...two, id: 'ap_two' });
    await ask(asked);
    expect(await aws.vote(asked, DANA)).toEqual({ kind: 'counted' });
    expect(await aws.vote(asked, DANA)).toMatchObject({ kind: 'refused', code: 'already-voted' });
    expect(await aws.vote(asked, ERIN)).toEqual({ kind: 'counted' });
    expect(await aws.vote(asked, 'finn@bank.example')).toMatchObject({ kind: 'refused', code: 'already-approved' });
  });

  test('at the same moment as another does not undo it', async () => {
    const asked = aRequest({ ...two, id: 'ap_two' });
    await ask(asked);
    dynamo.before = async (table) => {
      if (table !== 'decisions') return;
      dynamo.before = async () => undefined;
      await aws.vote(asked, ERIN);
    };
    expect(await aws.vote(asked, DANA)).toEqual({ kind: 'counted' });
    expect(await aws.approval('ap_two')).toMatchObject({ state: 'approved', votes: [{ person: ERIN }, { person: DANA }] });
  });

  test('with the token of a sign-in for another approval is refused', async () => {
    const other = aws.tokens.issue(DANA, approvalNonce('ap_other', digest), 0);
    expect(await aws.vote(request, DANA, { idToken: other })).toMatchObject({ kind: 'refused', code: 'sign-in-invalid' });
    expect(await aws.vote(request, DANA, { idToken: 'made up' })).toMatchObject({ code: 'sign-in-invalid' });
    expect(await stateOf()).toBe('pending');
  });

  test('with a sign-in older than ten minutes is refused', async () => {
    const idToken = aws.tokens.issue(DANA, approvalNonce(id, digest), 0);
    aws.clock.advance(600_001);
    expect(await aws.vote(request, DANA, { idToken })).toMatchObject({
      code: 'sign-in-invalid',
      reason: expect.stringContaining('10 minutes'),
    });
  });

  test.each([
    ['the owner of the agent', 'owen@bank.example', 'you own the agent'],
    ['the human it acts for', 'Alice@Bank.example', 'the agent acts for you'],
    ['the agent itself', 'agent-7', 'you are the agent'],
    ['the author of the rule', 'ruth@bank.example', 'you wrote the rule'],
    ['somebody of another group', 'finn@bank.example', 'in none of the groups'],
  ])('of %s is refused', async (_, person, reason) => {
    const asked = aRequest({ id: 'ap_own', ruleAuthors: ['ruth@bank.example'] });
    await ask(asked);
    const groups = person.startsWith('finn') ? ['demo/analysts'] : ['demo/dba'];
    expect(await aws.vote(asked, person, {}, groups)).toMatchObject({
      kind: 'refused',
      code: 'not-entitled',
      reason: expect.stringContaining(reason),
    });
    expect((await aws.approval('ap_own'))?.votes).toEqual([]);
  });

  test('for what does not exist is not found', async () => {
    const ballot = { answer: 'approve', reason: '', channel: 'page', idToken: 't' } as const;
    expect(await decideApproval(aws.deciding, 'ap_none', ballot)).toEqual({ kind: 'not-found' });
  });

  test('while no bundle can be read is an error, and no fault of the sign-in', async () => {
    const broken = { ...aws.deciding, verifier: () => Promise.reject(new Error('KMS does not answer')) };
    const ballot = { answer: 'approve', reason: '', channel: 'page', idToken: 't' } as const;
    await expect(decideApproval(broken, id, ballot)).rejects.toThrow('KMS');
    expect(await stateOf()).toBe('pending');
  });

  test('after the request was taken back is refused', async () => {
    await aws.gate().gate.withdraw(id, 'the client has gone');
    expect(await aws.vote(request, DANA)).toMatchObject({ code: 'withdrawn' });
  });
});

describe('decision and expiry in the same second', () => {
  beforeEach(async () => void (await ask()));

  test('a vote in the last millisecond holds, and its workflow does not expire it', async () => {
    aws.clock.advance(HOUR - 1);
    expect(await aws.vote(request, DANA)).toEqual({ kind: 'counted' });
    aws.clock.advance(10_001);
    expect(await closeApproval(aws.closing, id)).toEqual({ closed: true, outcome: 'approved' });
    expect(await stateOf()).toBe('approved');
  });

  test('a vote at the very end is too late', async () => {
    aws.clock.advance(HOUR);
    expect(await aws.vote(request, DANA)).toMatchObject({ kind: 'refused', code: 'expired' });
    expect(await closeApproval(aws.closing, id)).toEqual({ closed: false });
    aws.clock.advance(5_000);
    expect(await closeApproval(aws.closing, id)).toEqual({ closed: true, outcome: 'expired' });
    expect(dynamo.body('claims', id)).toMatchObject({ kind: 'expired' });
  });

  test('a vote whose write took longer than any write may is overtaken: expiry holds, and nothing can be claimed', async () => {
    aws.clock.advance(HOUR - 1);
    dynamo.before = async (table) => {
      if (table !== 'decisions') return;
      dynamo.before = async () => undefined;
      aws.clock.advance(5_001);
      await closeApproval(aws.closing, id);
    };
    await aws.vote(request, DANA);
    expect(await stateOf()).toBe('expired');
    expect(await aws.gate().gate.claim(id, BY)).toBe(false);
  });

  test('expiry that comes after a withdrawal leaves it', async () => {
    await aws.gate().gate.withdraw(id, 'the client has gone');
    aws.clock.advance(2 * HOUR);
    expect(await closeApproval(aws.closing, id)).toEqual({ closed: true, outcome: 'withdrawn' });
  });

  test('an answer that another task claims first: one claim', async () => {
    await aws.vote(request, DANA);
    const claims = await Promise.all([aws.gate().gate.claim(id, BY), aws.gate().gate.claim(id, { ...BY, writer: 'w-2' })]);
    expect(claims.filter(Boolean)).toHaveLength(1);
  });
});

describe('a decision that was written into the table by hand', () => {
  const forged = (votes: readonly Vote[]) => aws.put('decisions', id, { state: 'approved', votes, decidedAtMs: 1_000 });
  const expected = () => ({
    digest,
    principal: request.principal,
    demand: request.demand,
    ruleAuthors: [],
    nowMs: aws.clock.now(),
  });

  test.each<[string, () => readonly Vote[]]>([
    ['with no vote', () => []],
    ['with a vote that nobody signed', () => [aVote()]],
    [
      'with a vote that was signed for another approval',
      () => [aVote({ idToken: aws.tokens.issue(DANA, approvalNonce('ap_x', digest), 0) })],
    ],
    [
      'with a vote that somebody else signed',
      () => [aVote({ idToken: aws.tokens.issue('mallory@bank.example', approvalNonce(id, digest), 0) })],
    ],
    [
      'with a rejection made an approval of others',
      () => [aVote({ answer: 'reject', idToken: aws.tokens.issue(DANA, approvalNonce(id, digest), 0) })],
    ],
  ])('%s lets nothing run', async (_, votes) => {
    await ask();
    await forged(votes());
    aws.clock.advance(2_000);
    const approval = await aws.gate().gate.read(id);
    expect(approval?.state).toBe('approved');
    if (approval === undefined) return;
    expect(await verifyDecision(approval, expected(), aws.tokens.verify)).toMatchObject({ ok: false });
  });

  test('in another shape makes the gate refuse', async () => {
    await ask();
    await aws.put('decisions', id, { state: 'approved', votes: 'all of them' });
    await expect(aws.gate().gate.read(id)).rejects.toMatchObject({ code: 'gate-unavailable' });
    await expect(aws.gate().gate.claim(id, BY)).rejects.toMatchObject({ code: 'gate-unavailable' });
  });

  test('does not keep the sweep from other approvals', async () => {
    await ask();
    await ask(aRequest({ id: 'ap_2' }));
    await aws.put('decisions', id, { state: 'approved', votes: 'all of them' });
    await aws.vote(aRequest({ id: 'ap_2' }), DANA);
    aws.clock.advance(120_000);
    expect(await deliverDecisions(aws.sweeping)).toEqual({ open: 0, closed: 1, repeated: 0 });
    expect(aws.problems).toMatchObject([{ code: 'field-malformed' }]);
  });
});

describe('people are told', () => {
  beforeEach(async () => void (await ask()));

  test('once, though the step is repeated', async () => {
    await notifyApprovers(aws.notifying, id, 'token-1');
    await notifyApprovers(aws.notifying, id, 'token-2');
    expect(aws.told).toHaveLength(1);
    await aws.vote(request, DANA);
    expect(aws.completed).toEqual(['token-2']);
  });

  test('again by a channel that has failed, under the name that the machine repeats, and by no other', async () => {
    aws.channelFailure = new Error('no chat today');
    for (const token of ['token-1', 'token-2']) {
      await expect(notifyApprovers(aws.notifying, id, token)).rejects.toMatchObject({ name: 'NoticeFailed' });
    }
    aws.channelFailure = undefined;
    await notifyApprovers(aws.notifying, id, 'token-3');
    expect([aws.told.length, aws.chatted]).toEqual([1, 1]);
  });

  test('by the sweep where the workflow has failed', async () => {
    aws.clock.advance(120_000);
    expect(await deliverDecisions(aws.sweeping)).toMatchObject({ repeated: 1 });
    expect(aws.started).toEqual([id, `notify ${id}`]);
    await notifyApprovers(aws.notifying, id, undefined);
    expect(aws.told).toHaveLength(1);
    expect(await deliverDecisions(aws.sweeping)).toMatchObject({ open: 1, repeated: 0 });
  });

  test('by nobody once it is decided, though a sweep still asks for it', async () => {
    await aws.vote(request, DANA);
    await notifyApprovers(aws.notifying, id, undefined);
    expect(aws.told).toEqual([]);
  });

  test.each([1, 2])('though write %i lost its answer', async (n) => {
    faultAt(n, 'retried');
    await notifyApprovers(aws.notifying, id, 'token-1');
    healthy();
    expect(dynamo.body('notices', id)).toEqual({ taskToken: 'token-1', told: ['e-mail', 'chat'], toldAtMs: 0 });
  });

  test('nothing of the statement and its values, and what agents write is neither markup nor hidden', () => {
    const text = noticeText(
      aRequest({
        text: `update accounts set ssn = '123-45-6789'`,
        parameters: ['a value'],
        reasonGiven: 'click\u202e <https://evil.example|here>\nRule: none',
        policyReason: 'x'.repeat(1_000),
      }),
      'https://sallyport.bank.example',
    );
    const all = JSON.stringify(text);
    expect(all).not.toContain('123-45-6789');
    expect(all).not.toContain('a value');
    expect(text.lines[0]).toBe('update bank.public.accounts');
    expect(text.lines).toContain('Reason given: click\\u{202e} <https://evil.example|here>\\nRule: none');
    expect(Math.max(...text.lines.map(({ length }) => length))).toBeLessThanOrEqual(300);
    expect(text.url).toBe(`https://sallyport.bank.example/approvals/${id}`);
    expect(text.subject).toMatch(/^[\x20-\x7e]{1,100}$/);
  });

  test('of a host its account and no rows', () => {
    const { lines } = noticeText(aHostRequest(), 'https://sallyport.bank.example');
    expect(lines.slice(0, 4)).toEqual([
      'elevate web1',
      'runProgram web1:systemctl restart',
      'readFile web1:/srv/app',
      'as deploy, without a bound, by code that cannot be read',
    ]);
    expect(lines.join()).not.toMatch(/systemctl restart app|rows/);
  });

  test('for as long as people have, and some seconds more than expiry needs', async () => {
    aws.clock.advance(HOUR - 500);
    expect(await describeWait(aws.notifying, id)).toEqual({ waitSeconds: 11 });
    aws.clock.advance(2 * HOUR);
    expect(await describeWait(aws.notifying, id)).toEqual({ waitSeconds: 1 });
    await expect(describeWait(aws.notifying, 'ap_none')).rejects.toMatchObject({ name: 'RequestMissing' });
  });
});

describe('the end of an approval', () => {
  beforeEach(async () => void (await ask()));
  const writer = `approvals-${id}`;
  const recorded = () => {
    const item = dynamo.item('journal', `${writer}#0 0`);
    return item === undefined ? undefined : decodeJournalItem(writer, 0, item);
  };

  test('is in the journal with every vote, as the sealer and the verifier read it', async () => {
    await aws.vote(request, DANA);
    await closeApproval(aws.closing, id);
    const entry = recorded();
    const taken = entry === undefined ? undefined : new JournalChain(writer).take(entry);
    const events = taken?.kind === 'commit' ? taken.spine.flatMap((batch) => batch.events) : [];
    expect(events.map(({ type }) => type)).toEqual(['writer.opened', 'approval.closed', 'writer.closed']);
    expect(events[1]).toMatchObject({
      approval: id,
      outcome: 'approved',
      principal: 'demo/agent-7',
      votes: [{ person: DANA, answer: 'approve' }],
    });
    expect(JSON.stringify(events)).not.toContain('idToken');
    const schema = join(import.meta.dirname, '../../core/evidence/schemas/approval.closed.v1.json');
    const validate = new Ajv().compile(JSON.parse(readFileSync(schema, 'utf8')));
    expect([validate(events[1]), validate.errors]).toEqual([true, null]);
    const wrong: string[] = [];
    const ledger = new SpineLedger();
    for (const event of events) ledger.take(writer, event, (what) => wrong.push(what));
    ledger.finish();
    expect(wrong).toEqual([]);
    expect(dynamo.body('writers', `writer#${writer}`)).toMatchObject({ state: 'closed', nextSeq: 0 });
  });

  test('is recorded once, however often it is closed', async () => {
    await aws.vote(request, DANA, { answer: 'reject' });
    await closeApproval(aws.closing, id);
    const first = recorded();
    aws.clock.advance(60_000);
    expect(await closeApproval(aws.closing, id)).toEqual({ closed: true, outcome: 'rejected' });
    expect(recorded()).toEqual(first);
  });

  test('is not told while people can still answer', async () => {
    expect(await closeApproval(aws.closing, id)).toEqual({ closed: false });
    expect(await closeApproval(aws.closing, 'ap_none')).toEqual({ closed: false });
    expect(recorded()).toBeUndefined();
  });

  test.each([
    [1, 'retried'],
    [2, 'retried'],
    [3, 'retried'],
    [1, 'lost'],
    [2, 'lost'],
    [3, 'lost'],
    [1, 'throttled'],
    [2, 'throttled'],
    [3, 'throttled'],
  ] as const)('comes about though write %i was %s', async (n, fault) => {
    aws.clock.advance(HOUR + 5_000);
    faultAt(n, fault);
    await closeApproval(aws.closing, id).catch(() => undefined);
    healthy();
    expect(await closeApproval(aws.closing, id)).toEqual({ closed: true, outcome: 'expired' });
    expect(recorded()).toMatchObject({ kind: 'commit' });
  });

  test('of a request that was listed and never stored is its name off the list, after an hour', async () => {
    faultAt(4, 'throttled');
    await expect(ask(aRequest({ id: 'ap_lost' }))).rejects.toThrow();
    healthy();
    await aws.gate().gate.withdraw(id, 'the client has gone');
    aws.clock.advance(120_000);
    expect(await deliverDecisions(aws.sweeping)).toEqual({ open: 1, closed: 1, repeated: 0 });
    aws.clock.advance(HOUR);
    expect(await deliverDecisions(aws.sweeping)).toEqual({ open: 0, closed: 1, repeated: 0 });
    expect(dynamo.item('notices', 'due#0')?.['ids']).toBeUndefined();
  });

  test('comes without any workflow', async () => {
    await notifyApprovers(aws.notifying, id, 'token-1');
    aws.clock.advance(HOUR + 119_999);
    expect(await deliverDecisions(aws.sweeping)).toMatchObject({ open: 1 });
    aws.clock.advance(1);
    expect(await deliverDecisions(aws.sweeping)).toMatchObject({ closed: 1 });
    expect([dynamo.body('claims', id), aws.completed]).toMatchObject([{ kind: 'expired' }, ['token-1']]);
  });
});

describe('a task whose clock is not that of the functions', () => {
  const check = async (nowMs: number): Promise<unknown> => {
    const approval = await aws.gate(new ManualClock(nowMs)).gate.read(id);
    if (approval === undefined) return 'no approval';
    const { principal, demand } = request;
    return verifyDecision(approval, { digest, principal, demand, ruleAuthors: [], nowMs }, aws.tokens.verify);
  };

  beforeEach(async () => void (await ask()));

  test('half a minute behind, takes a decision of its near future', async () => {
    aws.clock.advance(100_000);
    await aws.vote(request, DANA);
    expect(await check(70_000)).toMatchObject({ ok: true });
    expect(await aws.gate(new ManualClock(70_000)).gate.claim(id, BY)).toBe(true);
  });

  test('more than a minute behind, takes none', async () => {
    aws.clock.advance(100_000);
    await aws.vote(request, DANA);
    expect(await check(39_999)).toMatchObject({ ok: false, reason: expect.stringContaining('future') });
  });

  test('ahead, says that the time is up, and takes what was decided in time all the same', async () => {
    aws.clock.advance(HOUR - 10_000);
    const { gate } = aws.gate(new ManualClock(HOUR));
    expect(await gate.find(digest)).toEqual([]);
    expect(await gate.claim(id, BY)).toBe(false);
    await aws.vote(request, DANA);
    expect(await gate.find(digest)).toMatchObject([{ state: 'approved' }]);
    expect(await gate.claim(id, BY)).toBe(true);
  });

  test('ahead, ends a grant no later than it was given for', async () => {
    await aws.vote(request, DANA);
    const { gate } = aws.gate(new ManualClock(request.demand.grantMs));
    expect(await gate.claim(id, BY)).toBe(false);
  });
});
