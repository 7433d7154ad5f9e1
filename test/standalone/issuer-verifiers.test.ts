import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Config } from '../../core/config/config.ts';
import { readConfig } from '../../core/config/read-config.ts';
import { issuerVerifiers } from '../../standalone/issuer-verifiers.ts';
import { startSigningIssuer, type SigningIssuer } from '../support/signing-issuer.ts';

const NOW_MS = 1_800_000_000_000;
const NOW_S = NOW_MS / 1_000;

let issuer: SigningIssuer;
let tokenOf: (claims?: object) => Promise<string>;
let idToken: string;
beforeAll(async () => {
  issuer = await startSigningIssuer();
  tokenOf = (claims) => issuer.sign({ sub: 'agent-7', aud: 'sallyport', exp: NOW_S + 60, ...claims });
  idToken = await issuer.sign({ sub: 'u', aud: 'console', email: 'dana@bank.example', nonce: 'n', iat: NOW_S, exp: NOW_S + 60 });
});
afterAll(() => issuer.stop());

function configOf(issuerLine: string, agents = ''): Config {
  const text = `issuers:
  - { name: corp, issuer: "${issuer.url}", audience: sallyport, ${issuerLine} }
${agents}targets:
  - { name: db, host: 127.0.0.1, port: 1, user: u, credential: env:PASSWORD, tls: { mode: disable } }
`;
  const policy = '@id("connect") permit (principal, action == Action::"connect", resource);';
  const reading = readConfig(
    new Map([
      ['sallyport.yaml', text],
      ['policies/a.cedar', policy],
    ]),
    {},
  );
  if ('errors' in reading) throw new Error(JSON.stringify(reading.errors));
  return reading.config;
}

describe('verifiers of a configuration that changes', () => {
  test('an issuer that approves no more is not believed about approvers, and one that is gone about nobody', async () => {
    let config = configOf('approverClientIds: [console]');
    const { tokens, verifyIdToken } = issuerVerifiers(
      () => config,
      () => NOW_MS,
    );
    expect(await verifyIdToken(idToken, { nonce: 'n', atMs: NOW_MS })).toMatchObject({ person: 'dana@bank.example' });
    expect(await tokens.verify(await tokenOf())).toMatchObject({ agent: 'agent-7' });
    config = configOf('clockSkew: 1s');
    await expect(verifyIdToken(idToken, { nonce: 'n', atMs: NOW_MS })).rejects.toMatchObject({ code: 'id-token-refused' });
    expect(await tokens.verify(await tokenOf())).toMatchObject({ agent: 'agent-7' });
    config = { ...config, issuers: [] };
    await expect(tokens.verify(await tokenOf())).rejects.toMatchObject({ refusal: 'issuer' });
  });

  test('an agent’s new owner is its owner', async () => {
    let config = configOf('clockSkew: 1s', 'agents:\n  - { name: corp/agent-7, owner: owen@bank.example }\n');
    const { tokens } = issuerVerifiers(
      () => config,
      () => NOW_MS,
    );
    expect((await tokens.verify(await tokenOf())).owner).toBe('owen@bank.example');
    config = configOf('clockSkew: 1s', 'agents:\n  - { name: corp/agent-7, owner: dana@bank.example }\n');
    expect((await tokens.verify(await tokenOf())).owner).toBe('dana@bank.example');
  });

  test('keys, algorithms and the address of the keys hold for approvers as for agents', async () => {
    for (const [line, refused] of [
      ['algorithms: [RS256]', true],
      ['jwksUri: "http://127.0.0.1:1/jwks"', true],
      [`jwksUri: "${issuer.url}/jwks"`, false],
      [`keys: [${JSON.stringify(issuer.publicJwk)}]`, false],
    ] as const) {
      const config = configOf(`approverClientIds: [console], ${line}`);
      const { tokens, verifyIdToken } = issuerVerifiers(
        () => config,
        () => NOW_MS,
      );
      const token = await tokenOf();
      const believed = await Promise.allSettled([verifyIdToken(idToken, { nonce: 'n', atMs: NOW_MS }), tokens.verify(token)]);
      expect([line, ...believed.map(({ status }) => status === 'rejected')]).toEqual([line, refused, refused]);
    }
  });
});
