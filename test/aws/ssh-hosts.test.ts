// SSH through a task as it is deployed to a real OpenSSH server: each way of logging in to hosts, and each way in for agents.
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import ssh2, { type Client } from 'ssh2';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { play } from '../../core/evidence/play.ts';
import { listRecordings, readRecording } from '../../core/evidence/recordings.ts';
import { directorySource } from '../../standalone/evidence/directory-source.ts';
import { run } from '../support/host-gateway.ts';
import { SshHost } from '../support/ssh-host.ts';
import { SshHome, type Finished } from '../support/ssh-program.ts';
import { ACCOUNT, REGION } from '../support/synthesized-template.ts';
import { deploy, type Deployment } from './support/deployment.ts';
import { copyEvidence } from './support/evidence-copy.ts';
import type { ProxyProcess } from './support/proxy-process.ts';

const RULES = {
  policies: `
@id("connect") permit (principal, action == Action::"connect", resource) unless { resource == Target::"closed1" };
@id("all") permit (principal in Group::"demo/all", action in [Action::"all", Action::"unknown"], resource);
`,
  masking: 'columns: []\npatterns: []\n',
};
const INSTANCE = 'i-0123456789abcdef0';

let deployment: Deployment;
let task: ProxyProcess;
let home: SshHome;
/** Takes the key in the secret; certificates of the authority in KMS; keys that were pushed. */
let byKey: SshHost;
let byCertificate: SshHost;
let byPush: SshHost;
const trusted = (): string => home.path('trusted.pub');
const keptKeys = (): string => home.path('pushed');
const pushes: { readonly InstanceId: string; readonly InstanceOSUser: string }[] = [];
const account = userInfo().username;

const role = (target: string): string => `arn:aws:iam::${ACCOUNT}:role/sallyport/sallyport-prod-target-${target}`;
const target = (name: string, host: SshHost, credential: string, more = ''): string =>
  `  - { name: ${name}, kind: ssh, host: 127.0.0.1, port: ${host.port}, accounts: [${account}], hostKeys: ['${host.hostKey}'], credential: ${credential}${more} }`;

beforeAll(async () => {
  home = new SshHome();
  writeFileSync(trusted(), '');
  writeFileSync(keptKeys(), '');
  deployment = await deploy();
  byKey = await SshHost.start({ config: 'LogLevel VERBOSE' });
  byCertificate = await SshHost.start({ config: `TrustedUserCAKeys ${trusted()}\nAuthorizedKeysFile none\nLogLevel VERBOSE` });
  // As EC2 does it: whoever logs in is asked for in what was pushed.
  const pushed = `AuthorizedKeysCommand /bin/cat ${keptKeys()}\nAuthorizedKeysCommandUser ${account}\nLogLevel VERBOSE`;
  byPush = await SshHost.start({ config: pushed });
  for (const host of [byCertificate, byPush]) writeFileSync(host.path('keys/authorized'), '');
  deployment.onKeyPush((push) => {
    pushes.push(push);
    if (push.InstanceId === INSTANCE) appendFileSync(keptKeys(), `${push.SSHPublicKey}\n`);
  });
  const { ARN: secret = '' } = await new SecretsManagerClient({}).send(
    new CreateSecretCommand({ Name: 'hosts/key1', SecretString: byKey.clientKey }),
  );
  const ca = await home.key('agents-ca', '-t', 'ed25519');
  const version = await deployment.publish({
    ...RULES,
    targets: [
      target('key1', byKey, `'secretsManager:${secret}'`, `, assume: { role: '${role('key1')}', region: ${REGION} }`),
      target('ca1', byCertificate, 'sshCa'),
      target('elsewhere1', byCertificate, 'sshCa', ', sourceAddresses: [10.65.0.0/20]'),
      target('closed1', byCertificate, 'sshCa'),
      target('ec1', byPush, 'instanceConnect', `, instanceId: ${INSTANCE}, assume: { role: '${role('ec1')}', region: ${REGION} }`),
      target('ec2', byPush, 'instanceConnect', `, instanceId: i-0fedcba9876543210, assume: { role: '${role('ec2')}', region: ${REGION} }`),
    ].join('\n'),
    top: `sshUserCas: [{ issuer: demo, publicKey: '${readFileSync(`${ca}.pub`, 'utf8').trim()}' }]`,
    // Of a certificate nothing else says groups.
    agents: '\n  - { name: demo/agent-9, groups: [demo/all] }',
  });
  task = await deployment.startTask();
  // Functions that start for the first time on a busy machine take longer than a login waits.
  const token = await deployment.token();
  const warm = (name: string, event: object): Promise<unknown> =>
    vi.waitFor(() => deployment.invoke(name, { target: 'key1', version, token, ...event }), { timeout: 120_000, interval: 500 });
  await warm('evaluate-policy', { kind: 'connect' });
  await warm('lookup-masking', {});
  await warm('issue-credential', { purpose: 'host', target: 'nobody', account: 'nobody', session: 's_0' });
}, 600_000);
afterAll(async () => {
  for (const client of clients) client.end();
  await deployment?.stop();
  for (const host of [byKey, byCertificate, byPush]) await host?.stop();
  home.remove();
});

