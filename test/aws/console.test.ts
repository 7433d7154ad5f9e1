// The console as people and commands reach it on AWS: over HTTP, through the load balancer, to the real functions.
import { ScanCommand } from '@aws-sdk/client-dynamodb';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { followDemoSignIn } from '../../cli/approver-sign-in.ts';
import type { ApprovalRequest } from '../../core/approval/approval.ts';
import { approvalNonce } from '../../core/approval/nonce.ts';
import { handler as consoleHandler } from '../../lambdas/console/handler.ts';
import { newApprovalId } from '../../proxy-task/pipeline/approval-id.ts';
import { PageVisitor } from '../support/page-visitor.ts';
import { nowS, startAwsConsole, type AwsConsole } from './support/aws-console.ts';

let running: AwsConsole;
let request: ApprovalRequest;
let path: string;
let visitor: PageVisitor;
beforeAll(async () => {
  running = await startAwsConsole();
});
afterAll(() => running.stop());
beforeEach(async () => {
  request = await running.ask();
  path = `/approvals/${request.id}`;
  visitor = new PageVisitor(running.alb.url);
  running.services.lambda.calls.length = 0;
});
afterEach(() => running.services.lambda.heal('decide-approval'));

const decisionOf = (id = request.id): Promise<unknown> => running.itemOf('DECISIONS', id);
const nonceOf = ({ id, digest }: ApprovalRequest): string => approvalNonce(id, digest);

describe('the load balancer’s console', () => {
  test('is healthy by no name', async () => {
    expect(await running.alb.healthy()).toBe(true);
  });

  test('answers only to its own name, whatever a forwarding header says', async () => {
    expect((await running.raw(path, { host: 'evil.example' })).status).toBe(421);
    expect((await running.raw(path, { host: 'evil.example', 'x-forwarded-host': new URL(running.alb.url).host })).status).toBe(421);
    expect((await running.raw(`/v1${path}`, { host: '127.0.0.1' })).status).toBe(421);
    expect((await running.raw(path, {})).status).toBe(200);
  });

  test('sends the headers that keep browsers safe with every answer', async () => {
    for (const at of [path, `/v1${path}`, '/nothing', '/healthz', '/v1/sessions', '/console.css']) {
      const { headers } = await fetch(running.alb.url + at);
      expect([at, headers.get('content-security-policy')]).toEqual([at, expect.stringContaining("default-src 'none'")]);
      expect([at, headers.get('cache-control'), headers.get('x-content-type-options')]).toEqual([at, 'no-store', 'nosniff']);
    }
  });

  test('refuses what no browser sends, and goes on', async () => {
    const event = { requestContext: { elb: { targetGroupArn: 'x' } }, httpMethod: 'GET', path, body: '', isBase64Encoded: false };
    const host = new URL(running.alb.url).host;
    for (const multiValueHeaders of [
      { host: [host], origin: ['a\r\nset-cookie: x=1'] },
      { host: [host, 'evil.example'] },
      { host: [host], 'x\ny': ['1'] },
    ]) {
      expect(await consoleHandler({ ...event, multiValueHeaders })).toMatchObject({ statusCode: 400 });
    }
    expect(await consoleHandler({ ...event, headers: { host } })).toMatchObject({ statusCode: 400 });
    expect((await running.raw(path, {})).status).toBe(200);
  });

  test('refuses bodies that are too long, whatever they say of their length', async () => {
    const long = { answer: 'approve', idToken: 'x'.repeat(70_000) };
    expect((await running.call(`/v1${path}/votes`, long)).status).toBe(413);
    const host = new URL(running.alb.url).host;
    const claimed = {
      requestContext: { elb: { targetGroupArn: 'x' } },
      httpMethod: 'POST',
      path: `/v1${path}/votes`,
      multiValueHeaders: { host: [host], 'content-type': ['application/json'], 'content-length': ['10'], 'transfer-encoding': ['chunked'] },
      body: JSON.stringify(long),
      isBase64Encoded: false,
    };
    expect(await consoleHandler(claimed)).toMatchObject({ statusCode: 413 });
    expect(running.services.lambda.calls).toEqual([]);
  });

  test.each([
    '/../../etc/passwd',
    '/%2e%2e/x',
    '/approvals/%00',
    '/approvals/%ff',
    '//evil.example/approvals',
    '/v1/approvals/..%2f..%2fx',
    '/approvals/bundle',
    '/approvals/digest%23x',
  ])('%s is no page', async (at) => {
    expect((await running.raw(at, {})).status).toSatisfy((status: number) => status >= 400 && status < 500);
  });

  test('an item that the gateway does not write is an error that tells a visitor nothing', async () => {
    const id = newApprovalId(Date.now());
    await running.put('REQUESTS', id, { id, text: 'select secret' });
    const page = await running.raw(`/approvals/${id}`, {});
    expect(page.status).toBe(503);
    expect(page.body).not.toContain('secret');
    expect(page.body).not.toContain('principal');
    await running.remove('REQUESTS', id);
  });
});

