import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { operatorVerifier } from '../../console/operator-verifier.ts';
import type { IssuerConfig } from '../../core/config/config.ts';
import { operatorNonce } from '../../core/identity/operator-nonce.ts';
import { startSigningIssuer, type SigningIssuer } from '../support/signing-issuer.ts';

const NOW_S = 1_700_000_000;
const CONSOLE = 'https://console.example';
const person = { sub: 'u-1', email: 'Olga@Bank.example', groups: ['platform'], iat: NOW_S - 60, exp: NOW_S + 600 };
const accessToken: Readonly<Record<string, unknown>> = { ...person, aud: 'sallyport' };
const idToken: Readonly<Record<string, unknown>> = { ...person, aud: 'cli', nonce: operatorNonce(CONSOLE) };

let issuer: SigningIssuer;
let config: Parameters<typeof operatorVerifier>[0]['config'];
beforeAll(async () => {
  issuer = await startSigningIssuer();
  const corp: IssuerConfig = {
    name: 'corp',
    issuer: issuer.url,
    audience: 'sallyport',
    audienceClaim: 'aud',
    algorithms: ['ES256'],
    groupsClaim: 'groups',
    groupsAre: 'human',
    personClaim: 'email',
    clockSkewMs: 30_000,
    approverClientIds: ['console', 'cli'],
  };
  config = { issuers: [corp], agents: [{ name: 'corp/agent-7' }], approverGroups: new Map([['operators', 'corp/platform']]) };
});
afterAll(() => issuer.stop());

const operatorOf = (token: string, changes: Partial<typeof config> = {}): Promise<string | undefined> =>
  operatorVerifier({ config: { ...config, ...changes }, publicUrl: CONSOLE, now: () => NOW_S * 1_000 })(token);

describe('an operator is', () => {
  test('a person of the group with an access token for the gateway', async () => {
    expect(await operatorOf(await issuer.sign(accessToken))).toBe('olga@bank.example');
    expect(await operatorOf(await issuer.sign({ ...accessToken, iat: undefined }, { typ: 'at+jwt' }))).toBe('olga@bank.example');
  });

  test('a person of the group who has signed in for this console', async () => {
    expect(await operatorOf(await issuer.sign(idToken))).toBe('olga@bank.example');
  });
});

describe('nobody is proved by', () => {
  test.each<[string, Readonly<Record<string, unknown>>]>([
    ['a person of another group', { ...accessToken, groups: ['dba'] }],
    ['a person without groups', { ...accessToken, groups: undefined }],
    ['the group with the issuer’s name already in it', { ...accessToken, groups: ['corp/platform'] }],
    ['an agent that acts for an operator', { ...accessToken, act: { sub: 'agent-7' } }],
    ['an agent without a person', { ...accessToken, email: undefined }],
    ['a configured agent that names a person', { ...accessToken, sub: 'agent-7' }],
    ['an address that is not verified', { ...accessToken, email_verified: false }],
    ['a token bound to a key', { ...accessToken, cnf: { jkt: 'x' } }],
    ['another audience', { ...accessToken, aud: 'elsewhere' }],
    ['no audience', { ...accessToken, aud: undefined }],
    ['an expired token', { ...accessToken, exp: NOW_S - 31 }],
    ['a token that never ends', { ...accessToken, exp: undefined }],
    ['a token before its time', { ...accessToken, nbf: NOW_S + 31 }],
    ['no subject', { ...accessToken, sub: undefined }],
    ['a sign-in for an approval', { ...idToken, nonce: 'n' }],
    ['a sign-in for another console', { ...idToken, nonce: operatorNonce('https://other.example') }],
    ['a sign-in without a nonce', { ...idToken, nonce: undefined }],
    ['a sign-in of more than an hour ago', { ...idToken, iat: NOW_S - 3_601, exp: NOW_S + 86_400 }],
    ['a sign-in of another group', { ...idToken, groups: ['dba'] }],
    ['a sign-in that has expired', { ...idToken, exp: NOW_S - 1 }],
    ['a token for both audiences without a nonce', { ...accessToken, aud: ['sallyport', 'cli'] }],
  ])('%s', async (_, claims) => {
    expect(await operatorOf(await issuer.sign(claims))).toBeUndefined();
  });

  test('a token of another issuer, or one that another key has signed', async () => {
    const other = await startSigningIssuer();
    expect(await operatorOf(await other.sign(accessToken))).toBeUndefined();
    expect(await operatorOf(await other.sign({ ...accessToken, iss: issuer.url }))).toBeUndefined();
    await other.stop();
  });

  test.each(['', 'x', 'a.b.c', 'x'.repeat(16_385)])('%.20j as a token', async (token) => {
    expect(await operatorOf(token)).toBeUndefined();
  });

  test('anything, where no group of operators is configured', async () => {
    expect(await operatorOf(await issuer.sign(accessToken), { approverGroups: new Map([['dba', 'corp/platform']]) })).toBeUndefined();
  });

  test('a good token, when the issuer’s keys cannot be had', async () => {
    const gone = await startSigningIssuer();
    const token = await gone.sign(accessToken);
    await gone.stop();
    const issuers = config.issuers.map((one) => ({ ...one, issuer: gone.url }));
    expect(await operatorOf(token, { issuers })).toBeUndefined();
  });
});
