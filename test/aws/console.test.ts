// The console as people and commands reach it on AWS: over HTTP, through the load balancer, to the real functions.
import { request as send } from 'node:http';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DeleteItemCommand, DynamoDBClient, GetItemCommand, PutItemCommand, ScanCommand } from '@aws-sdk/client-dynamodb';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { ApprovalRequest } from '../../core/approval/approval.ts';
import { requestItem } from '../../core/approval/approval-items.ts';
import { approvalNonce } from '../../core/approval/nonce.ts';
import { operatorNonce } from '../../core/identity/operator-nonce.ts';
import { BUNDLE_ITEM, LEASE_MS, LOCKS_ITEM, mailItem, writerItem, type LiveSessionItem } from '../../core/state/control.ts';
import { readMail } from '../../core/state/control-items.ts';
import { decodeStored, encodeStored } from '../../core/state/stored-item.ts';
import { handler as consoleHandler } from '../../lambdas/console/handler.ts';
import { handler as decide } from '../../lambdas/decide-approval/handler.ts';
import { newApprovalId } from '../../proxy-task/pipeline/approval-id.ts';
import { startDemoIssuer, type DemoIssuer } from '../../standalone/demo/issuer.ts';
import { systemClock } from '../../proxy-task/system-clock.ts';
import { aRequest } from '../support/approval-requests.ts';
import { PageVisitor } from '../support/page-visitor.ts';
import { startSigningIssuer, type SigningIssuer } from '../support/signing-issuer.ts';
import { startAlb, type Alb } from './support/alb.ts';
import { startAwsServices, type AwsServices } from './support/aws-services.ts';
import { putInForce } from './support/bundle-in-force.ts';
import { resetMoto, useMoto } from './support/moto.ts';
import { makeInstance, type InstanceEnvironment } from './support/tables.ts';

let environment: InstanceEnvironment;
let dynamo: DynamoDBClient;
let dataDir: string;
/** Where people sign in. */
let demo: DemoIssuer;
/** Signs whatever a test needs: agents, operators, and approvers with odd tokens. */
let corp: SigningIssuer;
let services: AwsServices;
let alb: Alb;

beforeAll(async () => {
  useMoto();
  await resetMoto();
  environment = await makeInstance();
  dynamo = new DynamoDBClient({});
  dataDir = mkdtempSync(join(tmpdir(), 'sallyport-alb-'));
  demo = await startDemoIssuer({ port: 0, dataDir });
  corp = await startSigningIssuer();
  services = await startAwsServices({ functions: { 'decide-approval': decide }, clock: systemClock });
  alb = await startAlb(consoleHandler);
  Object.assign(process.env, environment, services.environment, {
    SALLYPORT_PUBLIC_URL: alb.url,
    SALLYPORT_FN_DECIDE_APPROVAL: 'decide-approval',
  });
  // One line of JSON for each request is for CloudWatch.
  vi.spyOn(process.stdout, 'write').mockImplementation(() => true);
  await putInForce(environment, configuration());
});
afterAll(async () => {
  vi.restoreAllMocks();
  await alb.stop();
  await services.stop();
  await corp.stop();
  await demo.stop();
  rmSync(dataDir, { recursive: true, force: true });
});

function configuration(operators = 'corp/platform'): Readonly<Record<string, string>> {
  const policies = join(import.meta.dirname, '../../examples/bank/config/policies');
  return {
    ...Object.fromEntries(readdirSync(policies).map((name) => [`policies/${name}`, readFileSync(join(policies, name), 'utf8')])),
    'sallyport.yaml': `
issuers:
  - { name: demo, issuer: "${demo.url}", audience: sallyport, approverClientIds: [sallyport-console, sallyport-cli] }
  - { name: corp, issuer: "${corp.url}", audience: sallyport, algorithms: [ES256], approverClientIds: [console, cli] }
agents:
  - { name: corp/agent-7, owner: owen@bank.example, groups: [corp/analysts] }
approverGroups: { dba: demo/dba, operators: ${operators} }
targets:
  - { name: bank, host: db.bank.example, database: bank, user: sallyport_agent, credential: rdsIam }
`,
  };
}

