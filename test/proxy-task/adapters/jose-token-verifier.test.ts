import { createServer, type Server } from 'node:http';
import { exportJWK, generateKeyPair, SignJWT, UnsecuredJWT, type CryptoKey, type JWK } from 'jose';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { IssuerConfig } from '../../../core/config/config.ts';
import { TokenRefused } from '../../../core/identity/token-refused.ts';
import { JoseTokenVerifier } from '../../../proxy-task/adapters/jose-token-verifier.ts';

const NOW = 1_800_000_000_000;
type Pair = { readonly privateKey: CryptoKey; readonly publicKey: JWK };

async function pair(algorithm: string, kid: string | undefined): Promise<Pair> {
  const { privateKey, publicKey } = await generateKeyPair(algorithm, { extractable: true });
  return { privateKey, publicKey: { ...(await exportJWK(publicKey)), alg: algorithm, ...(kid === undefined ? {} : { kid }) } };
}

let ours: Pair;
let theirs: Pair;
beforeAll(async () => {
  [ours, theirs] = await Promise.all([pair('ES256', 'k1'), pair('ES256', 'k1')]);
});

const BASE: IssuerConfig = {
  name: 'corp',
  issuer: 'https://issuer.example',
  audience: 'sallyport',
  audienceClaim: 'aud',
  algorithms: ['ES256'],
  groupsClaim: 'groups',
  groupsAre: 'human',
  personClaim: 'email',
  clockSkewMs: 30_000,
  approverClientIds: ['console'],
};

function verifier(...issuers: readonly Partial<IssuerConfig>[]): JoseTokenVerifier {
  return new JoseTokenVerifier({ issuers: issuers.map((issuer) => ({ ...BASE, ...issuer })), agents: [], now: () => NOW });
}

function token(key: Pair, claims: Record<string, unknown> = {}, header: Record<string, unknown> = {}): Promise<string> {
  return new SignJWT({ iss: BASE.issuer, aud: 'sallyport', sub: 'agent-7', exp: NOW / 1_000 + 60, groups: ['analysts'], ...claims })
    .setProtectedHeader({ alg: 'ES256', kid: 'k1', ...header })
    .sign(key.privateKey);
}

async function refusal(verified: Promise<unknown>): Promise<string> {
  try {
    await verified;
  } catch (error) {
    if (error instanceof TokenRefused) return error.refusal;
    throw error;
  }
  return 'accepted';
}

const local = (): Partial<IssuerConfig> => ({ keys: [{ ...ours.publicKey }] });

