import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { isCode, loginId, openLogin, proofMessage, readStoredLogin, SALT_BYTES, sealLogin } from '../../../core/ssh/login.ts';

const login = { principal: 'corp/agent-7', expiresAtMs: 1_000, token: 'a.secret.token' };
const seal = (code: string) => sealLogin('code', code, login, randomBytes(SALT_BYTES));

describe('a stored login', () => {
  test('is opened by what it was sealed with, and by nothing else', () => {
    const stored = seal('right');
    expect(openLogin('code', 'right', stored)).toBe('a.secret.token');
    expect(openLogin('code', 'wrong', stored)).toBeUndefined();
    expect(openLogin('key', 'right', stored)).toBeUndefined();
  });

  test('says neither the token nor what opens it', () => {
    const stored = JSON.stringify([seal('the-code'), loginId('code', 'the-code')]);
    expect(stored).not.toContain('secret');
    expect(stored).not.toContain(Buffer.from('a.secret.token').toString('base64url').slice(0, 12));
    expect(stored).not.toContain('the-code');
  });

  test.each([
    ['another principal', { principal: 'corp/agent-8' }],
    ['a later end', { expiresAtMs: 2_000 }],
    ['no content', { sealed: '' }],
    ['other content', { sealed: randomBytes(100).toString('base64url') }],
  ])('with %s is opened by nothing', (_, change) => {
    expect(openLogin('code', 'right', { ...seal('right'), ...change })).toBeUndefined();
  });

  test.each([
    undefined,
    null,
    'x',
    {},
    { principal: 'a', expiresAtMs: '1', sealed: 'x' },
    { principal: 'a', expiresAtMs: 1.5, sealed: 'x' },
  ])('%j is none', (value) => {
    expect(readStoredLogin(value)).toBeUndefined();
  });

  test('codes have a form that no token has', () => {
    expect(isCode(randomBytes(32).toString('base64url'))).toBe(true);
    expect(isCode('a.b.c')).toBe(false);
  });

  test('a proof is for one token at one gateway', () => {
    const messages = [proofMessage('https://a', 't'), proofMessage('https://b', 't'), proofMessage('https://a', 'u')];
    expect(new Set(messages).size).toBe(3);
    expect(messages[0]).toBe(`sallyport-ssh-key\nhttps://a\ne3b98a4da31a127d4bde6e43033f66ba274cab0eb7eb1c70ec41402bf6273dd8\n`);
  });
});