const clients: Client[] = [];
const connect = async (user: string): Promise<Client> => {
  const password = await deployment.token();
  const client = new ssh2.Client();
  clients.push(client);
  await new Promise<void>((resolve, reject) => {
    client.once('ready', resolve).once('error', reject);
    client.connect({ host: '127.0.0.1', port: task.sshPort, username: user, password });
  });
  client.on('error', () => undefined);
  return client;
};
const runOn = async (user: string, command: string) => {
  const ran = await run(await connect(user), command);
  return { ...ran, stdout: ran.stdout.toString() };
};
const authority = async (): Promise<string> => {
  const { status, stdout } = await deployment.sallyport('ssh-ca', '--aws', '--instance', 'prod');
  expect(status).toBe(0);
  return stdout;
};

test('a task says which ciphers it has in native code', () => {
  const ready = task.lines.find((line) => line.includes('"event":"ready"')) ?? '{}';
  // The line is its own.
  const { ssh } = JSON.parse(ready) as { readonly ssh: { readonly nativeCiphers: readonly string[] } };
  expect(ssh.nativeCiphers).toContain('aes128-gcm@openssh.com');
});

describe('with the key in a secret', () => {
  test('a command runs, and ends as it does there', async () => {
    expect(await runOn('key1', 'echo hello; exit 3')).toMatchObject({ stdout: 'hello\n', stderr: '', status: 3 });
  });
});

describe('with a certificate of the authority in KMS', () => {
  test('nobody is let in where the host does not trust it', async () => {
    expect(await runOn('ca1', 'echo hello')).toMatchObject({ stdout: '', status: 77 });
  });

  test('a command runs where it does, and the host logs for whom', async () => {
    writeFileSync(trusted(), await authority());
    expect(await runOn('ca1', 'echo hello')).toMatchObject({ stdout: 'hello\n', stderr: '', status: 0 });
    await expect
      .poll(() => byCertificate.log.join(''))
      .toMatch(/Accepted certificate ID "sallyport agent=demo\/agent-7 session=s_\w+" \(serial \d+\)/);
  });

  test('it is good from the addresses of its target alone', async () => {
    expect(await runOn('elsewhere1', 'echo hello')).toMatchObject({ stdout: '', status: 77 });
    await expect.poll(() => byCertificate.log.join('')).toContain('with valid certificate but not from a permitted source address');
  });

  test('ssh-keygen reads the authority as a key on P-256', async () => {
    writeFileSync(home.path('authority.pub'), await authority());
    const { stdout } = await home.run('ssh-keygen', ['-l', '-f', home.path('authority.pub')]);
    expect(stdout.toString()).toMatch(/^256 SHA256:\S+ .*\(ECDSA\)/);
  });
});

describe('with a key that is pushed', () => {
  test('a command runs on the instance that took it', async () => {
    expect(await runOn('ec1', 'echo hello')).toMatchObject({ stdout: 'hello\n', stderr: '', status: 0 });
    expect(pushes).toMatchObject([{ InstanceId: INSTANCE, InstanceOSUser: account }]);
  });

  test('each session has a key of its own', async () => {
    await runOn('ec1', 'true');
    const kept = readFileSync(keptKeys(), 'utf8').trim().split('\n');
    expect([kept.length, new Set(kept).size]).toEqual([2, 2]);
  });

  test('another instance than the one it was pushed to lets nobody in', async () => {
    writeFileSync(keptKeys(), '');
    expect(await runOn('ec2', 'echo hello')).toMatchObject({ stdout: '', status: 77 });
  });
});

