// What operators and agents may do to live sessions on AWS, and under which bundle: over HTTP, through the load balancer.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { ApprovalRequest } from '../../core/approval/approval.ts';
import { approvalNonce } from '../../core/approval/nonce.ts';
import { operatorNonce } from '../../core/identity/operator-nonce.ts';
import { BUNDLE_ITEM, LOCKS_ITEM, mailItem } from '../../core/state/control.ts';
import { newApprovalId } from '../../proxy-task/pipeline/approval-id.ts';
import { nowS, startAwsConsole, type AwsConsole } from './support/aws-console.ts';

let running: AwsConsole;
let request: ApprovalRequest;
beforeAll(async () => {
  running = await startAwsConsole();
});
afterAll(() => running.stop());
beforeEach(async () => {
  request = await running.ask();
  await running.openSession();
  await running.remove('CONTROL', mailItem('t1-a'));
  await running.remove('CONTROL', LOCKS_ITEM);
});

const nonceOf = ({ id, digest }: ApprovalRequest): string => approvalNonce(id, digest);

describe('operators', () => {
  test('list approvals and sessions, end one, lock and unlock, and the record names them', async () => {
    const headers = await running.operator();
    const listed = (await running.call('/v1/approvals', undefined, headers)).answer?.approvals;
    expect(listed?.[0]?.id).toBe(request.id);
    expect((await running.call('/v1/sessions', undefined, headers)).answer).toEqual({
      sessions: [
        {
          id: 's_01',
          principal: 'corp/agent-7',
          human: 'alice@bank.example',
          owner: 'owen@bank.example',
          target: 'bank',
          source: '10.0.0.1',
          openedAt: '2023-11-14T22:13:20.000Z',
        },
      ],
    });
    expect((await running.call('/v1/sessions/s_01/end', { reason: 'strange' }, headers)).status).toBe(200);
    expect((await running.call('/v1/sessions/s_02/end', { reason: 'strange' }, headers)).status).toBe(404);
    expect(await running.mail()).toMatchObject([{ kind: 'end', session: 's_01', by: 'olga@bank.example', reason: 'strange' }]);
    expect((await running.call('/v1/locks', { subject: ' Alice@BANK.example', reason: 'left' }, headers)).answer).toEqual({
      locked: 'alice@bank.example',
      ended: 1,
    });
    expect(await running.itemOf('CONTROL', LOCKS_ITEM)).toMatchObject({
      locks: [{ subject: 'alice@bank.example', by: 'olga@bank.example', reason: 'left' }],
    });
    expect((await running.call('/v1/locks/ALICE%40bank.example', undefined, headers, 'DELETE')).status).toBe(200);
    expect((await running.call('/v1/locks', undefined, headers)).answer).toEqual({ locks: [] });
  });

  test('who signed in for this console is one too', async () => {
    const headers = await running.operator({ aud: 'cli', nonce: operatorNonce(running.alb.url) });
    expect((await running.call('/v1/sessions', undefined, headers)).status).toBe(200);
    expect((await running.call('/v1/sign-in')).answer).toMatchObject({ for: running.alb.url });
  });

  test.each<[string, () => Promise<Readonly<Record<string, string>>>]>([
    ['nobody', async () => ({})],
    ['a person of another group', () => running.operator({ groups: ['dba'] })],
    ['a person whose group only sounds alike', () => running.operator({ groups: ['platforms', 'Platform', 'corp/platform'] })],
    ['an agent', () => running.operator({ sub: 'agent-7' })],
    ['an agent that acts for an operator', () => running.operator({ act: { sub: 'agent-9' } })],
    ['who signed in for an approval', () => running.operator({ aud: 'cli', nonce: nonceOf(request) })],
    ['who signed in for another console', () => running.operator({ aud: 'cli', nonce: operatorNonce('https://console.example') })],
    ['who has an expired token', () => running.operator({ exp: nowS() - 60 })],
    ['who has the one-machine token of somebody', async () => ({ authorization: `Bearer ${'a'.repeat(43)}` })],
    ['who sends the token otherwise', async () => ({ authorization: `Basic ${(await running.operator()).authorization.slice(7)}` })],
    ['who sends the token in a cookie', async () => ({ cookie: `authorization=${(await running.operator()).authorization}` })],
  ])('%s may do nothing', async (_, headersOf) => {
    const headers = await headersOf();
    const tried = [
      await running.call('/v1/approvals', undefined, headers),
      await running.call('/v1/sessions', undefined, headers),
      await running.call('/v1/locks', undefined, headers),
      await running.call('/v1/sessions/s_01/end', { reason: 'x' }, headers),
      await running.call('/v1/locks', { subject: 'corp/agent-7', reason: 'x' }, headers),
      await running.call('/v1/locks/corp%2Fagent-7', undefined, headers, 'DELETE'),
    ];
    for (const { status, answer } of tried) expect([status, answer?.error?.code]).toEqual([401, 'operator-token-needed']);
    expect(await running.mail()).toEqual([]);
    expect(await running.itemOf('CONTROL', LOCKS_ITEM)).toBeUndefined();
  });

  test('approvals are listed newest first, and decided ones only when asked for', async () => {
    const headers = await running.operator();
    const made = [];
    for (const at of [1, 2, 3]) made.push(await running.ask({ id: newApprovalId(Date.now() + at), policyReason: `number ${at}` }));
    await running.put('CLAIMS', made[1]?.id ?? '', { kind: 'withdrawn', reason: 'gone', atMs: Date.now() });
    const ids = async (query: string) =>
      (await running.call(`/v1/approvals${query}`, undefined, headers)).answer?.approvals?.map(({ id }) => id) ?? [];
    expect((await ids('')).slice(0, 2)).toEqual([made[2]?.id, made[0]?.id]);
    expect((await ids('?all=1')).slice(0, 3)).toEqual([made[2]?.id, made[1]?.id, made[0]?.id]);
  });

  test('a list that is longer than the load balancer takes is cut, and says so', async () => {
    const headers = await running.operator();
    for (let n = 0; n < 10; n += 1)
      await running.ask({ id: newApprovalId(Date.now() + n), text: '\u0001'.repeat(15_000), parameters: ['\u0001'.repeat(5_000)] });
    const { status, answer } = await running.call('/v1/approvals', undefined, headers);
    expect([status, answer?.more]).toEqual([200, true]);
    expect(answer?.approvals?.length).toBeGreaterThan(2);
  });
});