describe('with keys in the configuration', () => {
  test('a signed token becomes a principal', async () => {
    expect(await verifier(local()).verify(await token(ours, {}, { typ: 'at+jwt' }))).toMatchObject({
      issuer: 'corp',
      agent: 'agent-7',
      groups: ['corp/analysts'],
    });
  });

  test('a signature with another key is refused', async () => {
    expect(await refusal(verifier(local()).verify(await token(theirs)))).toBe('signature');
  });

  test('a changed payload is refused', async () => {
    const [header, , signature] = (await token(ours)).split('.');
    const payload = Buffer.from(JSON.stringify({ iss: BASE.issuer, aud: 'sallyport', sub: 'root', exp: NOW })).toString('base64url');
    expect(await refusal(verifier(local()).verify(`${header}.${payload}.${signature}`))).toBe('signature');
  });

  test('no algorithm, a symmetric one, and one that is not allowed are refused', async () => {
    const unsecured = new UnsecuredJWT({ iss: BASE.issuer, aud: 'sallyport', sub: 'a', exp: NOW }).encode();
    expect(await refusal(verifier(local()).verify(unsecured))).not.toBe('accepted');
    // The public key as an HMAC secret: the classic confusion.
    const secret = new TextEncoder().encode(JSON.stringify(ours.publicKey));
    const hmac = await new SignJWT({ iss: BASE.issuer, aud: 'sallyport', sub: 'a', exp: NOW })
      .setProtectedHeader({ alg: 'HS256' })
      .sign(secret);
    expect(await refusal(verifier(local()).verify(hmac))).toBe('algorithm');
    expect(await refusal(verifier({ ...local(), algorithms: ['RS256'] }).verify(await token(ours)))).toBe('algorithm');
  });

  test.each(['', 'x', 'a.b.c', 'a.b.c.d.e', `${'a'.repeat(20_000)}.b.c`])('what is no token is refused (%#)', async (text) => {
    expect(await refusal(verifier(local()).verify(text))).toMatch(/^(malformed|too-long)$/);
  });

  test('a header that demands an extension is refused', async () => {
    const critical = await new SignJWT({ iss: BASE.issuer, exp: NOW })
      .setProtectedHeader({ alg: 'ES256', crit: ['x'], x: 1 })
      .sign(ours.privateKey, { crit: { x: true } });
    expect(await refusal(verifier(local()).verify(critical))).not.toBe('accepted');
  });

  test('a key that the token brings or points to is not used, and nobody is asked for it', async () => {
    let asked = 0;
    const server = createServer((_, response) => {
      asked += 1;
      response.end(JSON.stringify({ keys: [theirs.publicKey] }));
    });
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const address = server.address();
    const url = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}/jwks`;
    for (const header of [
      { jwk: theirs.publicKey },
      { jku: url },
      { x5u: url },
      { x5c: ['MIIB'] },
      { kid: url },
      { kid: '../../etc/passwd' },
    ]) {
      expect([header, await refusal(verifier(local()).verify(await token(theirs, {}, header)))]).toEqual([header, 'signature']);
    }
    expect(asked).toBe(0);
    await new Promise((closed) => server.close(closed));
  });

  test('a payload that is not encoded (RFC 7797) is refused', async () => {
    const [, payload, signature] = (await token(ours)).split('.');
    const header = Buffer.from(JSON.stringify({ alg: 'ES256', kid: 'k1', b64: false, crit: ['b64'] })).toString('base64url');
    expect(await refusal(verifier(local()).verify(`${header}.${payload}.${signature}`))).not.toBe('accepted');
  });

  test('claims of another type than theirs are refused, not converted', async () => {
    for (const claims of [
      { sub: 7 },
      { sub: ['agent-7'] },
      { exp: `${NOW}` },
      { exp: 1e300 },
      { groups: { all: true } },
      { aud: { sallyport: 1 } },
    ]) {
      expect([claims, await refusal(verifier(local()).verify(await token(ours, claims)))]).not.toEqual([claims, 'accepted']);
    }
  });

  test('a token bound to a key is refused, since nobody shows the key', async () => {
    expect(await refusal(verifier(local()).verify(await token(ours, { cnf: { jkt: 'x' } })))).toBe('sender-constrained');
  });

  test('an issuer’s key does not sign for another issuer', async () => {
    const two = verifier(local(), { name: 'partner', issuer: 'https://partner.example', keys: [{ ...theirs.publicKey }] });
    expect(await two.verify(await token(theirs, { iss: 'https://partner.example' }))).toMatchObject({ issuer: 'partner' });
    expect(await refusal(two.verify(await token(theirs)))).toBe('signature');
    expect(await refusal(two.verify(await token(ours, { iss: 'https://nobody.example' })))).toBe('issuer');
  });

  test('keys without an id are told apart by trying', async () => {
    const strip = (key: JWK): Record<string, unknown> => Object.fromEntries(Object.entries(key).filter(([name]) => name !== 'kid'));
    const several = verifier({ keys: [strip(theirs.publicKey), strip(ours.publicKey)] });
    expect(await refusal(several.verify(await token(ours, {}, { kid: undefined })))).toBe('accepted');
    const other = await pair('ES256', undefined);
    expect(await refusal(several.verify(await token(other, {}, { kid: undefined })))).toBe('signature');
  });

  test('an ID token of an approver opens no session', async () => {
    const idToken = await token(ours, { aud: 'console', nonce: 'n', iat: NOW / 1_000, email: 'dana@bank.example', groups: ['dba'] });
    expect(await refusal(verifier(local()).verify(idToken))).toBe('audience');
  });
});

describe('with keys from the issuer', () => {
  const servers: Server[] = [];
  afterEach(async () => {
    await Promise.all(servers.splice(0).map((server) => new Promise((closed) => server.close(closed).closeAllConnections())));
  });

  /** An issuer of a few paths; each answer is made when asked. Counts the requests by path. */
  async function issuer(answers: Record<string, (url: string) => unknown>): Promise<{ url: string; asked: string[] }> {
    const asked: string[] = [];
    const server = createServer((request, response) => {
      const path = request.url ?? '';
      asked.push(path);
      const answer = answers[path]?.(url);
      if (answer === undefined) response.writeHead(404).end();
      else if (typeof answer === 'string') response.writeHead(302, { location: answer }).end();
      else response.setHeader('content-type', 'application/json').end(JSON.stringify(answer));
    });
    servers.push(server);
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const address = server.address();
    const url = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
    return { url, asked };
  }

  const DISCOVERY = '/.well-known/openid-configuration';
  const jwks = () => ({ keys: [ours.publicKey] });

  test('discovery and keys are asked for once, however many tokens come, and made-up key ids ask no more', async () => {
    const { url, asked } = await issuer({ [DISCOVERY]: (own) => ({ issuer: own, jwks_uri: `${own}/keys` }), '/keys': jwks });
    const discovering = verifier({ issuer: url });
    const tokens = await Promise.all([1, 2, 3].map(() => token(ours, { iss: url })));
    expect(await Promise.all(tokens.map((one) => refusal(discovering.verify(one))))).toEqual(['accepted', 'accepted', 'accepted']);
    for (const kid of ['a', 'b', 'c'])
      expect(await refusal(discovering.verify(await token(ours, { iss: url }, { kid })))).toBe('signature');
    expect(asked).toEqual([DISCOVERY, '/keys']);
  });

  test.each<[string, Record<string, (url: string) => unknown>]>([
    ['is missing', {}],
    ['names another issuer', { [DISCOVERY]: (own) => ({ issuer: `${own}/`, jwks_uri: `${own}/keys` }), '/keys': jwks }],
    ['names keys without TLS', { [DISCOVERY]: (own) => ({ issuer: own, jwks_uri: 'http://issuer.example/keys' }) }],
    ['names no keys', { [DISCOVERY]: (own) => ({ issuer: own }) }],
    ['redirects', { [DISCOVERY]: (own) => `${own}/other`, '/other': (own) => ({ issuer: own, jwks_uri: `${own}/keys` }), '/keys': jwks }],
    ['is too long', { [DISCOVERY]: (own) => ({ issuer: own, jwks_uri: `${own}/keys`, padding: 'x'.repeat(300_000) }), '/keys': jwks }],
    ['leads to no keys', { [DISCOVERY]: (own) => ({ issuer: own, jwks_uri: `${own}/keys` }) }],
  ])('a discovery that %s refuses', async (_, answers) => {
    const { url } = await issuer(answers);
    expect(await refusal(verifier({ issuer: url }).verify(await token(ours, { iss: url })))).toBe('keys-unavailable');
  });

  test('after a failed discovery the next login is refused without asking again', async () => {
    const { url, asked } = await issuer({});
    const failing = verifier({ issuer: url });
    for (let i = 0; i < 3; i++) expect(await refusal(failing.verify(await token(ours, { iss: url })))).toBe('keys-unavailable');
    expect(asked).toHaveLength(1);
  });

  test('an issuer that cannot be reached refuses', async () => {
    const { url } = await issuer({});
    await Promise.all(servers.splice(0).map((server) => new Promise((closed) => server.close(closed))));
    expect(await refusal(verifier({ issuer: url }).verify(await token(ours, { iss: url })))).toBe('keys-unavailable');
    expect(await refusal(verifier({ issuer: url, jwksUri: `${url}/keys` }).verify(await token(ours, { iss: url })))).toBe(
      'keys-unavailable',
    );
  });

  test('an issuer that never answers refuses within five seconds', async () => {
    const server = createServer(() => undefined);
    servers.push(server);
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const address = server.address();
    const url = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
    expect(await refusal(verifier({ issuer: url }).verify(await token(ours, { iss: url })))).toBe('keys-unavailable');
  }, 5_000);
});
