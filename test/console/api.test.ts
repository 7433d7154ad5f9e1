import { generateKeyPairSync } from 'node:crypto';
import { request as send } from 'node:http';
import { SignJWT, UnsecuredJWT, decodeJwt } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { signInAtDemo } from '../../cli/approver-sign-in.ts';
import type { ApprovalRequest } from '../../core/approval/approval.ts';
import { approvalNonce } from '../../core/approval/nonce.ts';
import { aRequest } from '../support/approval-requests.ts';
import { startConsole, type RunningConsole } from '../support/running-console.ts';

let running: RunningConsole;
beforeAll(async () => {
  running = await startConsole();
});
afterAll(() => running.stop());

let asked = 0;
async function ask(): Promise<ApprovalRequest> {
  asked += 1;
  const requestedAtMs = running.clock.now();
  const made = aRequest({
    id: `ap_${String(asked).padStart(26, '0')}`,
    digest: String(asked % 10).repeat(64),
    requestedAtMs,
    expiresAtMs: requestedAtMs + 3_600_000,
  });
  await running.gate.request(made);
  return made;
}

let request: ApprovalRequest;
beforeEach(async () => {
  running.clock.offsetMs = 0;
  request = await ask();
});

const nonceOf = ({ id, digest }: ApprovalRequest): string => approvalNonce(id, digest);
const signIn = (person: string, nonce = nonceOf(request)): Promise<string> =>
  signInAtDemo({ issuer: running.issuer.url, clientId: 'sallyport-cli', nonce }, person);

