/** What functions beside the proxy decide about a session that is about to open, and what they give it. */
import { randomBytes } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { buildBundle } from '../../core/config/build-bundle.ts';
import type { Config } from '../../core/config/config.ts';
import { readPublished } from '../../core/config/published-bundle.ts';
import { CredentialUnavailable } from '../../core/credential/credential-unavailable.ts';
import type { RoleSession } from '../../core/credential/role-session.ts';
import type { Shown } from '../../core/identity/shown.ts';
import { TokenRefused } from '../../core/identity/token-refused.ts';
import type { PostgresTarget, Target } from '../../core/target.ts';
import { evaluatePolicy } from '../../lambdas/evaluate-policy/evaluate-policy.ts';
import { verifierPerConfig } from '../../lambdas/evaluate-policy/verifier-per-config.ts';
import { issueCredential, type CredentialRequest } from '../../lambdas/issue-credential/issue-credential.ts';
import type { CredentialPorts } from '../../lambdas/issue-credential/ports.ts';
import { lookupMasking } from '../../lambdas/lookup-masking/lookup-masking.ts';
import { JoseTokenVerifier } from '../../proxy-task/adapters/jose-token-verifier.ts';
import { AgentTokens } from '../support/agent-tokens.ts';
import { certificateLogin, type LoginFields } from '../support/certificate-logins.ts';
import { ed25519Pair } from '../support/ssh-fixtures.ts';
import { awsBankFiles, BANK_ROLE, withQuorum } from '../support/aws-bank.ts';

let tokens: AgentTokens;
let config: Config;
let inForce: CredentialPorts['inForce'];
const verify = verifierPerConfig(({ issuers, agents }) => new JoseTokenVerifier({ issuers, agents, now: Date.now }));

beforeAll(async () => {
  tokens = await AgentTokens.make();
  config = read(awsBankFiles(tokens.issuer, [tokens.publicJwk]));
  const bundle = buildBundle(config);
  inForce = async () => ({ config, bundle });
});

const shown = async (claims: Parameters<AgentTokens['token']>[0] = {}): Promise<Shown> => ({
  kind: 'token',
  token: await tokens.token(claims),
});

function read(files: Readonly<Record<string, string>>): Config {
  const reading = readPublished(files);
  if ('errors' in reading) throw new Error(JSON.stringify(reading.errors));
  return reading.config;
}

describe.each([
  ['evaluate-policy', evaluatePolicy],
  ['lookup-masking', lookupMasking],
])('%s', (_, decide) => {
  const ask = (token: string, over: { target?: string; version?: string } = {}) =>
    decide({ inForce, verify, now: Date.now }, { shown: { kind: 'token', token }, target: 'bank', version: config.version, ...over });

  test('answers under the version that it is asked for only', async () => {
    const other = read(withQuorum(awsBankFiles(tokens.issuer, [tokens.publicJwk]), 2)).version;
    expect(await ask(await tokens.token(), { version: other })).toEqual({ kind: 'other-version', version: config.version });
  });

  test.each([
    ['of another audience', { aud: 'another-gateway' }, 'audience'],
    ['that has expired', { exp: 1 }, 'expired'],
    ['of another issuer', { iss: 'https://evil.example' }, 'issuer'],
    ['that is bound to a key', { cnf: { jkt: 'x' } }, 'sender-constrained'],
  ])('takes no token %s', async (_, claims, reason) => {
    expect(await ask(await tokens.token(claims))).toEqual({ kind: 'token-refused', reason });
  });

  test('takes no token that another key signed', async () => {
    const forged = await (await AgentTokens.make(tokens.issuer)).token();
    expect(await ask(forged)).toEqual({ kind: 'token-refused', reason: 'signature' });
  });

  test('says whom it read from the token', async () => {
    const answer = await ask(await tokens.token());
    expect(answer).toMatchObject({
      principal: { issuer: 'demo', agent: 'agent-7', owner: 'owen@bank.example', groups: ['demo/analysts'] },
    });
  });

  test('fails where the issuer gives no keys: that says nothing about the token', async () => {
    const unreachable = async () => Promise.reject(new TokenRefused('keys-unavailable'));
    const asked = decide(
      { inForce, verify: unreachable, now: Date.now },
      { shown: { kind: 'token', token: 't' }, target: 'bank', version: config.version },
    );
    await expect(asked).rejects.toMatchObject({ refusal: 'keys-unavailable' });
  });

  test('fails where nothing trustworthy is in force', async () => {
    const broken = { inForce: () => Promise.reject(new Error('no bundle')), verify, now: Date.now };
    await expect(decide(broken, { shown: await shown(), target: 'bank', version: config.version })).rejects.toThrow('no bundle');
  });
});

