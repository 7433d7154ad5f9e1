/** What `issue-credential` gives for a host, and every reason for which it gives nothing: its own configuration decides, never the task. */
import { createPublicKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { buildBundle } from '../../core/config/build-bundle.ts';
import type { Config } from '../../core/config/config.ts';
import { readPublished } from '../../core/config/published-bundle.ts';
import { CredentialUnavailable } from '../../core/credential/credential-unavailable.ts';
import type { RoleSession } from '../../core/credential/role-session.ts';
import { checkRoleSession } from '../../core/credential/role-session-limits.ts';
import type { Shown } from '../../core/identity/shown.ts';
import { TokenRefused } from '../../core/identity/token-refused.ts';
import type { Principal } from '../../core/principal.ts';
import { p256Blob, p256Signature } from '../../core/ssh/ecdsa.ts';
import { readUserCertificate } from '../../core/ssh/user-certificate.ts';
import type { SshTarget, Target } from '../../core/target.ts';
import { issueCredential, type CredentialAnswer, type CredentialRequest } from '../../lambdas/issue-credential/issue-credential.ts';
import type { CredentialPorts, HostAuthority, KeyPush } from '../../lambdas/issue-credential/ports.ts';
import { certificateLogin, type LoginFields } from '../support/certificate-logins.ts';
import { ed25519Pair } from '../support/ssh-fixtures.ts';

const NOW = Date.UTC(2030, 0, 1);
const HOST_ROLE = 'arn:aws:iam::222222222222:role/sallyport/sallyport-prod-target-web1';
const SECRET = 'arn:aws:secretsmanager:eu-central-1:222222222222:secret:web1-a1B2c3';
const INSTANCE = 'i-0123456789abcdef0';
const issuerCa = ed25519Pair();
const agentKey = ed25519Pair();
const taskKey = ed25519Pair();

/** A host by its name for each way in, and a database beside them. */
const FILES = {
  'sallyport.yaml': `
issuers: [{ name: corp, issuer: 'https://id.corp.example', audience: sallyport }]
agents: [{ name: corp/agent-7, owner: owen@bank.example, shortName: agent-seven, groups: [corp/ops] }]
sshUserCas: [{ issuer: corp, publicKey: '${issuerCa.line}' }]
targets:
  - { name: web1, kind: ssh, host: web1, accounts: [deploy, root], hostKeys: ['SHA256:${'A'.repeat(43)}'], credential: sshCa }
  - { name: near1, kind: ssh, host: near1, accounts: [deploy], hostKeys: ['SHA256:${'A'.repeat(43)}'], credential: sshCa, sourceAddresses: [10.65.0.0/20, '2001:db8::/64'] }
  - name: key1
    kind: ssh
    host: key1
    accounts: [deploy]
    hostKeys: ['SHA256:${'A'.repeat(43)}']
    credential: 'secretsManager:${SECRET}'
    assume: { role: '${HOST_ROLE}', externalId: x-17 }
  - name: ec1
    kind: ssh
    host: ec1
    accounts: [deploy, ops]
    hostKeys: ['SHA256:${'A'.repeat(43)}']
    credential: instanceConnect
    instanceId: ${INSTANCE}
    assume: { role: '${HOST_ROLE}', region: eu-central-1 }
  - { name: off1, kind: ssh, host: off1, accounts: [deploy], hostKeys: ['SHA256:${'A'.repeat(43)}'], credential: sshCa }
  - { name: bank, host: db, user: u, credential: rdsIam, assume: { role: '${HOST_ROLE}', region: eu-central-1 } }
`,
  'masking.yaml': 'columns: []\npatterns: []\n',
  'policies/p.cedar': `
@id("in") permit (principal in Group::"corp/ops", action == Action::"connect", resource) unless { resource == Target::"off1" };`,
};

const AGENT: Principal = { issuer: 'corp', agent: 'agent-7', groups: ['corp/ops'], owner: 'owen@bank.example', expiresAtMs: NOW + 900_000 };
const TOKEN: Shown = { kind: 'token', token: 'good' };

let config: Config;
let pushed: KeyPush[];
let assumed: RoleSession[];
let signed: number;
const caKeys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const authority: HostAuthority = {
  publicKey: p256Blob(createPublicKey(caKeys.privateKey)),
  sign: async (bytes) => {
    signed += 1;
    return p256Signature(sign('sha256', bytes, caKeys.privateKey));
  },
};

beforeAll(() => {
  const reading = readPublished(FILES);
  if ('errors' in reading) throw new Error(JSON.stringify(reading.errors));
  config = reading.config;
});
beforeEach(() => {
  [pushed, assumed, signed] = [[], [], 0];
});

async function ask(
  request: Partial<CredentialRequest & { purpose: 'host' }> = {},
  over: Partial<CredentialPorts> = {},
  change: (target: SshTarget) => SshTarget = (target) => target,
): Promise<CredentialAnswer> {
  const targets = config.targets.map((each): Target => (each.kind === 'ssh' ? change(each) : each));
  const changed = { ...config, targets };
  const ports: CredentialPorts = {
    inForce: async () => ({ config: changed, bundle: buildBundle(config) }),
    verify: async (_, token) => {
      if (token !== 'good') throw new TokenRefused('signature');
      return AGENT;
    },
    locks: async () => ({ locks: [] }),
    assume: async (session) => {
      checkRoleSession(session);
      assumed.push(session);
      return { accessKeyId: 'ASIAEXAMPLE', secretAccessKey: 's', sessionToken: 't' };
    },
    secret: async () => ({ value: 'the private key', version: 'v-1' }),
    rdsToken: async () => 'a token of RDS',
    authority: async () => authority,
    pushKey: async (push) => {
      pushed.push(push);
      return 'req-1';
    },
    random: randomBytes,
    now: () => NOW,
    ...over,
  };
  const whole = {
    purpose: 'host',
    target: 'web1',
    account: 'deploy',
    session: 's_1',
    shown: TOKEN,
    publicKey: taskKey.blob,
    ...request,
  } as const;
  return (await issueCredential(ports, whole)).answer;
}

const without =
  (name: 'assume' | 'instanceId') =>
  (target: SshTarget): SshTarget => {
    const { [name]: _, ...rest } = target;
    return rest;
  };

const byCertificate = (fields: Partial<LoginFields> = {}): Shown => ({
  kind: 'certificate',
  proof: certificateLogin({ authority: issuerCa, key: agentKey, validBeforeS: BigInt(NOW / 1_000 + 600), ...fields }),
});

function certificateIn(answer: CredentialAnswer): ReturnType<typeof readUserCertificate> {
  if (answer.kind !== 'issued' || !('certificate' in answer)) throw new Error(JSON.stringify(answer));
  return readUserCertificate(Buffer.from(answer.certificate, 'base64'));
}

describe('a certificate for a host', () => {
  test('is for the key that was sent, one account and minutes, and names who acts', async () => {
    const answer = await ask();
    const certificate = certificateIn(answer);
    expect(answer).toMatchObject({
      kind: 'issued',
      form: 'certificate',
      id: `sshCa:${certificate.serial}`,
      expiresAtMs: NOW + 300_000,
      bundle: config.version,
    });
    expect(certificate).toMatchObject({
      keyId: 'sallyport agent=corp/agent-7 session=s_1',
      principals: ['deploy'],
      validAfterMs: NOW - 60_000,
      validBeforeMs: NOW + 300_000,
      forceCommand: undefined,
      sourceAddresses: undefined,
      extensions: new Set(['permit-port-forwarding', 'permit-pty']),
      authority: authority.publicKey,
    });
    expect(certificate.key.key.export({ format: 'jwk' }).x).toBe(taskKey.privateKey.export({ format: 'jwk' }).x);
    // No role is in between: nothing of the target's account is touched.
    expect(assumed).toEqual([]);
  });

  test('is good from where the target says that the gateway comes from', async () => {
    const certificate = certificateIn(await ask({ target: 'near1' }));
    expect(certificate.sourceAddresses).toEqual(['10.65.0.0/20', '2001:db8::/64']);
  });

  test('ends with the token where that is sooner', async () => {
    expect(await ask({}, { verify: async () => ({ ...AGENT, expiresAtMs: NOW + 7_000 }) })).toMatchObject({ expiresAtMs: NOW + 7_000 });
  });

  test('is never the same twice', async () => {
    const [a, b] = [await ask(), await ask()];
    expect(a.kind === 'issued' && b.kind === 'issued' && a.id !== b.id).toBe(true);
  });

  test.each<[string, Partial<CredentialPorts>]>([
    ['where there is no authority', { authority: () => Promise.reject(new CredentialUnavailable('this deployment has no authority')) }],
    [
      'where the authority does not answer',
      { authority: async () => ({ ...authority, sign: () => Promise.reject(new CredentialUnavailable('KMS')) }) },
    ],
    [
      'that the authority has not signed',
      { authority: async () => ({ ...authority, sign: async () => authority.sign(Buffer.from('x')) }) },
    ],
    [
      'that another key has signed',
      { authority: async () => ({ ...authority, publicKey: p256Blob(generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey) }) },
    ],
  ])('is not given %s', async (_, over) => {
    expect(await ask({}, over)).toMatchObject({ kind: 'refused', code: 'credential-unavailable' });
  });

  test.each<[string, Buffer | undefined]>([
    ['no key', undefined],
    ['a key that is none', Buffer.from('ssh-ed25519')],
    ['a key of another kind', authority.publicKey],
    ['a certificate', certificateLogin({ authority: issuerCa }).blob as Buffer], // As it was made.
  ])('is not given over %s', async (_, publicKey) => {
    const answer = await ask({ publicKey: publicKey as never }); // Undefined is left out, as JSON leaves it out.
    expect(answer).toMatchObject({ kind: 'refused', code: 'credential-unavailable' });
    expect(signed).toBe(0);
  });
});

describe('a key that is pushed', () => {
  test('is for one account of one instance, by a session of the role that can do nothing else', async () => {
    expect(await ask({ target: 'ec1', account: 'ops' })).toMatchObject({
      kind: 'issued',
      form: 'pushed',
      id: 'instanceConnect:req-1',
      expiresAtMs: NOW + 60_000,
    });
    expect(pushed).toEqual([
      { instanceId: INSTANCE, account: 'ops', region: 'eu-central-1', publicKey: `ssh-ed25519 ${taskKey.blob.toString('base64')}` },
    ]);
    expect(assumed).toMatchObject([{ roleArn: HOST_ROLE, sourceIdentity: 'agent-seven', roleSessionName: 's_1', durationSeconds: 900 }]);
    expect(JSON.parse(assumed[0]?.policy ?? '')).toEqual({
      Version: '2012-10-17',
      Statement: [
        {
          Effect: 'Allow',
          Action: 'ec2-instance-connect:SendSSHPublicKey',
          Resource: `arn:aws:ec2:eu-central-1:222222222222:instance/${INSTANCE}`,
          Condition: { StringEquals: { 'ec2:osuser': 'ops' } },
        },
      ],
    });
  });

  test.each<[string, (target: SshTarget) => SshTarget]>([
    ['whose target names no role', without('assume')],
    ['whose target names no instance', without('instanceId')],
    ['whose target names no region', (target) => ({ ...target, assume: { role: HOST_ROLE } })],
  ])('is not pushed to a host %s', async (_, change) => {
    expect(await ask({ target: 'ec1' }, {}, change)).toMatchObject({ kind: 'refused', code: 'credential-unavailable' });
    expect([assumed, pushed]).toEqual([[], []]);
  });

  test.each<[string, Partial<CredentialPorts>]>([
    ['the role is denied', { assume: () => Promise.reject(new CredentialUnavailable('AccessDenied')) }],
    ['the instance does not take it', { pushKey: () => Promise.reject(new CredentialUnavailable('EC2InstanceNotFoundException')) }],
  ])('is nothing where %s', async (_, over) => {
    expect(await ask({ target: 'ec1' }, over)).toMatchObject({ kind: 'refused', code: 'credential-unavailable' });
  });

  test('is nothing without a key', async () => {
    expect(await ask({ target: 'ec1', publicKey: undefined as never })).toMatchObject({ kind: 'refused', code: 'credential-unavailable' }); // As above.
    expect(assumed).toEqual([]);
  });
});

describe('a key in a secret', () => {
  test('is the whole text of it, named by its version', async () => {
    const answer = await ask({ target: 'key1' });
    expect(answer).toMatchObject({ kind: 'issued', form: 'privateKey', id: 'secretsManager:v-1', password: 'the private key' });
    expect(JSON.parse(assumed[0]?.policy ?? '').Statement[0]).toEqual({
      Effect: 'Allow',
      Action: 'secretsmanager:GetSecretValue',
      Resource: SECRET,
    });
  });

  test.each<[string, Partial<CredentialPorts>, (target: SshTarget) => SshTarget]>([
    ['an empty secret', { secret: async () => ({ value: ' \n', version: 'v' }) }, (target) => target],
    ['a secret that cannot be read', { secret: () => Promise.reject(new CredentialUnavailable('AccessDenied')) }, (target) => target],
    ['a target without a role', {}, without('assume')],
    ['a key in a file', {}, (target) => ({ ...target, credential: { kind: 'file', path: '/k' } })],
    ['a key in a variable', {}, (target) => ({ ...target, credential: { kind: 'env', name: 'K' } })],
  ])('%s is none', async (_, over, change) => {
    expect(await ask({ target: 'key1' }, over, change)).toMatchObject({ kind: 'refused', code: 'credential-unavailable' });
  });
});

describe('nothing of a host is given', () => {
  const each: readonly (readonly [string, string, Partial<CredentialRequest & { purpose: 'host' }>, Partial<CredentialPorts>])[] = [
    ['for a forged token', 'token-refused', { shown: { kind: 'token', token: 'forged' } }, {}],
    ['for a token that has expired meanwhile', 'token-refused', {}, { verify: async () => ({ ...AGENT, expiresAtMs: NOW }) }],
    [
      'to a locked agent',
      'locked',
      {},
      { locks: async () => ({ locks: [{ subject: 'corp/agent-7', by: 'ops', reason: 'stolen', lockedAtMs: 1 }] }) },
    ],
    ['to an agent that may not connect', 'not-permitted', {}, { verify: async () => ({ ...AGENT, groups: [] }) }],
    ['on a host that it may not connect to', 'not-permitted', { target: 'off1' }, {}],
    ['on a host that nobody configured', 'unknown-target', { target: 'other' }, {}],
    ['on a database', 'unknown-target', { target: 'bank' }, {}],
    ['for an account that is none of the target', 'not-permitted', { account: 'admin' }, {}],
    ['for an account whose name is a pattern', 'not-permitted', { account: '*' }, {}],
  ];
  test.each(each)('%s', async (_, code, request, over) => {
    expect(await ask(request, over)).toMatchObject({ kind: 'refused', code });
    expect([assumed, pushed, signed]).toEqual([[], [], 0]);
  });

  test.each<[string, Partial<CredentialPorts>]>([
    ['the issuer gives no keys', { verify: () => Promise.reject(new TokenRefused('keys-unavailable')) }],
    ['the list of locks cannot be read', { locks: () => Promise.reject(new Error('throttled')) }],
    ['nothing trustworthy is in force', { inForce: () => Promise.reject(new Error('no bundle')) }],
  ])('where %s: asking again may help', async (_, over) => {
    await expect(ask({}, over)).rejects.toThrow();
    expect([assumed, pushed, signed]).toEqual([[], [], 0]);
  });
});

describe('a login by certificate', () => {
  test('gives what a token gives, to the agent that the certificate names, until it ends', async () => {
    const answer = await ask({ shown: byCertificate({ validBeforeS: BigInt(NOW / 1_000 + 100) }) });
    expect(answer).toMatchObject({ kind: 'issued', form: 'certificate', expiresAtMs: NOW + 100_000 });
    expect(certificateIn(answer).keyId).toBe('sallyport agent=corp/agent-7 session=s_1');
  });

  test('gives no more than the agent’s own certificate has', async () => {
    const extensions = async (given: readonly string[]) => [
      ...certificateIn(await ask({ shown: byCertificate({ extensions: given }) })).extensions,
    ];
    expect(await extensions([])).toEqual([]);
    expect(await extensions(['permit-pty'])).toEqual(['permit-pty']);
    expect(await extensions(['permit-agent-forwarding', 'permit-port-forwarding', 'permit-pty'])).toEqual([
      'permit-port-forwarding',
      'permit-pty',
    ]);
  });

  test.each<[string, Shown, Partial<CredentialRequest & { purpose: 'host' }>]>([
    ['for another host', byCertificate(), { target: 'near1' }],
    ['that another key has signed', byCertificate({ signer: ed25519Pair() }), {}],
    ['of another authority', byCertificate({ authority: ed25519Pair() }), {}],
    ['that has expired', byCertificate({ validBeforeS: BigInt(NOW / 1_000) }), {}],
    ['from another address', byCertificate({ critical: [['source-address', '10.9.0.0/16']] }), {}],
    ['that demands what is not known', byCertificate({ critical: [['moon', 'full']] }), {}],
    ['on a database', byCertificate({ user: 'deploy+bank', principals: ['bank'] }), { target: 'bank' }],
  ])('%s gives nothing', async (_, shown, request) => {
    expect(await ask({ shown, ...request })).toMatchObject({ kind: 'refused', code: 'token-refused' });
    expect([assumed, pushed, signed]).toEqual([[], [], 0]);
  });

  test('for another account gives nothing', async () => {
    expect(await ask({ shown: byCertificate(), account: 'root' })).toMatchObject({ kind: 'refused', code: 'not-permitted' });
    expect(await ask({ shown: byCertificate({ user: 'root+web1' }), account: 'root' })).toMatchObject({ kind: 'issued' });
  });

  test('of an agent without the right gives nothing', async () => {
    expect(await ask({ shown: byCertificate({ keyId: 'agent-8' }) })).toMatchObject({ kind: 'refused', code: 'not-permitted' });
  });
});

test('a host that is asked for as a database is no target', async () => {
  const ports = { purpose: 'session', target: 'web1', session: 's_1', shown: TOKEN } as const;
  const answer = await ask(ports as never); // Asked for as a database, which a host is not.
  expect(answer).toMatchObject({ kind: 'refused', code: 'unknown-target' });
});
