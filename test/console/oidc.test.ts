import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { idTokenVerifier } from '../../console/id-token-verifier.ts';
import { discover, trustedUrl } from '../../console/oidc-discovery.ts';
import { oidcSignIn } from '../../console/oidc-sign-in.ts';
import type { VerifyIdToken } from '../../core/approval/votes.ts';
import { startSigningIssuer, type SigningIssuer } from '../support/signing-issuer.ts';

const NOW_S = 1_700_000_000;
const AT = { nonce: 'n', atMs: NOW_S * 1000 };
const claims: Readonly<Record<string, unknown>> = {
  sub: 'u-1',
  aud: 'console',
  iat: NOW_S - 60,
  exp: NOW_S + 60,
  nonce: 'n',
  email: 'Dana@Bank.example',
  groups: ['dba', 'ops', 'dba'],
};

let issuer: SigningIssuer;
let verify: VerifyIdToken;
beforeAll(async () => {
  issuer = await startSigningIssuer();
  verify = idTokenVerifier([{ name: 'corp', url: issuer.url, clientIds: ['console', 'cli'] }]);
});
afterAll(() => issuer.stop());

describe('idTokenVerifier', () => {
  test('a person has one key however the address is written, and groups carry the issuer’s name', async () => {
    expect(await verify(await issuer.sign(claims), AT)).toEqual({
      person: 'dana@bank.example',
      groups: ['corp/dba', 'corp/ops'],
      issuer: 'corp',
      issuedAtMs: (NOW_S - 60) * 1000,
      expiresAtMs: (NOW_S + 60) * 1000,
    });
  });

  test('a token is judged at the time of the vote: expired since is fine, expired then is not', async () => {
    const token = await issuer.sign(claims);
    expect(Date.now()).toBeGreaterThan((NOW_S + 60) * 1000);
    await expect(verify(token, AT)).resolves.toBeDefined();
    await expect(verify(token, { ...AT, atMs: (NOW_S + 60) * 1000 })).rejects.toMatchObject({ code: 'id-token-refused' });
  });

  const refused: readonly (readonly [name: string, changes: Readonly<Record<string, unknown>>, header?: { readonly typ: string }])[] = [
    ['another nonce', { nonce: 'm' }],
    ['no nonce', { nonce: undefined }],
    ['a nonce in a list', { nonce: ['n'] }],
    ['another audience', { aud: 'sallyport' }],
    ['several audiences without a party', { aud: ['console', 'other'] }],
    ['several audiences for another party', { aud: ['console', 'other'], azp: 'other' }],
    ['one audience but another party', { azp: 'other' }],
    ['a party that is another of our clients', { azp: 'cli' }],
    ['a party that is no text', { azp: ['console'] }],
    ['an agent that acts in it', { act: { sub: 'agent-7' } }],
    ['an actor that is nothing', { act: null }],
    ['a time before it holds', { nbf: NOW_S + 1 }],
    ['no expiry', { exp: undefined }],
    ['no time of issue', { iat: undefined }],
    ['no subject', { sub: undefined }],
    ['no person', { email: undefined }],
    ['an empty person', { email: '' }],
    ['a person with a line feed', { email: 'dana@bank.example\n' }],
    ['a person with a bidirectional override', { email: '\u202edana@bank.example' }],
    ['a list for a person', { email: ['dana@bank.example'] }],
    ['an address that was not verified', { email_verified: false }],
    ['groups as a text', { groups: 'dba' }],
    ['a group that is no text', { groups: [{ name: 'dba' }] }],
    ['the type of an access token', {}, { typ: 'at+jwt' }],
  ];
  for (const [name, changes, header] of refused) {
    test(`${name} is refused`, async () => {
      const token = await issuer.sign({ ...claims, ...changes }, header);
      await expect(verify(token, AT)).rejects.toMatchObject({ code: 'id-token-refused' });
    });
  }

  test('several audiences for our party count', async () => {
    await expect(verify(await issuer.sign({ ...claims, aud: ['console', 'other'], azp: 'console' }), AT)).resolves.toBeDefined();
  });

  test('no groups are no groups', async () => {
    expect((await verify(await issuer.sign({ ...claims, groups: undefined }), AT)).groups).toEqual([]);
  });

  test('an issuer that cannot be reached is no reason to believe its tokens', async () => {
    const other = await startSigningIssuer();
    const token = await other.sign(claims);
    await other.stop();
    const verifyOther = idTokenVerifier([{ name: 'corp', url: other.url, clientIds: ['console'] }]);
    await expect(verifyOther(token, AT)).rejects.toMatchObject({ code: 'id-token-refused' });
  });

  test('keys may be given, and algorithms narrowed', async () => {
    const keys = [issuer.publicJwk];
    const base = { name: 'corp', url: issuer.url, clientIds: ['console'] };
    const token = await issuer.sign(claims);
    const unreachable = { ...base, jwksUri: 'http://127.0.0.1:1/jwks' };
    await expect(idTokenVerifier([{ ...unreachable, keys }])(token, AT)).resolves.toBeDefined();
    await expect(idTokenVerifier([unreachable])(token, AT)).rejects.toMatchObject({ code: 'id-token-refused' });
    await expect(idTokenVerifier([{ ...base, jwksUri: `${issuer.url}/jwks` }])(token, AT)).resolves.toBeDefined();
    await expect(idTokenVerifier([{ ...base, algorithms: ['RS256', 'HS256', 'none'] }])(token, AT)).rejects.toMatchObject({
      code: 'id-token-refused',
    });
  });

  test('a demand without a nonce is met by no token', async () => {
    await expect(verify(await issuer.sign({ ...claims, nonce: '' }), { ...AT, nonce: '' })).rejects.toMatchObject({
      code: 'id-token-refused',
    });
  });

  test('an address that the issuer has not verified is refused however it says so', async () => {
    for (const email_verified of [false, 'false', 0, null]) {
      await expect(verify(await issuer.sign({ ...claims, email_verified }), AT)).rejects.toMatchObject({ code: 'id-token-refused' });
    }
    await expect(verify(await issuer.sign({ ...claims, email_verified: true }), AT)).resolves.toBeDefined();
  });

  test('a key that the token itself brings is not used', async () => {
    const other = await startSigningIssuer();
    const forged = await other.sign({ ...claims, iss: issuer.url }, { jwk: other.publicJwk, jku: `${other.url}/jwks`, kid: 'k' });
    await expect(verify(forged, AT)).rejects.toMatchObject({ code: 'id-token-refused' });
    await other.stop();
  });

  test('of keys without an id the one that fits is found, and no other counts', async () => {
    const other = await startSigningIssuer();
    const strip = (key: Readonly<Record<string, unknown>>) => Object.fromEntries(Object.entries(key).filter(([name]) => name !== 'kid'));
    const base = { name: 'corp', url: issuer.url, clientIds: ['console'] };
    const token = await issuer.sign(claims, { kid: undefined });
    const stranger = await startSigningIssuer();
    await expect(idTokenVerifier([{ ...base, keys: [strip(other.publicJwk), strip(issuer.publicJwk)] }])(token, AT)).resolves.toBeDefined();
    await expect(
      idTokenVerifier([{ ...base, keys: [strip(other.publicJwk), strip(stranger.publicJwk)] }])(token, AT),
    ).rejects.toMatchObject({ code: 'id-token-refused' });
    await Promise.all([other.stop(), stranger.stop()]);
  });

  test('keys of one issuer do not sign for another', async () => {
    const other = await startSigningIssuer();
    const both = idTokenVerifier([
      { name: 'corp', url: issuer.url, clientIds: ['console'] },
      { name: 'other', url: other.url, clientIds: ['console'] },
    ]);
    await expect(both(await other.sign({ ...claims, iss: issuer.url }), AT)).rejects.toMatchObject({ code: 'id-token-refused' });
    expect((await both(await other.sign(claims), AT)).groups).toEqual(['other/dba', 'other/ops']);
    await other.stop();
  });
});