describe.each([
  ['evaluate-policy', evaluatePolicy],
  ['lookup-masking', lookupMasking],
])('%s, asked by a login by certificate', (_, decide) => {
  const authority = ed25519Pair();
  const HOST = 'web1';
  const ask = (fields: Partial<LoginFields> = {}, target = HOST) => {
    const publicKey = { type: 'ssh-ed25519', blob: authority.blob };
    const trusting = { ...config, sshUserCas: [{ issuer: 'demo', publicKey, agentFrom: 'keyId' as const }] };
    const ports = { inForce: async () => ({ ...(await inForce()), config: trusting }), verify, now: Date.now };
    const proof = certificateLogin({ authority, user: HOST, ...fields });
    return decide(ports, { shown: { kind: 'certificate', proof }, target, version: config.version });
  };

  test('reads the agent from the certificate, and its owner and groups from the configuration', async () => {
    const answer = await ask();
    expect(answer).toMatchObject({
      principal: { issuer: 'demo', agent: 'agent-7', owner: 'owen@bank.example', groups: ['demo/analysts'] },
    });
  });

  test.each<[string, Partial<LoginFields>, string]>([
    ['that another key has signed', { signer: ed25519Pair() }, HOST],
    ['of another authority', { authority: ed25519Pair() }, HOST],
    ['that has ended', { validBeforeS: 1n }, HOST],
    ['for another host', { user: 'other1', principals: ['other1'] }, HOST],
    ['for a database', { user: 'bank', principals: ['bank'] }, 'bank'],
    ['for a target that nobody configured', { user: 'other1', principals: ['other1'] }, 'other1'],
  ])('takes none %s', async (_name, fields, target) => {
    expect(await ask(fields, target)).toMatchObject({ kind: 'token-refused' });
  });
});

test('evaluate-policy permits by the policies that the answer names, and blocks with a reason', async () => {
  const ports = { inForce, verify, now: Date.now };
  const permitted = await evaluatePolicy(ports, { shown: await shown(), target: 'bank', version: config.version });
  expect(permitted).toMatchObject({ kind: 'decided', decision: 'permit', policies: ['connect'] });
  const blocked = await evaluatePolicy(ports, { shown: await shown({ groups: [] }), target: 'bank', version: config.version });
  expect(blocked).toMatchObject({ kind: 'decided', decision: 'block', policies: [] });
});

test('lookup-masking counts what policy lifts for this principal, and its digest tells plans apart', async () => {
  const ports = { inForce, verify, now: Date.now };
  const analyst = await lookupMasking(ports, { shown: await shown(), target: 'bank', version: config.version });
  const fraud = await lookupMasking(ports, {
    shown: await shown({ sub: 'fraud-desk', groups: ['analysts', 'fraud'] }),
    target: 'bank',
    version: config.version,
  });
  expect(analyst).toMatchObject({ kind: 'planned', rules: 3, revealed: 0 });
  expect(fraud).toMatchObject({ kind: 'planned', rules: 3, revealed: 1 });
  expect('digest' in analyst && 'digest' in fraud && analyst.digest !== fraud.digest).toBe(true);
});

