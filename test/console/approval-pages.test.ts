import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { followDemoSignIn } from '../../cli/approver-sign-in.ts';
import type { ApprovalRequest } from '../../core/approval/approval.ts';
import { verifyDecision } from '../../core/approval/votes.ts';
import { aHostRequest, aRequest } from '../support/approval-requests.ts';
import { PageVisitor } from '../support/page-visitor.ts';
import { startConsole, type RunningConsole } from '../support/running-console.ts';

let running: RunningConsole;
beforeAll(async () => {
  running = await startConsole();
});
afterAll(() => running.stop());

let asked = 0;
let request: ApprovalRequest;
let path: string;
let visitor: PageVisitor;

async function ask(changes: Partial<ApprovalRequest> = {}): Promise<ApprovalRequest> {
  asked += 1;
  const requestedAtMs = running.clock.now();
  const made = aRequest({
    id: `ap_${String(asked).padStart(26, '0')}`,
    digest: String(asked % 10).repeat(64),
    requestedAtMs,
    expiresAtMs: requestedAtMs + 3_600_000,
    ...changes,
  });
  await running.gate.request(made);
  return made;
}

beforeEach(async () => {
  running.clock.offsetMs = 0;
  request = await ask();
  path = `/approvals/${request.id}`;
  visitor = new PageVisitor(running.url);
});

const stateOf = async (id = request.id) => (await running.gate.read(id))?.state;
const pageOf = async (from = visitor, at = path) => (await from.get(at)).text();

describe('answering on the page', () => {
  test('a person of the group signs in, approves, and the proxy can verify that by itself', async () => {
    expect((await visitor.signIn(request.id, 'dana@bank.example')).headers.get('location')).toBe(path);
    const page = await pageOf();
    expect(page).toContain('dana@bank.example');
    const answered = await visitor.post(`${path}/decision`, { csrf: PageVisitor.csrfOf(page), answer: 'approve', reason: 'checked <b>' });
    expect(answered.status).toBe(303);
    const approval = await running.gate.read(request.id);
    expect(approval).toMatchObject({
      state: 'approved',
      votes: [{ person: 'dana@bank.example', groups: ['demo/dba'], reason: 'checked <b>' }],
    });
    expect(await pageOf()).toContain('checked &lt;b&gt;');
    if (approval === undefined) throw new Error('gone');
    const { principal, demand, digest } = request;
    const expected = { principal, demand, digest, ruleAuthors: [], nowMs: running.clock.now() };
    expect(await verifyDecision(approval, expected, running.verifyIdToken)).toMatchObject({ ok: true });
    // The issuer's ID tokens live ten minutes and the grant fifteen: what counts is that they were good when the vote was cast.
    const later = { ...expected, nowMs: expected.nowMs + 14 * 60_000 };
    expect(await verifyDecision(approval, later, running.verifyIdToken)).toMatchObject({ ok: true });
    const flipped = { ...approval, votes: approval.votes.map((vote) => ({ ...vote, idToken: `${vote.idToken.slice(0, -4)}AAAA` })) };
    expect((await verifyDecision(flipped, expected, running.verifyIdToken)).ok).toBe(false);
  });

  test('a rejection is stored with its reason', async () => {
    await visitor.signIn(request.id, 'erin@bank.example');
    await visitor.post(`${path}/decision`, { csrf: PageVisitor.csrfOf(await pageOf()), answer: 'reject', reason: 'wrong account' });
    expect(await running.gate.read(request.id)).toMatchObject({ state: 'rejected', votes: [{ reason: 'wrong account' }] });
    expect(await pageOf()).toContain('Rejected');
  });

  test.each([
    ['owen@bank.example', 'you own the agent'],
    ['alice@bank.example', 'the agent acts for you'],
  ])('%s is signed in, told why not, and has no form', async (person, reason) => {
    await visitor.signIn(request.id, person);
    const page = await pageOf();
    expect(page).toContain(reason);
    expect(page).not.toContain('<form');
  });

  test('a person of another group is told which group may', async () => {
    const other = await ask({ principal: { issuer: 'demo', agent: 'agent-7', owner: 'owen@bank.example', groups: [] } });
    await visitor.signIn(other.id, 'alice@bank.example');
    const page = await pageOf(visitor, `/approvals/${other.id}`);
    expect(page).toContain('none of the groups that may decide: demo/dba (1)');
    expect(page).not.toContain('<form');
  });

  test('who may not decide cannot by sending the form anyway', async () => {
    await visitor.signIn(request.id, 'dana@bank.example');
    const csrf = PageVisitor.csrfOf(await pageOf());
    const owned = await ask({ principal: { ...request.principal, owner: 'dana@bank.example' } });
    const owner = new PageVisitor(running.url);
    await owner.signIn(owned.id, 'dana@bank.example');
    for (const token of [csrf, '']) {
      expect((await owner.post(`/approvals/${owned.id}/decision`, { csrf: token, answer: 'approve', reason: '' })).status).toBe(403);
    }
    expect(await stateOf(owned.id)).toBe('pending');
  });

  test('the first of two approvers leaves it waiting, may then only reject, and the second decides', async () => {
    const two = await ask({ demand: { ...request.demand, quorums: [{ group: 'demo/dba', quorum: 2 }] } });
    const at = `/approvals/${two.id}`;
    const answer = async (by: PageVisitor, person: string): Promise<string> => {
      await by.signIn(two.id, person);
      const page = await pageOf(by, at);
      await by.post(`${at}/decision`, { csrf: PageVisitor.csrfOf(page), answer: 'approve', reason: '' });
      return page;
    };
    await answer(visitor, 'dana@bank.example');
    const again = await answer(visitor, 'dana@bank.example');
    expect(again).toContain('You have approved already');
    expect(again).not.toContain('value="approve"');
    expect(await stateOf(two.id)).toBe('pending');
    await answer(new PageVisitor(running.url), 'erin@bank.example');
    expect(await stateOf(two.id)).toBe('approved');
  });

  test('a decided approval has no form and no sign-in', async () => {
    await running.gate.withdraw(request.id, 'client gone');
    const page = await pageOf();
    expect(page).toContain('Withdrawn');
    expect(page).not.toContain('sign-in');
    expect(page).not.toContain('<form');
  });

  test('an answer to what has expired meanwhile does not count and says so', async () => {
    const short = await ask({ expiresAtMs: running.clock.now() + 60_000 });
    const at = `/approvals/${short.id}`;
    await visitor.signIn(short.id, 'dana@bank.example');
    const csrf = PageVisitor.csrfOf(await pageOf(visitor, at));
    running.clock.offsetMs = 61_000;
    const late = await visitor.post(`${at}/decision`, { csrf, answer: 'approve', reason: '' });
    expect(late.status).toBe(409);
    expect(await late.text()).toContain('its time has run out');
    expect(await stateOf(short.id)).toBe('expired');
  });
});