describe('discover', () => {
  test.each([
    ['names another issuer', { issuer: 'https://elsewhere.example' }],
    ['has an endpoint without TLS elsewhere', { token_endpoint: 'http://elsewhere.example/token' }],
    ['lacks an endpoint', { jwks_uri: undefined }],
    ['has an endpoint that is no address', { authorization_endpoint: 'javascript:alert(1)' }],
  ])('a document that %s is refused', async (_, changes) => {
    const odd = await startSigningIssuer(changes);
    await expect(discover(odd.url)).rejects.toMatchObject({ code: 'sign-in-failed' });
    await odd.stop();
  });

  test('plain HTTP is for loopback only', () => {
    expect(() => trustedUrl('http://issuer.example')).toThrow('not HTTPS');
    expect(() => trustedUrl('http://127.0.0.1.example')).toThrow('not HTTPS');
    expect(trustedUrl('https://issuer.example').protocol).toBe('https:');
  });
});

describe('oidcSignIn', () => {
  const redirectUri = 'http://127.0.0.1/sign-in/callback';

  test('the address carries nonce, state and the challenge of the verifier, and asks for a new sign-in', async () => {
    const url = await oidcSignIn({ issuer: issuer.url, clientId: 'console', redirectUri }).start({
      state: 's',
      nonce: 'n',
      // RFC 7636, appendix B.
      codeVerifier: 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk',
    });
    expect(Object.fromEntries(url.searchParams)).toMatchObject({
      client_id: 'console',
      response_type: 'code',
      state: 's',
      nonce: 'n',
      prompt: 'login',
      code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
      code_challenge_method: 'S256',
    });
  });

  test('the code is exchanged with the verifier; a secret goes into the header, not the body', async () => {
    const bodies: [string | undefined, URLSearchParams][] = [];
    issuer.answer = (request, response) => {
      void text(request).then((body) => {
        bodies.push([request.headers.authorization, new URLSearchParams(body)]);
        response.end('{"id_token":"t"}');
      });
    };
    const client = { issuer: issuer.url, clientId: 'console', redirectUri };
    expect(await oidcSignIn(client).finish('c', 'v')).toBe('t');
    expect(await oidcSignIn({ ...client, clientSecret: 'p:w' }).finish('c', 'v')).toBe('t');
    const [[open, first] = [], [basic, second] = []] = bodies;
    expect([open, first?.get('client_id'), first?.get('code'), first?.get('code_verifier')]).toEqual([undefined, 'console', 'c', 'v']);
    expect(Buffer.from(basic?.slice(6) ?? '', 'base64').toString()).toBe('console:p%3Aw');
    expect(second?.toString()).not.toContain('p%3Aw');
  });

  test.each([
    ['an error', 400, '{"error":"invalid_grant"}'],
    ['no ID token', 200, '{"access_token":"t"}'],
    ['no object', 200, '[]'],
    ['no JSON', 200, '<html>'],
    ['a redirect', 302, ''],
  ])('%s from the issuer is no sign-in', async (_, status, body) => {
    issuer.answer = (_request, response) => void response.writeHead(status, { location: '/elsewhere' }).end(body);
    const client = oidcSignIn({ issuer: issuer.url, clientId: 'console', redirectUri });
    await expect(client.finish('c', 'v')).rejects.toMatchObject({ code: 'sign-in-failed' });
  });
});