const table = (name: string): string => environment[`SALLYPORT_${name}_TABLE`] ?? '';
const nowS = (): number => Math.floor(Date.now() / 1_000);
const itemOf = async (name: string, id: string) => {
  const { Item } = await dynamo.send(new GetItemCommand({ TableName: table(name), Key: { id: { S: id } }, ConsistentRead: true }));
  return Item === undefined ? undefined : decodeStored(Item)?.body;
};
const put = (name: string, id: string, value: unknown, v = 1): Promise<unknown> =>
  dynamo.send(new PutItemCommand({ TableName: table(name), Item: { ...encodeStored(id, v, value) } }));

async function ask(changes: Partial<ApprovalRequest> = {}): Promise<ApprovalRequest> {
  const requestedAtMs = Date.now();
  const made = aRequest({ id: newApprovalId(requestedAtMs), requestedAtMs, expiresAtMs: requestedAtMs + 3_600_000, ...changes });
  await dynamo.send(new PutItemCommand({ TableName: table('REQUESTS'), Item: { ...requestItem(made, nowS() + 3_600) } }));
  return made;
}

let request: ApprovalRequest;
let path: string;
let visitor: PageVisitor;
beforeEach(async () => {
  request = await ask();
  path = `/approvals/${request.id}`;
  visitor = new PageVisitor(alb.url);
  services.lambda.calls.length = 0;
});
afterEach(() => services.lambda.heal('decide-approval'));

const decisionOf = (id = request.id): Promise<unknown> => itemOf('DECISIONS', id);
const nonceOf = ({ id, digest }: ApprovalRequest): string => approvalNonce(id, digest);

/** What the tests look into; everything else is compared whole. */
type Answer = {
  readonly error?: { readonly code: string };
  readonly state?: string;
  readonly approvals?: readonly { readonly id: string }[];
  readonly more?: boolean;
};