describe('what decides nothing', () => {
  test('no GET or HEAD decides, with any parameters, signed in or not', async () => {
    await visitor.signIn(request.id, 'dana@bank.example');
    const csrf = PageVisitor.csrfOf(await pageOf());
    const query = `?answer=approve&csrf=${csrf}`;
    for (const each of ['', '/decision', '/sign-in', '/approve', '/votes']) await visitor.get(`${path}${each}${query}`);
    await fetch(`${running.url}${path}/decision${query}`, { method: 'HEAD' });
    expect(await stateOf()).toBe('pending');
  });

  test('a form without the right token, origin or type is refused', async () => {
    await visitor.signIn(request.id, 'dana@bank.example');
    const csrf = PageVisitor.csrfOf(await pageOf());
    const form = { csrf, answer: 'approve', reason: '' };
    const refused = [
      await visitor.post(`${path}/decision`, { answer: 'approve', reason: '' }),
      await visitor.post(`${path}/decision`, { ...form, csrf: `${csrf}x` }),
      await visitor.post(`${path}/decision`, form, { origin: 'http://evil.example' }),
      await visitor.post(`${path}/decision`, form, { origin: 'null' }),
      await visitor.post(`${path}/decision`, form, { 'content-type': 'text/plain' }),
      await visitor.post(`${path}/decision`, { ...form, answer: 'APPROVE' }),
      await visitor.post(`${path}/decision`, { ...form, reason: 'x'.repeat(1_001) }),
    ];
    expect(refused.map(({ status }) => status)).toEqual([403, 403, 403, 403, 400, 400, 400]);
    expect(await stateOf()).toBe('pending');
    expect((await visitor.post(`${path}/decision`, form)).status).toBe(303);
  });

  test('a sign-in is for one approval: its cookie does not open another', async () => {
    const other = await ask();
    await visitor.signIn(request.id, 'dana@bank.example');
    const signedIn = await visitor.get(path);
    const csrf = PageVisitor.csrfOf(await signedIn.text());
    expect((await visitor.post(`/approvals/${other.id}/decision`, { csrf, answer: 'approve', reason: '' })).status).toBe(403);
    expect(await stateOf(other.id)).toBe('pending');
  });

  test('a sign-in of ten minutes ago is none', async () => {
    await visitor.signIn(request.id, 'dana@bank.example');
    const csrf = PageVisitor.csrfOf(await pageOf());
    running.clock.offsetMs = 600_001;
    expect(await pageOf()).toContain('Sign in to decide');
    expect((await visitor.post(`${path}/decision`, { csrf, answer: 'approve', reason: '' })).status).toBe(403);
    expect(await stateOf()).toBe('pending');
  });

  test('the return of a sign-in works once, and only in the browser that began it', async () => {
    const started = await visitor.get(`${path}/sign-in`);
    const back = await followDemoSignIn(new URL(started.headers.get('location') ?? ''), 'dana@bank.example', `${running.url}/`);
    const other = await new PageVisitor(running.url).get(back.pathname + back.search);
    expect(other.status).toBe(403);
    expect(other.headers.getSetCookie().join()).not.toContain('sallyport_signed_in');
    expect((await visitor.get(back.pathname + back.search)).status).toBe(403);
  });

  test('a return with a made-up state or code signs nobody in', async () => {
    expect((await visitor.get('/sign-in/callback?state=x&code=y')).status).toBe(403);
    expect((await visitor.get('/sign-in/callback')).status).toBe(403);
    const started = await visitor.get(`${path}/sign-in`);
    const state = new URL(started.headers.get('location') ?? '').searchParams.get('state') ?? '';
    expect((await visitor.get(`/sign-in/callback?state=${state}&code=y`)).status).toBe(502);
  });
});