test('a statement that is too long for a page can be read by the command', async () => {
  const made = await running.ask({ text: '\u0001'.repeat(60_000) });
  const page = await running.raw(`/approvals/${made.id}`, {});
  expect([page.status, page.body]).toEqual([503, expect.stringContaining('too long')]);
  expect((await running.call(`/v1/approvals/${made.id}`)).answer).toMatchObject({ text: made.text });
});

describe('answering on the page', () => {
  test('a person of the group signs in and approves, and nothing was decided before', async () => {
    const back = await visitor.signIn(request.id, 'dana@bank.example');
    expect(back.headers.get('location')).toBe(path);
    const page = await (await visitor.get(path)).text();
    expect(page).toContain('dana@bank.example');
    expect(await decisionOf()).toBeUndefined();
    const answered = await visitor.post(`${path}/decision`, { csrf: PageVisitor.csrfOf(page), answer: 'approve', reason: 'checked <b>' });
    expect([answered.status, answered.headers.get('location')]).toEqual([303, path]);
    expect(await decisionOf()).toMatchObject({
      state: 'approved',
      votes: [{ person: 'dana@bank.example', groups: ['demo/dba'], channel: 'page', reason: 'checked <b>', idToken: expect.any(String) }],
    });
    expect(await (await visitor.get(path)).text()).toContain('checked &lt;b&gt;');
    expect((await visitor.post(`${path}/decision`, { csrf: PageVisitor.csrfOf(page), answer: 'approve' })).status).toBe(403);
  });

  test('nothing that is only read decides', async () => {
    await visitor.signIn(request.id, 'dana@bank.example');
    const page = await (await visitor.get(path)).text();
    const csrf = PageVisitor.csrfOf(page);
    for (const at of [
      `${path}/decision?csrf=${csrf}&answer=approve`,
      `${path}?csrf=${csrf}&answer=approve`,
      `/v1${path}/votes?answer=approve`,
      `${path}/decision/`,
    ])
      expect((await visitor.get(at)).status).toSatisfy((status: number) => status === 200 || status === 404);
    expect(running.services.lambda.calls).toEqual([]);
    expect(await decisionOf()).toBeUndefined();
  });

  test.each<[string, (csrf: string) => readonly [Readonly<Record<string, string>>, Readonly<Record<string, string>>?]]>([
    ['without the page’s mark', () => [{ answer: 'approve' }]],
    ['with another mark', () => [{ answer: 'approve', csrf: 'x' }]],
    ['from another site', (csrf) => [{ answer: 'approve', csrf }, { origin: 'https://evil.example' }]],
    ['from a sandboxed page', (csrf) => [{ answer: 'approve', csrf }, { origin: 'null' }]],
    ['with two origins', (csrf) => [{ answer: 'approve', csrf }, { origin: `${running.alb.url}, https://evil.example` }]],
    ['as plain text', (csrf) => [{ answer: 'approve', csrf }, { 'content-type': 'text/plain' }]],
    ['with another answer', (csrf) => [{ answer: 'yes', csrf }]],
  ])('a form %s decides nothing', async (_, form) => {
    await visitor.signIn(request.id, 'dana@bank.example');
    const csrf = PageVisitor.csrfOf(await (await visitor.get(path)).text());
    expect(csrf).not.toBe('');
    expect((await visitor.post(`${path}/decision`, ...form(csrf))).status).toSatisfy((status: number) => status === 400 || status === 403);
    expect(running.services.lambda.calls).toEqual([]);
    expect(await decisionOf()).toBeUndefined();
  });

  test('a sign-in for one approval answers no other', async () => {
    const other = await running.ask();
    await visitor.signIn(request.id, 'dana@bank.example');
    const csrf = PageVisitor.csrfOf(await (await visitor.get(path)).text());
    expect((await visitor.post(`/approvals/${other.id}/decision`, { csrf, answer: 'approve' })).status).toBe(403);
    expect(running.services.lambda.calls).toEqual([]);
  });

  test('another browser cannot finish a sign-in, and a return works once', async () => {
    const away = await visitor.get(`${path}/sign-in`);
    const start = new URL(away.headers.get('location') ?? '');
    const back = await followDemoSignIn(start, 'dana@bank.example', `${running.alb.url}/`);
    const stranger = new PageVisitor(running.alb.url);
    expect((await stranger.get(back.pathname + back.search)).status).toBe(403);
    // The state was taken by the stranger's attempt: who began it signs in anew.
    expect((await visitor.get(back.pathname + back.search)).status).toBe(403);
    expect((await visitor.signIn(request.id, 'dana@bank.example')).status).toBe(303);
  });

  test('cookies are for this site’s server alone', async () => {
    const away = await visitor.get(`${path}/sign-in`);
    const [flow = ''] = away.headers.getSetCookie();
    expect(flow).toMatch(/^sallyport_flow_\w+=[\w-]{43}; Max-Age=600; Path=\/sign-in\/callback; HttpOnly; SameSite=Lax$/);
    const back = await visitor.signIn(request.id, 'dana@bank.example');
    expect(back.headers.getSetCookie().filter((line) => line.startsWith('sallyport_signed_in='))).toEqual([
      expect.stringMatching(new RegExp(`^sallyport_signed_in=[\\w-]{43}; Max-Age=600; Path=${path}; HttpOnly; SameSite=Lax$`)),
    ]);
  });

  test('behind a certificate cookies never cross a network in clear', async () => {
    vi.resetModules();
    vi.stubEnv('SALLYPORT_PUBLIC_URL', 'https://console.example/');
    const secure = (await import('../../lambdas/console/handler.ts')).handler;
    const event = {
      requestContext: { elb: { targetGroupArn: 'x' } },
      httpMethod: 'GET',
      path: `${path}/sign-in`,
      body: '',
      isBase64Encoded: false,
    };
    const answer = await secure({ ...event, multiValueHeaders: { host: ['console.example'] } });
    expect(answer.statusCode).toBe(303);
    expect(answer.multiValueHeaders['set-cookie']).toEqual([expect.stringMatching(/; HttpOnly; Secure; SameSite=Lax$/)]);
    expect(new URL(answer.multiValueHeaders['location']?.[0] ?? '').searchParams.get('redirect_uri')).toBe(
      'https://console.example/sign-in/callback',
    );
    vi.unstubAllEnvs();
  });

  test('what stands in the table of sign-ins signs nobody in', async () => {
    await visitor.signIn(request.id, 'dana@bank.example');
    const { Items = [] } = await running.dynamo.send(new ScanCommand({ TableName: running.table('SIGNIN') }));
    for (const { id } of Items) {
      const value = (id?.S ?? '').replace(/^\w+#/, '');
      const page = await running.raw(path, { cookie: `sallyport_signed_in=${value}` });
      expect(page.body).not.toContain('name="csrf"');
    }
  });

  test.each(['owen@bank.example', 'alice@bank.example'])('%s, who asks or has no right, decides nothing', async (person) => {
    await visitor.signIn(request.id, person);
    const page = await (await visitor.get(path)).text();
    expect(PageVisitor.csrfOf(page)).toBe('');
    expect(await decisionOf()).toBeUndefined();
  });

  test.each(['crashed', 'throttled', 'unreachable'] as const)(
    'when the function that decides is %s, nothing is decided and the visitor is told',
    async (fault) => {
      await visitor.signIn(request.id, 'dana@bank.example');
      const csrf = PageVisitor.csrfOf(await (await visitor.get(path)).text());
      running.services.lambda.fail('decide-approval', fault);
      expect((await visitor.post(`${path}/decision`, { csrf, answer: 'approve' })).status).toBe(503);
      expect(await decisionOf()).toBeUndefined();
      running.services.lambda.heal('decide-approval');
      expect((await visitor.post(`${path}/decision`, { csrf, answer: 'approve' })).status).toBe(303);
    },
  );
});

describe('votes by the command', () => {
  const approver = { sub: 'u-1', email: 'dana@bank.example', groups: ['dba'], aud: 'cli' };
  const asked = (): Promise<ApprovalRequest> =>
    running.ask({
      demand: { quorums: [{ group: 'corp/dba', quorum: 1 }], holdMs: 55_000, expiresMs: 3_600_000, grantMs: 900_000, channels: [] },
    });
  const vote = (id: string, idToken: string, answer = 'approve') =>
    running.call(`/v1/approvals/${id}/votes`, { answer, reason: 'r', idToken });

  test('count with a token for this approval, once', async () => {
    const made = await asked();
    const idToken = await running.corp.sign({ ...approver, nonce: nonceOf(made), iat: nowS(), exp: nowS() + 600 });
    const { status, answer } = await vote(made.id, idToken);
    expect([status, answer?.state]).toEqual([200, 'approved']);
    expect(JSON.stringify(answer)).not.toContain(idToken);
    expect(await vote(made.id, idToken)).toMatchObject({ status: 409, answer: { error: { code: 'already-approved' } } });
    expect(await vote(made.id, idToken, 'reject')).toMatchObject({ status: 409 });
  });

  test('at the same moment count once', async () => {
    const made = await asked();
    const idToken = await running.corp.sign({ ...approver, nonce: nonceOf(made), iat: nowS(), exp: nowS() + 600 });
    const statuses = (await Promise.all([1, 2, 3].map(() => vote(made.id, idToken)))).map(({ status }) => status).toSorted((a, b) => a - b);
    expect(statuses).toEqual([200, 409, 409]);
    expect(await decisionOf(made.id)).toMatchObject({ votes: { length: 1 } });
  });

  test.each<[string, Readonly<Record<string, unknown>>, string]>([
    ['of the agent’s owner', { email: 'owen@bank.example' }, 'not-entitled'],
    ['of the human it acts for', { email: 'Alice@Bank.example ' }, 'sign-in-invalid'],
    ['of the human it acts for, spelled otherwise', { email: 'ALICE@bank.example' }, 'not-entitled'],
    ['of another group', { groups: ['analysts'] }, 'not-entitled'],
    ['of another issuer’s group', { groups: ['demo/dba'] }, 'not-entitled'],
    ['for another approval', { nonce: approvalNonce('ap_other', 'd'.repeat(64)) }, 'sign-in-invalid'],
    ['for another statement', { nonce: 'x' }, 'sign-in-invalid'],
    ['of eleven minutes ago', { iat: Math.floor(Date.now() / 1_000) - 660 }, 'sign-in-invalid'],
    ['that has expired', { exp: Math.floor(Date.now() / 1_000) - 1 }, 'sign-in-invalid'],
    ['from the future', { iat: Math.floor(Date.now() / 1_000) + 3_600 }, 'sign-in-invalid'],
    ['for another client', { aud: 'elsewhere' }, 'sign-in-invalid'],
    ['that an agent acts in', { act: { sub: 'agent-7' } }, 'sign-in-invalid'],
  ])('do not count with a token %s', async (_, claims, code) => {
    const made = await asked();
    const idToken = await running.corp.sign({ ...approver, nonce: nonceOf(made), iat: nowS(), exp: nowS() + 3_600, ...claims });
    for (const answer of ['approve', 'reject'])
      expect(await vote(made.id, idToken, answer)).toMatchObject({ status: 403, answer: { error: { code } } });
    expect(await decisionOf(made.id)).toBeUndefined();
  });

  test('for what does not exist ask no function', async () => {
    for (const id of ['ap_none', newApprovalId(0), 'bundle', `digest%23${'d'.repeat(64)}`]) expect((await vote(id, 'x')).status).toBe(404);
    expect(running.services.lambda.calls).toEqual([]);
  });
});
