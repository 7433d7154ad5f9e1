import { beforeEach, describe, expect, test } from 'vitest';
import { sshKeyRoutes } from '../../console/ssh-key-routes.ts';
import type { SshLoginStore } from '../../console/ports.ts';
import { TokenRefused } from '../../core/identity/token-refused.ts';
import type { Principal } from '../../core/principal.ts';
import { LOGIN_MS, loginId, openLogin, PROOF_NAMESPACE, proofMessage, type StoredLogin } from '../../core/ssh/login.ts';
import { armorSshsig, sshsigBytes } from '../../core/ssh/sshsig.ts';
import { ed25519Pair, ed25519Signature, type Ed25519Pair } from '../support/ssh-fixtures.ts';

const API = 'https://gateway.example';
const NOW = 1_700_000_000_000;
const CODE = 'c'.repeat(43);

let stored: Map<string, StoredLogin>;
let principals: Map<string, Principal>;
beforeEach(() => {
  stored = new Map();
  principals = new Map([
    ['own.tok.en', { issuer: 'corp', agent: 'agent-7', groups: [], expiresAtMs: NOW + 3_600_000 }],
    ['short.tok.en', { issuer: 'corp', agent: 'agent-7', groups: [], expiresAtMs: NOW + 60_000 }],
    ['over.tok.en', { issuer: 'corp', agent: 'agent-7', groups: [], expiresAtMs: NOW - 1 }],
    ['other.tok.en', { issuer: 'corp', agent: 'agent-8', groups: [], expiresAtMs: NOW + 3_600_000 }],
  ]);
});

const logins: SshLoginStore = {
  keep: async (id, login) => {
    const held = stored.get(id);
    if (held !== undefined && held.principal !== login.principal) return false;
    stored.set(id, login);
    return true;
  },
};
const app = sshKeyRoutes({
  ssh: {
    logins,
    verifyToken: async (token) => {
      const principal = principals.get(token);
      if (principal === undefined) throw new TokenRefused('signature');
      return principal;
    },
    address: () => ({ host: '127.0.0.1', port: 2_222, hostKey: 'ssh-ed25519 AAAA' }),
  },
  clock: { now: () => NOW },
  randomToken: () => CODE,
  publicUrl: API,
});

const pair = ed25519Pair();
function proof(token: string, by: Ed25519Pair = pair, api = API, namespace = PROOF_NAMESPACE, named = by): string {
  return armorSshsig(named.blob, namespace, ed25519Signature(by, sshsigBytes(proofMessage(api, token), namespace)));
}

async function post(path: string, body: unknown, token?: string) {
  const response = await app.request(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
    body: JSON.stringify(body),
  });
  const answer: unknown = await response.json();
  return { status: response.status, answer };
}
const register = (token: string, signature: string, publicKey = pair.line) => post('/ssh-keys', { publicKey, signature }, token);

describe('the registration of a key', () => {
  test('is for the principal of the token, for a quarter of an hour', async () => {
    expect(await register('own.tok.en', proof('own.tok.en'))).toMatchObject({
      status: 200,
      answer: { principal: 'corp/agent-7', expiresAt: new Date(NOW + LOGIN_MS).toISOString(), port: 2_222, hostKey: 'ssh-ed25519 AAAA' },
    });
    const login = stored.get(loginId('key', pair.blob));
    expect(login).toMatchObject({ principal: 'corp/agent-7', expiresAtMs: NOW + LOGIN_MS });
    expect(login === undefined ? undefined : openLogin('key', pair.blob, login)).toBe('own.tok.en');
  });

  test('ends with its token', async () => {
    expect(await register('short.tok.en', proof('short.tok.en'))).toMatchObject({
      answer: { expiresAt: new Date(NOW + 60_000).toISOString() },
    });
  });

  test('by another principal is refused while it lasts', async () => {
    await register('own.tok.en', proof('own.tok.en'));
    expect(await register('other.tok.en', proof('other.tok.en'))).toMatchObject({ status: 409, answer: { error: { code: 'key-taken' } } });
    expect((await register('short.tok.en', proof('short.tok.en'))).status).toBe(200);
  });

  const other = ed25519Pair();
  test.each([
    ['made for another token', proof('other.tok.en')],
    ['made for another gateway', proof('own.tok.en', pair, 'https://elsewhere.example')],
    ['made for another purpose', proof('own.tok.en', pair, API, 'file')],
    ['of another key', proof('own.tok.en', other)],
    ['of another key under this one’s name', proof('own.tok.en', other, API, PROOF_NAMESPACE, pair)],
    ['that is none', 'x'],
    ['that is empty', ''],
  ])('with a proof %s is refused', async (_, signature) => {
    expect(await register('own.tok.en', signature)).toMatchObject({ status: 403, answer: { error: { code: 'proof-refused' } } });
    expect(stored.size).toBe(0);
  });

  test.each([undefined, 'no.such.tok', 'over.tok.en', 'x'.repeat(20_000)])('with the token %.20j is refused', async (token) => {
    expect(await post('/ssh-keys', { publicKey: pair.line, signature: proof(token ?? '') }, token)).toMatchObject({ status: 401 });
    expect(await post('/ssh-codes', {}, token)).toMatchObject({ status: 401 });
    expect(stored.size).toBe(0);
  });

  test.each([
    '',
    'ssh-ed25519',
    'ssh-dss AAAA',
    `command="x" ${pair.line}`,
    pair.line.replace('ed25519', 'rsa'),
    `ssh-ed25519 ${'A'.repeat(40_000)}`,
  ])('of %.30j is not understood', async (publicKey) => {
    expect(await register('own.tok.en', proof('own.tok.en'), publicKey)).toMatchObject({ status: 400 });
  });

  test('with anything that is not known is refused', async () => {
    expect(await post('/ssh-keys', { publicKey: pair.line, signature: 'x', principal: 'corp/admin' }, 'own.tok.en')).toMatchObject({
      status: 400,
    });
  });
});

test('a code opens what was stored for it, and stands nowhere else', async () => {
  expect(await post('/ssh-codes', {}, 'own.tok.en')).toMatchObject({ status: 200, answer: { code: CODE, principal: 'corp/agent-7' } });
  const [[id, login] = ['', undefined]] = [...stored];
  expect(id).toBe(loginId('code', CODE));
  expect(JSON.stringify([...stored])).not.toContain(CODE);
  expect(login === undefined ? undefined : openLogin('code', CODE, login)).toBe('own.tok.en');
});

test('what is to be signed for is said to everybody', async () => {
  expect(await (await app.request('/ssh')).json()).toEqual({ for: API, host: '127.0.0.1', port: 2_222, hostKey: 'ssh-ed25519 AAAA' });
});

test('without SSH there is nothing of it', async () => {
  const none = sshKeyRoutes({ clock: { now: () => NOW }, randomToken: () => CODE, publicUrl: API });
  for (const path of ['/ssh-keys', '/ssh-codes'])
    expect((await none.request(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' })).status).toBe(404);
  expect((await none.request('/ssh')).status).toBe(404);
});