describe('issue-credential', () => {
  const KEYS = { accessKeyId: 'ASIAEXAMPLE', secretAccessKey: 'role-secret', sessionToken: 'role-token' };
  const asked: RoleSession[] = [];
  const issue = (request: CredentialRequest, over: Partial<CredentialPorts> = {}, target: Partial<PostgresTarget> = {}) => {
    asked.length = 0;
    const changed = {
      ...config,
      targets: config.targets.map((each): Target => (each.kind === 'postgres' ? { ...each, ...target } : each)),
    };
    return issueCredential(
      {
        inForce: async () => ({ ...(await inForce()), config: changed }),
        verify: (_, token) => verify(config, token),
        locks: async () => ({ locks: [] }),
        assume: async (session) => {
          asked.push(session);
          return KEYS;
        },
        secret: async () => ({ value: JSON.stringify({ username: 'sallyport_agent', password: 'hunter2' }), version: 'v-1' }),
        rdsToken: async ({ host, user, region }) => `signed for ${user} at ${host} in ${region}`,
        authority: () => Promise.reject(new Error('no certificate is asked for')),
        pushKey: () => Promise.reject(new Error('no key is pushed')),
        random: randomBytes,
        now: Date.now,
        ...over,
      },
      request,
    );
  };
  const request = async (claims = {}): Promise<CredentialRequest> => ({
    purpose: 'session',
    target: 'bank',
    session: 's_1',
    shown: await shown(claims),
  });

  test('gives a login token of RDS for the agent’s session, which ends with the agent’s own token', async () => {
    const exp = Math.floor(Date.now() / 1000) + 60;
    const { answer, issuance } = await issue(await request({ exp }));
    expect(answer).toEqual({
      kind: 'issued',
      id: 'rdsIam:ASIAEXAMPLE',
      password: 'signed for sallyport_agent at bank.abc123.eu-central-1.rds.amazonaws.com in eu-central-1',
      expiresAtMs: exp * 1000,
      bundle: config.version,
    });
    expect(asked).toMatchObject([{ roleArn: BANK_ROLE, externalId: 'x-17', roleSessionName: 's_1' }]);
    expect(JSON.stringify(issuance)).not.toContain('signed for');
  });

  test('gives the password in the target’s secret, named by its version', async () => {
    const arn = 'arn:aws:secretsmanager:eu-central-1:222222222222:secret:bank-a1B2c3';
    const { answer } = await issue(await request(), {}, { credential: { kind: 'secretsManager', arn } });
    expect(answer).toMatchObject({ kind: 'issued', id: 'secretsManager:v-1', password: 'hunter2' });
    expect(asked[0]?.policy).toContain(arn);
  });

  test('for the catalog wants no token and tags no agent', async () => {
    const { answer } = await issue({ purpose: 'catalog', target: 'bank' });
    expect(answer.kind).toBe('issued');
    expect(asked).toMatchObject([{ sourceIdentity: 'sallyport-catalog', roleSessionName: 'sallyport-catalog' }]);
  });

  const refused: readonly (readonly [name: string, code: string, claims: object])[] = [
    ['a token of another audience', 'token-refused', { aud: 'another-gateway' }],
    ['a token that has expired', 'token-refused', { exp: 1 }],
    ['an agent that may not connect', 'not-permitted', { groups: [] }],
  ];
  test.each(refused)('refuses %s before any role is assumed', async (_, code, claims) => {
    expect((await issue(await request(claims))).answer).toMatchObject({ kind: 'refused', code });
    expect(asked).toEqual([]);
  });

  test.each(['demo/agent-7', 'owen@bank.example'])('refuses an agent that is locked as %s', async (subject) => {
    const locks = async () => ({ locks: [{ subject, by: 'ops', reason: 'incident 7', lockedAtMs: 1 }] });
    expect((await issue(await request(), { locks })).answer).toMatchObject({ kind: 'refused', code: 'locked' });
    expect(asked).toEqual([]);
  });

  test('issues nothing where the issuer gives no keys', async () => {
    await expect(issue(await request(), { verify: () => Promise.reject(new TokenRefused('keys-unavailable')) })).rejects.toThrow();
    expect(asked).toEqual([]);
  });

  test('issues nothing where the list of locks cannot be read', async () => {
    await expect(issue(await request(), { locks: () => Promise.reject(new Error('throttled')) })).rejects.toThrow('throttled');
    expect(asked).toEqual([]);
  });

  test('refuses a target that nobody configured', async () => {
    const answer = (await issue({ purpose: 'catalog', target: 'other' })).answer;
    expect(answer).toMatchObject({ kind: 'refused', code: 'unknown-target' });
  });

  test('names target and role where the role is denied, and nothing of the token', async () => {
    const token = await tokens.token();
    const denied = () => Promise.reject(new CredentialUnavailable(`role ${BANK_ROLE} cannot be assumed (AccessDenied)`));
    const { answer, issuance } = await issue(
      { purpose: 'session', target: 'bank', session: 's_1', shown: { kind: 'token', token } },
      { assume: denied },
    );
    expect(answer).toMatchObject({ kind: 'refused', code: 'credential-unavailable', reason: expect.stringContaining(BANK_ROLE) });
    expect(JSON.stringify([answer, issuance])).not.toContain(token);
  });

  test.each([
    ['of one machine', { credential: { kind: 'env', name: 'X' } as const }],
    ['of a database whose region is not said', { host: 'db.internal' }],
  ])('refuses a credential %s', async (_, target) => {
    expect((await issue(await request(), {}, target)).answer).toMatchObject({ kind: 'refused', code: 'credential-unavailable' });
    expect(asked).toEqual([]);
  });
});