describe('an agent with a certificate of its own', () => {
  const ssh = async (user: string, options: readonly string[], keyId = 'agent-9', principals = 'ca1,closed1'): Promise<Finished> => {
    const key = home.path('agent');
    if (!existsSync(key)) await home.key('agent', '-t', 'ed25519');
    const signed = await home.run('ssh-keygen', [
      '-q',
      '-s',
      home.path('agents-ca'),
      '-I',
      keyId,
      '-n',
      principals,
      ...options,
      `${key}.pub`,
    ]);
    expect(signed.status).toBe(0);
    writeFileSync(home.path('known_hosts'), `[127.0.0.1]:${task.sshPort} ${deployment.sshHostKey}\n`);
    const login = ['-o', `UserKnownHostsFile=${home.path('known_hosts')}`, '-o', 'IdentitiesOnly=yes', '-o', 'BatchMode=yes', '-i', key];
    return home.run('ssh', [
      '-F',
      'none',
      ...login,
      '-o',
      `CertificateFile=${key}-cert.pub`,
      '-p',
      String(task.sshPort),
      `${user}@127.0.0.1`,
      'echo hello',
    ]);
  };

  test('is verified by every function itself, and gets what a token gets', async () => {
    const { status, stdout, stderr } = await ssh('ca1', ['-V', '+5m']);
    expect([status, stdout.toString(), stderr]).toEqual([0, 'hello\n', '']);
    await expect.poll(() => byCertificate.log.join('')).toContain('Accepted certificate ID "sallyport agent=demo/agent-9 session=');
    const asked = deployment.services.lambda.calls
      .filter(({ event }) => JSON.stringify(event).includes('"certificate"'))
      .map(({ name }) => name);
    expect(asked.toSorted()).toEqual(['evaluate-policy', 'issue-credential', 'lookup-masking'].map((name) => `sallyport-prod-${name}`));
  });

  test('is let in nowhere else by a task that kept what it has shown', async () => {
    const [last] = deployment.services.lambda.calls.filter(
      ({ name, event }) => name.endsWith('issue-credential') && 'certificate' in Object(event),
    );
    // What the task had sent, once more and for something else.
    const again = (change: object): Promise<unknown> => deployment.invoke('issue-credential', { ...Object(last?.event), ...change });
    expect(await again({})).toMatchObject({ kind: 'issued' });
    expect(await again({ target: 'key1' })).toMatchObject({ kind: 'refused', code: 'token-refused' });
    expect(await again({ target: 'closed1' })).toMatchObject({ kind: 'refused', code: 'token-refused' });
    expect(await again({ account: 'admin' })).toMatchObject({ kind: 'refused', code: 'not-permitted' });
    expect(await again({ purpose: 'session', target: 'db' })).toMatchObject({ kind: 'refused', code: 'token-refused' });
  });

  test('is refused where policy does not let it in, and where its certificate has ended', async () => {
    expect((await ssh('closed1', ['-V', '+5m'])).status).not.toBe(0);
    expect((await ssh('ca1', ['-V', '20200101:20200102'])).status).not.toBe(0);
  });
});

test('roles allow all of it, and nobody asked for more', () => {
  expect(deployment.refusedByIam).toEqual([]);
});

test('the evidence is intact and complete, and names every credential', async () => {
  for (const client of clients) client.end();
  expect(await task.stop()).toBe(0);
  await deployment.invoke('sweep');
  await deployment.invoke('seal');
  await deployment.invoke('seal');
  const { status, output } = await deployment.sallyport('verify', deployment.evidence);
  expect([status, output]).toEqual([0, expect.stringMatching(/intact {4}yes[\s\S]*complete {2}yes/)]);
  const copy = await copyEvidence(deployment.evidence.slice('s3://'.length));
  const source = directorySource(copy.folder);
  const issued: string[] = [];
  for (const recording of await listRecordings(source)) {
    for await (const scene of play(readRecording(source, recording)))
      if (scene.kind === 'event' && scene.event['type'] === 'credential.issued') issued.push(String(scene.event['credential']));
  }
  copy.remove();
  const kinds = issued.map((credential) => credential.slice(0, credential.indexOf(':'))).toSorted();
  expect(kinds).toEqual(['instanceConnect', 'instanceConnect', 'secretsManager', 'sshCa', 'sshCa']);
});

test('nothing that was written holds a key, a token or a certificate', () => {
  const written = deployment.lines().join('\n');
  expect(written).toContain('"purposeOf":"host"');
  for (const never of [/PRIVATE KEY/, /eyJ[\w-]+\.eyJ/, /AAAAIHNzaC1lZDI1NTE5LWNlcnQ/, /ssh-ed25519/]) expect(written).not.toMatch(never);
});