describe('renewals', () => {
  const agent = () => ({
    sub: 'alice-id',
    email: 'alice@bank.example',
    groups: ['analysts'],
    act: { sub: 'agent-7' },
    aud: 'sallyport',
    iat: nowS(),
    exp: nowS() + 900,
  });
  const renew = (session: string, token: string) => running.call(`/v1/sessions/${session}/renew`, {}, { authorization: `Bearer ${token}` });
  test('go to the session’s task, and the answer says until when', async () => {
    const claims = agent();
    const token = await running.corp.sign(claims);
    expect((await renew('s_01', token)).answer).toEqual({ expiresAt: new Date(claims.exp * 1_000).toISOString() });
    expect(await running.mail()).toMatchObject([{ kind: 'renew', session: 's_01', token }]);
  });

  test('that are replayed leave one request, and the last token stands', async () => {
    const [first, second] = [await running.corp.sign(agent()), await running.corp.sign({ ...agent(), jti: 'second' })];
    for (const token of [first, first, second, first, second]) expect((await renew('s_01', token)).status).toBe(200);
    expect(await running.mail()).toMatchObject([{ kind: 'renew', token: second }]);
  });

  test('that are refused all look alike, and reach no task', async () => {
    const refused = [
      await renew('s_02', await running.corp.sign(agent())),
      await renew('s_01', await running.corp.sign({ ...agent(), act: { sub: 'agent-8' } })),
      await renew('s_01', await running.corp.sign({ ...agent(), email: 'carl@bank.example' })),
      await renew('s_01', await running.corp.sign({ ...agent(), act: undefined, sub: 'agent-7' })),
      await renew('s_01', await running.corp.sign({ ...agent(), exp: nowS() - 60 })),
      await renew('s_01', await running.corp.sign({ ...agent(), aud: 'elsewhere' })),
      await renew('s_01', await running.corp.sign({ ...agent(), iss: running.demo.url })),
      await renew('s_01', 'x'),
      await running.call('/v1/sessions/s_01/renew', {}),
    ];
    const [{ answer } = { answer: undefined }] = refused;
    for (const one of refused) expect([one.status, one.answer]).toEqual([401, answer]);
    expect(await running.mail()).toEqual([]);
  });
});

describe('the bundle in force', () => {
  test('who is taken out of it is no operator from the next request on', async () => {
    const headers = await running.operator();
    expect((await running.call('/v1/sessions', undefined, headers)).status).toBe(200);
    await running.activate(2, 'corp/nobody');
    expect((await running.call('/v1/sessions', undefined, headers)).status).toBe(401);
    await running.activate(3);
    expect((await running.call('/v1/sessions', undefined, headers)).status).toBe(200);
  });

  test('that is missing or was written by hand closes the console, but for its health', async () => {
    const pointer = await running.itemOf('CONTROL', BUNDLE_ITEM);
    const headers = await running.operator();
    for (const damage of [
      undefined,
      Object.assign({}, pointer, { signature: 'AAAA' }),
      Object.assign({}, pointer, { version: 'b-0000000000000000' }),
      'x',
    ]) {
      if (damage === undefined) await running.remove('CONTROL', BUNDLE_ITEM);
      else await running.put('CONTROL', BUNDLE_ITEM, damage, 9);
      expect((await running.call('/v1/sessions', undefined, headers)).status).toBe(503);
      expect((await running.raw(`/approvals/${request.id}`)).status).toBe(503);
      expect(await running.alb.healthy()).toBe(true);
    }
    await running.put('CONTROL', BUNDLE_ITEM, pointer, 10);
    expect((await running.raw(`/approvals/${request.id}`)).status).toBe(200);
  });
});
