import { describe, expect, test } from 'vitest';
import { readConfig } from '../../../core/config/read-config.ts';
import { unfitForAws } from '../../../core/config/fit-for-aws.ts';
import { unfitForOneMachine } from '../../../core/config/fit-for-one-machine.ts';
import { findDatabase, findHost, type SshTarget } from '../../../core/target.ts';

// Made by ssh-keygen for these tests; nobody holds the private part.
const HOST_KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBEREREREREREREREREREREREREREREREREREREREREREREREQ==';
const FINGERPRINT = 'SHA256:MxlaJtZpo/VdrRG0dsGQHxhfRlAKTFu4QJDO2q0uIG8';

const HOST = `
  - name: web1
    kind: ssh
    host: web1.internal
    accounts: [deploy, root]
    hostKeys: ['${FINGERPRINT}']
    credential: sshCa
`;

function files(targets: string, more: Readonly<Record<string, string>> = {}, head = ''): Map<string, string> {
  const main = `${head}issuers: [{ name: corp, issuer: 'https://id.corp.example', audience: sallyport }]\ntargets:${targets}`;
  const policy = '@id("in") permit (principal, action == Action::"connect", resource in Target::"web1");';
  return new Map(Object.entries({ 'sallyport.yaml': main, 'policies/p.cedar': policy, ...more }));
}

function host(targets: string, head = ''): SshTarget {
  const reading = readConfig(files(targets, {}, head), {});
  if ('errors' in reading) throw new Error(JSON.stringify(reading.errors, undefined, 1));
  const found = findHost(reading.config.targets, 'web1');
  if (found === undefined) throw new Error('there is no web1');
  return found;
}

function refusals(targets: string, more: Readonly<Record<string, string>> = {}, head = ''): readonly string[] {
  const reading = readConfig(files(targets, more, head), {});
  return 'errors' in reading ? reading.errors.map(({ file, line, message, fix }) => `${file}:${line} ${message} | ${fix}`) : [];
}