describe('what the page shows', () => {
  test('an operation on a host: effects first, the whole command, its account and variables, and what the answer does not hold for', async () => {
    const { id, digest, requestedAtMs, expiresAtMs } = await ask();
    const host = aHostRequest({
      id: `${id}h`,
      digest,
      requestedAtMs,
      expiresAtMs,
      text: 'rm -rf /srv\u202e',
      environment: ['LANG=C\nPATH=/evil'],
    });
    await running.gate.request(host);
    const page = await pageOf(visitor, `/approvals/${host.id}`);
    const places = ['<b>elevate</b>', '<b>runProgram</b>', '<b>readFile</b>', 'rm -rf /srv', 'standard input', 'LANG=C', 'Account'];
    expect(places.map((place) => page.indexOf(place))).toEqual(places.map((place) => page.indexOf(place)).toSorted((a, b) => a - b));
    expect(places.filter((place) => !page.includes(place))).toEqual([]);
    expect(page).toContain('\\u{202e}');
    for (const other of ['\u202e', '<dt>Rows</dt>', '<dt>Database</dt>', 'every row']) expect(page).not.toContain(other);
    expect(page).toContain('<code>LANG=C\\nPATH=/evil</code>');
  });

  test('the statement is shown exactly: markup is text, invisible characters are escapes, and the length is stated', async () => {
    const sql = "update t set a = '\u202e<script>alert(1)</script>\u200b'";
    const odd = await ask({ text: sql, reasonGiven: '<img src=x onerror=alert(1)>\u001b[2J', parameters: [null, '"><u>'] });
    const page = await pageOf(visitor, `/approvals/${odd.id}`);
    for (const raw of ['<script', '<img', '\u202e', '\u200b', '\u001b', '"><u>']) expect(page).not.toContain(raw);
    expect(page).toContain('\\u{202e}');
    expect(page).toContain('&lt;script&gt;');
    expect(page).toContain(`${Buffer.byteLength(sql)} bytes`);
    expect(page).toContain('NULL');
  });

  test('effects come before the statement, and the agent, its human, its owner and the rule are named', async () => {
    const page = await pageOf();
    expect(page.indexOf('bank.public.accounts')).toBeLessThan(page.indexOf('The exact statement'));
    for (const named of ['demo/agent-7', 'alice@bank.example', 'owen@bank.example', 'analysts-write', 'ticket 4711', request.digest]) {
      expect(page).toContain(named);
    }
  });

  test('no script runs and no other site frames, feeds or reads the page', async () => {
    const { headers } = await visitor.get(path);
    expect(headers.get('content-security-policy')).toMatch(/default-src 'none'.*form-action 'self'.*frame-ancestors 'none'/);
    expect(headers.get('content-security-policy')).not.toContain('script-src');
    expect(headers.get('referrer-policy')).toBe('same-origin');
    expect(headers.get('cache-control')).toBe('no-store');
  });

  test('the signed-in cookie is HttpOnly, Lax, and for this approval only', async () => {
    const cookies = (await visitor.signIn(request.id, 'dana@bank.example')).headers.getSetCookie();
    expect(cookies.find((line) => line.startsWith('sallyport_signed_in='))).toMatch(new RegExp(`Path=${path}; HttpOnly; SameSite=Lax`));
  });

  test('an unknown approval is not found', async () => {
    expect((await visitor.get('/approvals/ap_none')).status).toBe(404);
    expect((await visitor.get('/approvals/ap_none/sign-in')).status).toBe(404);
  });
});