async function call(at: string, body?: unknown, headers: Readonly<Record<string, string>> = {}, method?: string) {
  const response = await fetch(alb.url + at, {
    method: method ?? (body === undefined ? 'GET' : 'POST'),
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    answer: text === '' ? undefined : (JSON.parse(text) as Answer),
  };
}

/** A request whose headers are sent as they are given. */
function raw(at: string, headers: Readonly<Record<string, string | readonly string[]>>, method = 'GET') {
  return new Promise<{ status: number | undefined; body: string }>((resolve, reject) => {
    const url = new URL(alb.url);
    const sent = send(
      { host: url.hostname, port: url.port, path: at, method, headers: { host: url.host, ...headers } as Record<string, string> },
      (response) => {
        let body = '';
        response.on('data', (chunk: Buffer) => (body += chunk.toString()));
        response.on('end', () => resolve({ status: response.statusCode, body }));
      },
    );
    sent.on('error', reject).end();
  });
}

describe('the load balancer’s console', () => {
  test('is healthy by no name', async () => {
    expect(await alb.healthy()).toBe(true);
  });

  test('answers only to its own name, whatever a forwarding header says', async () => {
    expect((await raw(path, { host: 'evil.example' })).status).toBe(421);
    expect((await raw(path, { host: 'evil.example', 'x-forwarded-host': new URL(alb.url).host })).status).toBe(421);
    expect((await raw(`/v1${path}`, { host: '127.0.0.1' })).status).toBe(421);
    expect((await raw(path, {})).status).toBe(200);
  });

  test('sends the headers that keep browsers safe with every answer', async () => {
    for (const at of [path, `/v1${path}`, '/nothing', '/healthz', '/v1/sessions', '/console.css']) {
      const { headers } = await fetch(alb.url + at);
      expect([at, headers.get('content-security-policy')]).toEqual([at, expect.stringContaining("default-src 'none'")]);
      expect([at, headers.get('cache-control'), headers.get('x-content-type-options')]).toEqual([at, 'no-store', 'nosniff']);
    }
  });

  test('refuses what no browser sends, and goes on', async () => {
    const event = { requestContext: { elb: { targetGroupArn: 'x' } }, httpMethod: 'GET', path, body: '', isBase64Encoded: false };
    const host = new URL(alb.url).host;
    for (const multiValueHeaders of [
      { host: [host], origin: ['a\r\nset-cookie: x=1'] },
      { host: [host, 'evil.example'] },
      { host: [host], 'x\ny': ['1'] },
    ]) {
      expect(await consoleHandler({ ...event, multiValueHeaders })).toMatchObject({ statusCode: 400 });
    }
    expect(await consoleHandler({ ...event, headers: { host } })).toMatchObject({ statusCode: 400 });
    expect((await raw(path, {})).status).toBe(200);
  });

  test('refuses bodies that are too long, whatever they say of their length', async () => {
    const long = { answer: 'approve', idToken: 'x'.repeat(70_000) };
    expect((await call(`/v1${path}/votes`, long)).status).toBe(413);
    const host = new URL(alb.url).host;
    const claimed = {
      requestContext: { elb: { targetGroupArn: 'x' } },
      httpMethod: 'POST',
      path: `/v1${path}/votes`,
      multiValueHeaders: { host: [host], 'content-type': ['application/json'], 'content-length': ['10'], 'transfer-encoding': ['chunked'] },
      body: JSON.stringify(long),
      isBase64Encoded: false,
    };
    expect(await consoleHandler(claimed)).toMatchObject({ statusCode: 413 });
    expect(services.lambda.calls).toEqual([]);
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
    expect((await raw(at, {})).status).toSatisfy((status: number) => status >= 400 && status < 500);
  });

  test('an item that the gateway does not write is an error that tells a visitor nothing', async () => {
    const id = newApprovalId(Date.now());
    await put('REQUESTS', id, { id, sql: 'select secret' });
    const page = await raw(`/approvals/${id}`, {});
    expect(page.status).toBe(503);
    expect(page.body).not.toContain('secret');
    expect(page.body).not.toContain('principal');
    await dynamo.send(new DeleteItemCommand({ TableName: table('REQUESTS'), Key: { id: { S: id } } }));
  });
});

test('a statement that is too long for a page can be read by the command', async () => {
  const made = await ask({ sql: '\u0001'.repeat(60_000) });
  const page = await raw(`/approvals/${made.id}`, {});
  expect([page.status, page.body]).toEqual([503, expect.stringContaining('too long')]);
  expect((await call(`/v1/approvals/${made.id}`)).answer).toMatchObject({ sql: made.sql });
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
    expect(services.lambda.calls).toEqual([]);
    expect(await decisionOf()).toBeUndefined();
  });

  test.each<[string, (csrf: string) => readonly [Readonly<Record<string, string>>, Readonly<Record<string, string>>?]]>([
    ['without the page’s mark', () => [{ answer: 'approve' }]],
    ['with another mark', () => [{ answer: 'approve', csrf: 'x' }]],
    ['from another site', (csrf) => [{ answer: 'approve', csrf }, { origin: 'https://evil.example' }]],
    ['from a sandboxed page', (csrf) => [{ answer: 'approve', csrf }, { origin: 'null' }]],
    ['with two origins', (csrf) => [{ answer: 'approve', csrf }, { origin: `${alb.url}, https://evil.example` }]],
    ['as plain text', (csrf) => [{ answer: 'approve', csrf }, { 'content-type': 'text/plain' }]],
    ['with another answer', (csrf) => [{ answer: 'yes', csrf }]],
  ])('a form %s decides nothing', async (_, form) => {
    await visitor.signIn(request.id, 'dana@bank.example');
    const csrf = PageVisitor.csrfOf(await (await visitor.get(path)).text());
    expect(csrf).not.toBe('');
    expect((await visitor.post(`${path}/decision`, ...form(csrf))).status).toSatisfy((status: number) => status === 400 || status === 403);
    expect(services.lambda.calls).toEqual([]);
    expect(await decisionOf()).toBeUndefined();
  });

  test('a sign-in for one approval answers no other', async () => {
    const other = await ask();
    await visitor.signIn(request.id, 'dana@bank.example');
    const csrf = PageVisitor.csrfOf(await (await visitor.get(path)).text());
    expect((await visitor.post(`/approvals/${other.id}/decision`, { csrf, answer: 'approve' })).status).toBe(403);
    expect(services.lambda.calls).toEqual([]);
  });

  test('another browser cannot finish a sign-in, and a return works once', async () => {
    const away = await visitor.get(`${path}/sign-in`);
    const start = new URL(away.headers.get('location') ?? '');
    const { followDemoSignIn } = await import('../../cli/approver-sign-in.ts');
    const back = await followDemoSignIn(start, 'dana@bank.example', `${alb.url}/`);
    const stranger = new PageVisitor(alb.url);
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
    const { Items = [] } = await dynamo.send(new ScanCommand({ TableName: table('SIGNIN') }));
    for (const { id } of Items) {
      const value = (id?.S ?? '').replace(/^\w+#/, '');
      const page = await raw(path, { cookie: `sallyport_signed_in=${value}` });
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
      services.lambda.fail('decide-approval', fault);
      expect((await visitor.post(`${path}/decision`, { csrf, answer: 'approve' })).status).toBe(503);
      expect(await decisionOf()).toBeUndefined();
      services.lambda.heal('decide-approval');
      expect((await visitor.post(`${path}/decision`, { csrf, answer: 'approve' })).status).toBe(303);
    },
  );
});

describe('votes by the command', () => {
  const approver = { sub: 'u-1', email: 'dana@bank.example', groups: ['dba'], aud: 'cli' };
  const asked = (): Promise<ApprovalRequest> =>
    ask({ demand: { quorums: [{ group: 'corp/dba', quorum: 1 }], holdMs: 55_000, expiresMs: 3_600_000, grantMs: 900_000, channels: [] } });
  const vote = (id: string, idToken: string, answer = 'approve') => call(`/v1/approvals/${id}/votes`, { answer, reason: 'r', idToken });

  test('count with a token for this approval, once', async () => {
    const made = await asked();
    const idToken = await corp.sign({ ...approver, nonce: nonceOf(made), iat: nowS(), exp: nowS() + 600 });
    const { status, answer } = await vote(made.id, idToken);
    expect([status, answer?.state]).toEqual([200, 'approved']);
    expect(JSON.stringify(answer)).not.toContain(idToken);
    expect(await vote(made.id, idToken)).toMatchObject({ status: 409, answer: { error: { code: 'already-approved' } } });
    expect(await vote(made.id, idToken, 'reject')).toMatchObject({ status: 409 });
  });

  test('at the same moment count once', async () => {
    const made = await asked();
    const idToken = await corp.sign({ ...approver, nonce: nonceOf(made), iat: nowS(), exp: nowS() + 600 });
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
    const idToken = await corp.sign({ ...approver, nonce: nonceOf(made), iat: nowS(), exp: nowS() + 3_600, ...claims });
    for (const answer of ['approve', 'reject'])
      expect(await vote(made.id, idToken, answer)).toMatchObject({ status: 403, answer: { error: { code } } });
    expect(await decisionOf(made.id)).toBeUndefined();
  });

  test('for what does not exist ask no function', async () => {
    for (const id of ['ap_none', newApprovalId(0), 'bundle', `digest%23${'d'.repeat(64)}`]) expect((await vote(id, 'x')).status).toBe(404);
    expect(services.lambda.calls).toEqual([]);
  });
});

const operatorClaims = () => ({
  sub: 'u-9',
  email: 'Olga@Bank.example',
  groups: ['platform'],
  aud: 'sallyport',
  iat: nowS(),
  exp: nowS() + 600,
});
const operator = async (changes: Readonly<Record<string, unknown>> = {}) => ({
  authorization: `Bearer ${await corp.sign({ ...operatorClaims(), ...changes })}`,
});

const SESSION: LiveSessionItem = {
  session: 's_01',
  writer: 't1-a',
  principal: 'corp/agent-7',
  human: 'alice@bank.example',
  owner: 'owen@bank.example',
  target: 'bank',
  source: '10.0.0.1',
  openedAtMs: 1_700_000_000_000,
  day: '2026-11-20',
};
async function openSession(changes: Partial<LiveSessionItem> = {}): Promise<void> {
  const session = { ...SESSION, ...changes };
  const { writer, session: id } = session;
  const lease = { slot: 1, state: 'live', leaseUntilMs: Date.now() + LEASE_MS, nextSeq: 0, generation: 1, image: 'sha256:x' };
  await put('WRITERS', writerItem(writer), { writer, ...lease });
  const { v, body } = encodeStored('', 1, session);
  await dynamo.send(new PutItemCommand({ TableName: table('SESSIONS'), Item: { writer: { S: writer }, session: { S: id }, v, body } }));
}
const mail = async (writer = 't1-a') => readMail(await itemOf('CONTROL', mailItem(writer)))?.entries ?? [];

describe('operators', () => {
  beforeEach(async () => {
    await openSession();
    await dynamo.send(new DeleteItemCommand({ TableName: table('CONTROL'), Key: { id: { S: mailItem('t1-a') } } }));
    await dynamo.send(new DeleteItemCommand({ TableName: table('CONTROL'), Key: { id: { S: LOCKS_ITEM } } }));
  });

  test('list approvals and sessions, end one, lock and unlock, and the record names them', async () => {
    const headers = await operator();
    const listed = (await call('/v1/approvals', undefined, headers)).answer?.approvals;
    expect(listed?.[0]?.id).toBe(request.id);
    expect((await call('/v1/sessions', undefined, headers)).answer).toEqual({
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
    expect((await call('/v1/sessions/s_01/end', { reason: 'strange' }, headers)).status).toBe(200);
    expect((await call('/v1/sessions/s_02/end', { reason: 'strange' }, headers)).status).toBe(404);
    expect(await mail()).toMatchObject([{ kind: 'end', session: 's_01', by: 'olga@bank.example', reason: 'strange' }]);
    expect((await call('/v1/locks', { subject: ' Alice@BANK.example', reason: 'left' }, headers)).answer).toEqual({
      locked: 'alice@bank.example',
      ended: 1,
    });
    expect(await itemOf('CONTROL', LOCKS_ITEM)).toMatchObject({
      locks: [{ subject: 'alice@bank.example', by: 'olga@bank.example', reason: 'left' }],
    });
    expect((await call('/v1/locks/ALICE%40bank.example', undefined, headers, 'DELETE')).status).toBe(200);
    expect((await call('/v1/locks', undefined, headers)).answer).toEqual({ locks: [] });
  });

  test('who signed in for this console is one too', async () => {
    const headers = await operator({ aud: 'cli', nonce: operatorNonce(alb.url) });
    expect((await call('/v1/sessions', undefined, headers)).status).toBe(200);
    expect((await call('/v1/sign-in')).answer).toMatchObject({ for: alb.url });
  });

  test.each<[string, () => Promise<Readonly<Record<string, string>>>]>([
    ['nobody', async () => ({})],
    ['a person of another group', () => operator({ groups: ['dba'] })],
    ['a person whose group only sounds alike', () => operator({ groups: ['platforms', 'Platform', 'corp/platform'] })],
    ['an agent', () => operator({ sub: 'agent-7' })],
    ['an agent that acts for an operator', () => operator({ act: { sub: 'agent-9' } })],
    ['who signed in for an approval', () => operator({ aud: 'cli', nonce: nonceOf(request) })],
    ['who signed in for another console', () => operator({ aud: 'cli', nonce: operatorNonce('https://console.example') })],
    ['who has an expired token', () => operator({ exp: nowS() - 60 })],
    ['who has the one-machine token of somebody', async () => ({ authorization: `Bearer ${'a'.repeat(43)}` })],
    ['who sends the token otherwise', async () => ({ authorization: `Basic ${(await operator()).authorization.slice(7)}` })],
    ['who sends the token in a cookie', async () => ({ cookie: `authorization=${(await operator()).authorization}` })],
  ])('%s may do nothing', async (_, headersOf) => {
    const headers = await headersOf();
    const tried = [
      await call('/v1/approvals', undefined, headers),
      await call('/v1/sessions', undefined, headers),
      await call('/v1/locks', undefined, headers),
      await call('/v1/sessions/s_01/end', { reason: 'x' }, headers),
      await call('/v1/locks', { subject: 'corp/agent-7', reason: 'x' }, headers),
      await call('/v1/locks/corp%2Fagent-7', undefined, headers, 'DELETE'),
    ];
    for (const { status, answer } of tried) expect([status, answer?.error?.code]).toEqual([401, 'operator-token-needed']);
    expect(await mail()).toEqual([]);
    expect(await itemOf('CONTROL', LOCKS_ITEM)).toBeUndefined();
  });

  test('approvals are listed newest first, and decided ones only when asked for', async () => {
    const headers = await operator();
    const made = [];
    for (const at of [1, 2, 3]) made.push(await ask({ id: newApprovalId(Date.now() + at), policyReason: `number ${at}` }));
    await put('CLAIMS', made[1]?.id ?? '', { kind: 'withdrawn', reason: 'gone', atMs: Date.now() });
    const ids = async (query: string) =>
      (await call(`/v1/approvals${query}`, undefined, headers)).answer?.approvals?.map(({ id }) => id) ?? [];
    expect((await ids('')).slice(0, 2)).toEqual([made[2]?.id, made[0]?.id]);
    expect((await ids('?all=1')).slice(0, 3)).toEqual([made[2]?.id, made[1]?.id, made[0]?.id]);
  });

  test('a list that is longer than the load balancer takes is cut, and says so', async () => {
    const headers = await operator();
    for (let n = 0; n < 10; n += 1)
      await ask({ id: newApprovalId(Date.now() + n), sql: '\u0001'.repeat(15_000), parameters: ['\u0001'.repeat(5_000)] });
    const { status, answer } = await call('/v1/approvals', undefined, headers);
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
  const renew = (session: string, token: string) => call(`/v1/sessions/${session}/renew`, {}, { authorization: `Bearer ${token}` });
  beforeEach(async () => {
    await openSession();
    await dynamo.send(new DeleteItemCommand({ TableName: table('CONTROL'), Key: { id: { S: mailItem('t1-a') } } }));
  });

  test('go to the session’s task, and the answer says until when', async () => {
    const claims = agent();
    const token = await corp.sign(claims);
    expect((await renew('s_01', token)).answer).toEqual({ expiresAt: new Date(claims.exp * 1_000).toISOString() });
    expect(await mail()).toMatchObject([{ kind: 'renew', session: 's_01', token }]);
  });

  test('that are replayed leave one request, and the last token stands', async () => {
    const [first, second] = [await corp.sign(agent()), await corp.sign({ ...agent(), jti: 'second' })];
    for (const token of [first, first, second, first, second]) expect((await renew('s_01', token)).status).toBe(200);
    expect(await mail()).toMatchObject([{ kind: 'renew', token: second }]);
  });

  test('that are refused all look alike, and reach no task', async () => {
    const refused = [
      await renew('s_02', await corp.sign(agent())),
      await renew('s_01', await corp.sign({ ...agent(), act: { sub: 'agent-8' } })),
      await renew('s_01', await corp.sign({ ...agent(), email: 'carl@bank.example' })),
      await renew('s_01', await corp.sign({ ...agent(), act: undefined, sub: 'agent-7' })),
      await renew('s_01', await corp.sign({ ...agent(), exp: nowS() - 60 })),
      await renew('s_01', await corp.sign({ ...agent(), aud: 'elsewhere' })),
      await renew('s_01', await corp.sign({ ...agent(), iss: demo.url })),
      await renew('s_01', 'x'),
      await call('/v1/sessions/s_01/renew', {}),
    ];
    const [{ answer } = { answer: undefined }] = refused;
    for (const one of refused) expect([one.status, one.answer]).toEqual([401, answer]);
    expect(await mail()).toEqual([]);
  });
});

describe('the bundle in force', () => {
  test('who is taken out of it is no operator from the next request on', async () => {
    const headers = await operator();
    expect((await call('/v1/sessions', undefined, headers)).status).toBe(200);
    await putInForce(environment, configuration('corp/nobody'), 2);
    expect((await call('/v1/sessions', undefined, headers)).status).toBe(401);
    await putInForce(environment, configuration(), 3);
    expect((await call('/v1/sessions', undefined, headers)).status).toBe(200);
  });

  test('that is missing or was written by hand closes the console, but for its health', async () => {
    const pointer = await itemOf('CONTROL', BUNDLE_ITEM);
    const headers = await operator();
    for (const damage of [
      undefined,
      { ...(pointer as object), signature: 'AAAA' },
      { ...(pointer as object), version: 'b-0000000000000000' },
      'x',
    ]) {
      if (damage === undefined) await dynamo.send(new DeleteItemCommand({ TableName: table('CONTROL'), Key: { id: { S: BUNDLE_ITEM } } }));
      else await put('CONTROL', BUNDLE_ITEM, damage, 9);
      expect((await call('/v1/sessions', undefined, headers)).status).toBe(503);
      expect((await raw(path, {})).status).toBe(503);
      expect(await alb.healthy()).toBe(true);
    }
    await put('CONTROL', BUNDLE_ITEM, pointer, 10);
    expect((await raw(path, {})).status).toBe(200);
  });
});