describe('a host among the targets', () => {
  test('has what nothing was said about from the defaults', () => {
    expect(host(HOST)).toEqual({
      kind: 'ssh',
      name: 'web1',
      host: 'web1.internal',
      port: 22,
      accounts: ['deploy', 'root'],
      hostKeys: [FINGERPRINT],
      credential: { kind: 'sshCa' },
      shell: 'posix',
      environment: ['LANG', 'LC_*', 'TZ'],
      limits: {
        maxBytes: 256 * 1024 * 1024,
        budgets: [],
        maxSessionMs: 8 * 3_600_000,
        idleMs: 30 * 60_000,
        maxStatementBytes: 65_536,
        maxChannels: 64,
      },
      recordContent: 'rows',
      detectors: [],
      blockFindings: 'read',
    });
  });

  test('is found as a host only, and a database as a database only', () => {
    const both = `${HOST}  - { name: bank, host: db, user: u, credential: rdsIam }\n`;
    const reading = readConfig(files(both), {});
    if ('errors' in reading) throw new Error(JSON.stringify(reading.errors));
    const { targets } = reading.config;
    expect([
      findHost(targets, 'web1')?.kind,
      findHost(targets, 'bank'),
      findDatabase(targets, 'bank')?.kind,
      findDatabase(targets, 'web1'),
    ]).toEqual(['ssh', undefined, 'postgres', undefined]);
  });

  test('is pinned to the fingerprint of a key that is written out', () => {
    expect(host(HOST.replace(FINGERPRINT, `${HOST_KEY} root@web1`)).hostKeys).toEqual([
      expect.stringMatching(/^SHA256:[A-Za-z0-9+/]{43}$/),
    ]);
  });

  test('takes limits of all targets as far as they mean something on a host', () => {
    const head =
      'limits: { maxRows: 5, maxBytes: 77, budgets: [{ per: day, measure: rows, limit: 1 }, { per: day, measure: bytes, limit: 2 }] }\n';
    expect(host(HOST, head).limits).toMatchObject({ maxBytes: 77, budgets: [{ per: 'day', measure: 'bytes', limit: 2 }] });
    expect(host(HOST, head).limits).not.toHaveProperty('maxRows');
  });

  test.each([
    ['a key that is none', HOST.replace(FINGERPRINT, 'SHA256:short'), 'sallyport.yaml:7 it is neither a public key nor a fingerprint'],
    ['a key whose blob names another type', HOST.replace(FINGERPRINT, HOST_KEY.replace('ssh-ed25519', 'ssh-rsa')), 'neither a public key'],
    ['no pinned key', HOST.replace(`['${FINGERPRINT}']`, '[]'), 'hostKeys` must NOT have fewer than 1 items'],
    ['no account', HOST.replace('[deploy, root]', '[]'), 'accounts` must NOT have fewer than 1 items'],
    ['an account that would be read as two names', HOST.replace('deploy', 'a+b'), 'A user name of the host'],
    ['a password in place of a reference', HOST.replace('sshCa', 'hunter2'), 'the credential is no reference'],
    ['an IAM login, which no host has', HOST.replace('sshCa', 'rdsIam'), 'the credential is no reference'],
    ['a key of a database', `${HOST}    database: x\n`, 'unknown key `database`'],
    ['reads that are not recorded', `${HOST}    readsUnrecorded: true\n`, 'unknown key `readsUnrecorded`'],
    ['limits on rows', `${HOST}    limits: { maxRows: 5 }\n`, 'unknown key `maxRows`'],
    ['a variable by which the loader runs code', `${HOST}    environment: [LD_PRELOAD]\n`, '`LD_PRELOAD` changes what a command runs'],
    ['variables that start like those', `${HOST}    environment: ['GIT_*']\n`, '`GIT_*` changes what a command runs'],
    ['every variable', `${HOST}    environment: ['L*']\n`, '`L*` changes what a command runs'],
    [
      'the settings of the gateway itself',
      `${HOST}    environment: [SALLYPORT_REASON]\n`,
      '`SALLYPORT_REASON` changes what a command runs',
    ],
    ['an instance that is pushed nothing to', `${HOST}    instanceId: i-0123456789abcdef0\n`, 'sshCa names no instance'],
    ['Instance Connect without an instance', HOST.replace('sshCa', 'instanceConnect'), 'and none is named'],
    ['an id that is of no instance', `${HOST.replace('sshCa', 'instanceConnect')}    instanceId: mi-0123456789abcdef0\n`, 'instanceId'],
    ['addresses that are none', `${HOST}    sourceAddresses: [10.0.0.0/33]\n`, 'it is neither an address nor a range of addresses'],
    ['addresses where nothing can say them', `${HOST.replace('sshCa', 'file:/k')}    sourceAddresses: [10.0.0.1]\n`, 'remove them'],
    ['a kind that does not exist', HOST.replace('kind: ssh', 'kind: telnet'), 'use one of postgres, ssh'],
  ])('is refused with %s', (_, targets, message) => {
    expect(refusals(targets).join('\n')).toContain(message);
  });

  test('says each mistake once', () => {
    expect(refusals(HOST.replace('accounts: [deploy, root]', 'account: deploy'))).toHaveLength(2);
  });

  test('takes no column masks, but patterns', () => {
    const columns = 'columns: [{ target: web1, column: a.b.c, method: redact }]\n';
    expect(refusals(HOST, { 'masking.yaml': columns }).join()).toContain('`web1` is a host, which has no columns');
    const reading = readConfig(files(HOST, { 'masking.yaml': 'patterns: [{ target: web1, detectors: [us-ssn] }]\n' }), {});
    expect('config' in reading && findHost(reading.config.targets, 'web1')?.detectors).toEqual(['us-ssn']);
  });

  test('has no tables in policies, and a database no files', () => {
    const rule = (resource: string) => ({ 'policies/q.cedar': `@id("q") forbid (principal, action, resource in ${resource});` });
    expect(refusals(HOST, rule('Table::"web1.a.b"')).join()).toContain('`web1` is a host, which has no Table');
    const bank = `${HOST}  - { name: bank, host: db, user: u, credential: rdsIam }\n`;
    expect(refusals(bank, rule('File::"bank:/srv"')).join()).toContain('`bank` is a database, which has no File');
    expect(refusals(bank, rule('File::"web1:/srv"'))).toEqual([]);
  });
});