async function call(path: string, body?: unknown, headers: Readonly<Record<string, string>> = {}) {
  const response = await fetch(running.url + path, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const answer: unknown = text === '' ? undefined : JSON.parse(text);
  return { status: response.status, answer };
}

const vote = (idToken: string, answer = 'approve', id = request.id) => call(`/v1/approvals/${id}/votes`, { answer, reason: 'r', idToken });
const operator = () => ({ authorization: `Bearer ${running.operatorToken}` });
const stateOf = async (id = request.id) => (await running.gate.read(id))?.state;

describe('votes', () => {
  test('a token with the nonce of this approval counts', async () => {
    const { status, answer } = await vote(await signIn('dana@bank.example'));
    expect(status).toBe(200);
    expect(answer).toMatchObject({ state: 'approved', votes: [{ person: 'dana@bank.example', channel: 'cli' }] });
    expect(JSON.stringify(answer)).not.toContain('idToken');
  });

  test('a token for another approval does not count', async () => {
    const other = await ask();
    expect(await vote(await signIn('dana@bank.example', nonceOf(other)))).toMatchObject({
      status: 403,
      answer: { error: { code: 'sign-in-invalid' } },
    });
    expect(await stateOf()).toBe('pending');
  });

  test.each(['owen@bank.example', 'alice@bank.example'])('%s may neither approve nor reject', async (person) => {
    const idToken = await signIn(person);
    for (const answer of ['approve', 'reject']) {
      expect(await vote(idToken, answer)).toMatchObject({ status: 403, answer: { error: { code: 'not-entitled' } } });
    }
    expect(await stateOf()).toBe('pending');
  });

  test('a token of eleven minutes ago does not count', async () => {
    const idToken = await signIn('dana@bank.example');
    running.clock.offsetMs = 11 * 60_000;
    expect(await vote(idToken)).toMatchObject({ status: 403 });
    expect(await stateOf()).toBe('pending');
  });

  test('a forged token does not count, however it is forged', async () => {
    const real = await signIn('alice@bank.example');
    const claims = { ...decodeJwt(real), email: 'dana@bank.example', sub: 'dana@bank.example', groups: ['dba'] };
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const [header = '', , signature = ''] = real.split('.');
    const forged = [
      new UnsecuredJWT(claims).encode(),
      await new SignJWT(claims).setProtectedHeader({ alg: 'ES256' }).sign(privateKey),
      await new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(Buffer.alloc(32, 1)),
      await new SignJWT({ ...claims, iss: 'http://127.0.0.1:1' }).setProtectedHeader({ alg: 'ES256' }).sign(privateKey),
      `${header}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.${signature}`,
      `${header}..${signature}`,
      'x',
    ];
    for (const idToken of forged)
      expect(await vote(idToken)).toMatchObject({ status: 403, answer: { error: { code: 'sign-in-invalid' } } });
    expect(await stateOf()).toBe('pending');
  });

  test('an agent’s access token is no sign-in', async () => {
    const token = await running.issuer.mintToken({ principal: 'dana@bank.example', groups: ['dba'], ttlSeconds: 60 });
    expect((await vote(token)).status).toBe(403);
  });

  test('an answer after the decision is refused with the reason', async () => {
    await vote(await signIn('dana@bank.example'), 'reject');
    expect(await vote(await signIn('erin@bank.example'))).toMatchObject({ status: 409, answer: { error: { code: 'already-rejected' } } });
    expect(await stateOf()).toBe('rejected');
  });

  test.each([
    ['not JSON', '{', {}, 400],
    ['a list', [], {}, 400],
    ['an unknown key', { answer: 'approve', idToken: 'x', group: 'dba' }, {}, 400],
    ['another answer', { answer: 'yes', idToken: 'x' }, {}, 400],
    ['a missing token', { answer: 'approve' }, {}, 400],
    ['a number for a string', { answer: 'approve', idToken: 1 }, {}, 400],
    ['a form', 'answer=approve', { 'content-type': 'application/x-www-form-urlencoded' }, 415],
    ['plain text', '{}', { 'content-type': 'text/plain' }, 415],
    ['64 KiB and more', { answer: 'approve', idToken: 'x'.repeat(65_536) }, {}, 413],
  ])('%s as a body is refused', async (_, body, headers, status) => {
    expect((await call(`/v1/approvals/${request.id}/votes`, body, headers)).status).toBe(status);
  });

  test('an unknown approval is not found', async () => {
    expect(await vote('x', 'approve', 'ap_none')).toMatchObject({ status: 404, answer: { error: { code: 'approval-not-found' } } });
  });
});

describe('reading', () => {
  test('the list is for the operator only', async () => {
    for (const headers of [{}, { authorization: 'Bearer wrong' }, { authorization: `Basic ${running.operatorToken}` }]) {
      expect((await call('/v1/approvals', undefined, headers)).status).toBe(401);
      expect((await call('/v1/sessions', undefined, headers)).status).toBe(401);
    }
    const { answer } = await call('/v1/approvals', undefined, operator());
    expect(JSON.stringify(answer)).toContain(request.id);
  });

  test('decided approvals are listed only when asked for', async () => {
    await vote(await signIn('dana@bank.example'), 'reject');
    expect(JSON.stringify((await call('/v1/approvals', undefined, operator())).answer)).not.toContain(request.id);
    expect(JSON.stringify((await call('/v1/approvals?all=1', undefined, operator())).answer)).toContain(request.id);
  });

  test('one approval tells what to sign in for', async () => {
    expect((await call(`/v1/approvals/${request.id}`)).answer).toMatchObject({
      nonce: nonceOf(request),
      signIn: { issuer: running.issuer.url, clientId: 'sallyport-cli' },
      effects: [{ action: 'update', resource: 'bank.public.accounts' }],
    });
  });
});

describe('sessions', () => {
  test('the operator ends a live session with a reason', async () => {
    const ends: string[] = [];
    const principal = { issuer: 'demo', agent: 'agent-7', groups: [], expiresAtMs: 0 };
    running.control.watch({ id: 's-9', principal }, (by, reason) => ends.push(`${by}: ${reason}`));
    expect(JSON.stringify((await call('/v1/sessions', undefined, operator())).answer)).toContain('demo/agent-7');
    expect((await call('/v1/sessions/s-9/end', { reason: 'strange' })).status).toBe(401);
    expect((await call('/v1/sessions/s-9/end', { reason: '' }, operator())).status).toBe(400);
    expect(ends).toEqual([]);
    expect((await call('/v1/sessions/s-9/end', { reason: 'strange' }, operator())).status).toBe(200);
    expect(ends).toEqual(['operator: strange']);
    expect((await call('/v1/sessions/s-9/end', { reason: 'strange' }, operator())).status).toBe(404);
  });

  test('a renewal needs a fresh token, and a refusal does not tell which sessions live', async () => {
    const renew = (session: string, token: string) => call(`/v1/sessions/${session}/renew`, {}, { authorization: `Bearer ${token}` });
    expect((await renew('s-1', 'fresh')).answer).toEqual({ expiresAt: '1970-01-01T00:00:00.000Z' });
    const wrongToken = await renew('s-1', 'stale');
    expect(wrongToken.status).toBe(401);
    expect(await renew('s-2', 'fresh')).toEqual(wrongToken);
    expect((await call('/v1/sessions/s-1/renew', {})).status).toBe(401);
  });
});

describe('locks', () => {
  const remove = (subject: string, headers: Readonly<Record<string, string>> = operator()) =>
    fetch(`${running.url}/v1/locks/${encodeURIComponent(subject)}`, { method: 'DELETE', headers });

  test('are for the operator only', async () => {
    expect((await call('/v1/locks')).status).toBe(401);
    expect((await call('/v1/locks', { subject: 'demo/agent-7', reason: 'x' })).status).toBe(401);
    expect((await remove('demo/agent-7', {})).status).toBe(401);
    expect(await running.control.locks()).toEqual([]);
  });

  test('a locked agent’s sessions end with the reason, others live on, and an unlock is for the same name', async () => {
    const ends: string[] = [];
    for (const agent of ['agent-7', 'agent-8']) {
      const principal = { issuer: 'demo', agent, groups: [], expiresAtMs: 0 };
      running.control.watch({ id: `s-${agent}`, principal }, (by, reason) => ends.push(`${agent} ${by}: ${reason}`));
    }
    const locked = await call('/v1/locks', { subject: 'demo/agent-7', reason: 'strange' }, operator());
    expect(locked).toEqual({ status: 200, answer: { locked: 'demo/agent-7', ended: 1 } });
    expect(ends).toEqual(['agent-7 operator: strange']);
    expect((await call('/v1/locks', undefined, operator())).answer).toMatchObject({
      locks: [{ subject: 'demo/agent-7', by: 'operator', reason: 'strange' }],
    });
    expect((await remove('demo/agent-8')).status).toBe(404);
    expect(await (await remove('demo/agent-7')).json()).toEqual({ unlocked: 'demo/agent-7' });
    expect((await remove('demo/agent-7')).status).toBe(404);
  });

  test('a person is locked however the address is written', async () => {
    const principal = { issuer: 'demo', agent: 'agent-7', human: 'alice@bank.example', groups: [], expiresAtMs: 0 };
    await call('/v1/locks', { subject: ' Alice@BANK.example', reason: 'left' }, operator());
    expect(running.control.refusal(principal)).toBe('locked by operator: left');
    expect((await remove('ALICE@bank.example')).status).toBe(200);
    expect(running.control.refusal(principal)).toBeUndefined();
  });

  test.each([
    { subject: '', reason: 'x' },
    { subject: '  ', reason: 'x' },
    { subject: 'demo/agent\u0000', reason: 'x' },
    { subject: 'a'.repeat(601), reason: 'x' },
    { subject: 'demo/agent-7' },
    { subject: 'demo/agent-7', reason: '' },
    { subject: 'demo/agent-7', reason: 'r'.repeat(1001) },
    { subject: 'demo/agent-7', reason: 'x', by: 'alice' },
    { subject: ['demo/agent-7'], reason: 'x' },
  ])('%j is not understood', async (body) => {
    expect((await call('/v1/locks', body, operator())).status).toBe(400);
    expect(await running.control.locks()).toEqual([]);
  });
});

describe('the listener', () => {
  test('a name that is not the console’s own is refused, so that rebinding it to loopback reads nothing', async () => {
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const url = new URL(`${running.url}/v1/approvals/${request.id}`);
      send({ host: url.hostname, port: url.port, path: url.pathname, headers: { host: 'evil.example' } }, (response) => {
        response.resume();
        resolve(response.statusCode);
      })
        .on('error', reject)
        .end();
    });
    expect(status).toBe(421);
  });

  test('a path that climbs, or names a file, reads none', async () => {
    const read = (path: string): Promise<{ status: number | undefined; body: string }> =>
      new Promise((resolve, reject) => {
        const url = new URL(running.url);
        send({ host: url.hostname, port: url.port, path, headers: { host: url.host } }, (response) => {
          let body = '';
          response.on('data', (chunk: Buffer) => (body += chunk.toString()));
          response.on('end', () => resolve({ status: response.statusCode, body }));
        })
          .on('error', reject)
          .end();
      });
    for (const path of [
      '/../../etc/passwd',
      '/%2e%2e/%2e%2e/etc/passwd',
      '/v1/approvals/..%2f..%2foperator-token',
      '/approvals/%00',
      '/approvals/%ff',
      '/operator-token',
      '/running.json',
      '//etc/passwd',
      '/v1/sessions/%2e%2e',
    ]) {
      const { status, body } = await read(path);
      expect([path, status]).toEqual([path, expect.toSatisfy((code: number) => code >= 400 && code < 500)]);
      expect(body).not.toContain(running.operatorToken);
      expect(body).not.toContain('root:');
    }
    expect(running.reported).toEqual([]);
  });

  test('a body that is too long is refused, whatever it says of its length', async () => {
    const long = JSON.stringify({ answer: 'approve', idToken: 'x'.repeat(70_000) });
    for (const body of [long, new Blob([long]).stream()]) {
      const response = await fetch(`${running.url}/v1/approvals/${request.id}/votes`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
        ...(typeof body === 'string' ? {} : { duplex: 'half' }),
      });
      expect(response.status).toBe(413);
    }
  });

  test('healthz answers, and unknown paths are not found', async () => {
    expect(await call('/healthz')).toEqual({ status: 200, answer: { ok: true } });
    expect(await call('/v1/nothing')).toMatchObject({ status: 404, answer: { error: { code: 'not-found' } } });
    expect(running.reported).toEqual([]);
  });
});

test('a store that fails is reported to the operator and told to nobody else', async () => {
  const broken = await startConsole();
  broken.gate.close();
  broken.breakStore();
  const response = await fetch(`${broken.url}/v1/approvals/${request.id}`);
  expect(response.status).toBe(503);
  expect(await response.text()).not.toMatch(/sqlite|store|database/i);
  expect(broken.reported).toHaveLength(1);
  await broken.stop();
});