describe('listeners and authorities of SSH', () => {
  test('are not there unless the configuration names them', () => {
    const reading = readConfig(files(HOST), {});
    expect('config' in reading && [reading.config.listeners.ssh, reading.config.sshUserCas]).toEqual([undefined, []]);
  });

  test('may be reachable from outside, since SSH encrypts itself', () => {
    const reading = readConfig(files(HOST, {}, 'listeners: { ssh: { host: 0.0.0.0 } }\n'), {});
    expect('config' in reading && reading.config.listeners.ssh).toEqual({ host: '0.0.0.0', port: 2222 });
  });

  test('name agents of a configured issuer, by a key that is public', () => {
    const ca = (issuer: string, key: string) => `sshUserCas: [{ issuer: ${issuer}, publicKey: '${key}' }]\n`;
    const reading = readConfig(files(HOST, {}, ca('corp', HOST_KEY)), {});
    expect('config' in reading && reading.config.sshUserCas).toMatchObject([
      { issuer: 'corp', agentFrom: 'keyId', publicKey: { type: 'ssh-ed25519' } },
    ]);
    expect(refusals(HOST, {}, ca('other', HOST_KEY)).join()).toContain('no issuer is called `other`');
    expect(refusals(HOST, {}, ca('corp', '-----BEGIN OPENSSH PRIVATE KEY-----')).join()).toContain('it is no public key');
  });
});

describe('a host in a bundle for AWS', () => {
  const unfit = (credential: string, accounts = '[deploy, root]'): string => {
    const map = files(HOST.replace('credential: sshCa', credential).replace('[deploy, root]', accounts));
    const reading = readConfig(map, {});
    return 'config' in reading
      ? unfitForAws(Object.fromEntries(map), reading.config)
          .map(({ message }) => message)
          .join()
      : JSON.stringify(reading);
  };
  test('needs no role for certificates of our own, and one for what is had in its account', () => {
    expect(unfit('credential: sshCa')).toBe('');
    expect(unfit('credential: file:/k')).toContain('names something of one machine');
    expect(unfit('credential: instanceConnect\n    instanceId: i-0123456789abcdef0')).toContain('none is named');
    const role = 'assume: { role: "arn:aws:iam::222222222222:role/web1" }';
    expect(unfit(`credential: instanceConnect\n    instanceId: i-0123456789abcdef0\n    ${role}`)).toContain(
      'region of `web1` is not known',
    );
  });

  test('has accounts as EC2 Instance Connect takes them', () => {
    const role = 'assume: { role: "arn:aws:iam::222222222222:role/web1", region: eu-central-1 }';
    const connect = `credential: instanceConnect\n    instanceId: i-0123456789abcdef0\n    ${role}`;
    expect(unfit(connect)).toBe('');
    expect(unfit(connect, '[deploy, 7up]')).toBe('EC2 Instance Connect takes no user name like `7up`');
  });
});

describe('a host on one machine', () => {
  const unfit = (credential: string, head: string): readonly string[] => {
    const map = files(HOST.replace('credential: sshCa', credential), {}, head);
    const reading = readConfig(map, {});
    if ('errors' in reading) throw new Error(JSON.stringify(reading.errors));
    return unfitForOneMachine(Object.fromEntries(map), reading.config).map(({ line, message, fix }) => `${line} ${message} | ${fix}`);
  };
  const listeners = 'listeners: { ssh: {} }\n';

  test.each([
    ['instanceConnect', 'credential: instanceConnect\n    instanceId: i-0123456789abcdef0'],
    ['secretsManager', 'credential: "secretsManager:arn:aws:secretsmanager:eu-central-1:222222222222:secret:web1-a1B2c3"'],
  ])('has no %s, and is told so by the line', (kind, credential) => {
    expect(unfit(credential, listeners)).toEqual([
      `9 ${kind} is had through a role that a function beside the gateway assumes, and there is none on one machine | use sshCa, env:NAME or file:PATH; or check it with --aws`,
    ]);
    // Without a listener for it the configuration is for AWS.
    expect(unfit(credential, '')).toEqual([]);
  });

  test.each(['credential: sshCa', 'credential: file:/k', 'credential: env:K'])('has %s', (credential) => {
    expect(unfit(credential, listeners)).toEqual([]);
  });
});
