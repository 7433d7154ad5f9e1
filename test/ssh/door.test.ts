// Stock OpenSSH at the door: what it negotiates, how it logs in, and that it takes a new key in the middle of a transfer.
import { readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parsePublicKey } from '../../core/config/ssh-public-key.ts';
import type { SshUserCa } from '../../core/config/config.ts';
import { judgeProof } from '../../core/ssh/certificate-proof.ts';
import { PROOF_NAMESPACE } from '../../core/ssh/login.ts';
import { sshsigSigner } from '../../core/ssh/sshsig.ts';
import { knownHostsLine } from '../../proxy-task/ssh/host-key.ts';
import type { SshCandidate } from '../../proxy-task/ssh/listener.ts';
import { SshDoor, type DoorOptions } from '../support/ssh-door.ts';
import { SshHome, type Finished } from '../support/ssh-program.ts';

let home: SshHome;
let door: SshDoor;
const doors: SshDoor[] = [];
beforeEach(() => {
  home = new SshHome();
});
afterEach(async () => {
  await Promise.all(doors.splice(0).map((one) => one.close()));
  home.remove();
});

async function open(options?: DoorOptions): Promise<void> {
  door = await SshDoor.open(options);
  doors.push(door);
  door.knows('t.o.k');
  writeFileSync(home.path('known_hosts'), `${knownHostsLine('127.0.0.1', door.listener.port, door.hostKey.publicKey)}\n`);
}

/** `ssh` with the pinned key of the gateway. */
function ssh(options: readonly string[], command: string, { user = 'web1', input = '' } = {}): Promise<Finished> {
  const pinned = ['-F', 'none', '-o', `UserKnownHostsFile=${home.path('known_hosts')}`, '-o', 'StrictHostKeyChecking=yes'];
  const args = [...pinned, '-p', String(door.listener.port), ...options, `${user}@127.0.0.1`, command];
  return home.run('ssh', args, { input });
}
const withKey = (path: string): string[] => ['-o', 'BatchMode=yes', '-o', 'IdentitiesOnly=yes', '-i', path];
const blobOf = (path: string): Buffer => Buffer.from(parsePublicKey(readFileSync(`${path}.pub`, 'utf8'))?.blob ?? []);

describe('OpenSSH', () => {
  test.each([
    ['ed25519', []],
    ['ecdsa', ['-b', '256']],
    ['ecdsa', ['-b', '384']],
    ['rsa', ['-b', '3072']],
  ])('logs in with a registered key: %s %j', async (type, options) => {
    await open();
    const key = await home.key('key', '-t', type, ...options);
    door.register('key', blobOf(key), 't.o.k');
    const { status, stdout, stderr } = await ssh(withKey(key), 'hostname', { user: 'deploy+web1' });
    expect(stderr).toBe('');
    expect(stdout.toString()).toBe('agent-7 hostname\n');
    expect(status).toBe(0);
    expect(door.candidates[0]).toMatchObject({ account: 'deploy', targetName: 'web1', auth: { method: 'key' } });
    expect(door.candidates[0]?.clientVersion).toMatch(/^OpenSSH_/);
  });

  test('tries its other keys and finds the registered one', async () => {
    await open();
    const keys = await Promise.all(['one', 'two', 'three'].map((name) => home.key(name, '-t', 'ed25519')));
    door.register('key', blobOf(keys[2] ?? ''), 't.o.k');
    const { stdout } = await ssh(keys.flatMap(withKey), 'id');
    expect(stdout.toString()).toBe('agent-7 id\n');
    expect(door.refused).toEqual([]);
  });

  test('with a key that is not registered learns nothing but that', async () => {
    await open();
    const { status, stderr } = await ssh(withKey(await home.key('key', '-t', 'ed25519')), 'id');
    expect(status).toBe(255);
    expect(stderr.trim()).toBe('web1@127.0.0.1: Permission denied (publickey,password,keyboard-interactive).');
    expect(door.refused).toMatchObject([{ label: 'web1', reason: 'the key is not registered, or no longer' }]);
  });

  test.each([
    ['password', 'password'],
    ['keyboard-interactive', 'keyboard-interactive'],
  ])('logs in with a code by %s', async (_, method) => {
    await open();
    const code = 'c'.repeat(43);
    door.register('code', code, 't.o.k');
    writeFileSync(home.path('ask'), `#!/bin/sh\necho ${code}\n`, { mode: 0o700 });
    const env = { SSH_ASKPASS: home.path('ask'), SSH_ASKPASS_REQUIRE: 'force', DISPLAY: 'none' };
    const pinned = ['-F', 'none', '-o', `UserKnownHostsFile=${home.path('known_hosts')}`, '-p', String(door.listener.port)];
    const args = [...pinned, '-o', `PreferredAuthentications=${method}`, '-o', 'NumberOfPasswordPrompts=1', 'web1@127.0.0.1', 'id'];
    expect((await home.run('ssh', args, { env })).stdout.toString()).toBe('agent-7 id\n');
    expect((await home.run('ssh', args, { env })).status).toBe(255);
  });

  test.each([
    ['curve25519-sha256', 'chacha20-poly1305@openssh.com'],
    ['curve25519-sha256', 'aes256-gcm@openssh.com'],
    ['ecdh-sha2-nistp384', 'aes128-gcm@openssh.com'],
    ['ecdh-sha2-nistp256', 'aes256-ctr'],
  ])('agrees on %s and %s', async (kex, cipher) => {
    await open();
    const key = await home.key('key', '-t', 'ed25519');
    door.register('key', blobOf(key), 't.o.k');
    const { stdout } = await ssh([...withKey(key), '-o', `KexAlgorithms=${kex}`, '-c', cipher], 'id');
    expect(stdout.toString()).toBe('agent-7 id\n');
    expect(door.candidates[0]?.encryption).toBe(`SSH-2.0 ${kex} ${cipher}`);
  });

  test.each([
    ['-o', 'KexAlgorithms=diffie-hellman-group14-sha1'],
    ['-o', 'KexAlgorithms=diffie-hellman-group14-sha256'],
    ['-o', 'HostKeyAlgorithms=ssh-rsa'],
    ['-c', 'aes128-cbc'],
  ])('finds no old algorithm: %s %s', async (...options) => {
    await open();
    const { status, stderr } = await ssh(['-o', 'BatchMode=yes', ...options], 'id');
    expect(status).toBe(255);
    expect(stderr).toContain('no matching');
  });

  test('another host key ends the connection before anything is shown', async () => {
    await open();
    const first = readFileSync(home.path('known_hosts'), 'utf8');
    const port = door.listener.port;
    await open();
    writeFileSync(home.path('known_hosts'), first.replace(String(port), String(door.listener.port)));
    const { stderr } = await ssh(['-o', 'BatchMode=yes'], 'id');
    expect(stderr).toContain('Host key verification failed');
    expect(door.refused).toEqual([]);
  });

  test('takes new keys in the middle of a transfer, both ways', async () => {
    await open({ onClient: echo });
    const key = await home.key('key', '-t', 'ed25519');
    door.register('key', blobOf(key), 't.o.k');
    const sent = Buffer.alloc(24 * 1024 * 1024, 'sallyport ');
    const finished = await ssh([...withKey(key), '-v', '-o', 'RekeyLimit=1M'], 'cat', { input: sent.toString('latin1') });
    expect(finished.stdout.equals(sent)).toBe(true);
    expect(finished.stderr.match(/rekeying in progress|enqueue packet|SSH2_MSG_NEWKEYS received/g)?.length ?? 0).toBeGreaterThan(10);
  });
});

describe('OpenSSH certificates', () => {
  let authorities: readonly SshUserCa[];

  /** A door that trusts a fresh authority, and a key with its certificate. */
  async function certified(options: readonly string[], ...keyType: readonly string[]): Promise<string> {
    const ca = await home.key('ca', '-t', 'ed25519');
    authorities = [{ issuer: 'corp', publicKey: { type: 'ssh-ed25519', blob: blobOf(ca) }, agentFrom: 'keyId' }];
    await open({ authorities });
    const key = await home.key('key', ...(keyType.length === 0 ? ['-t', 'ed25519'] : keyType));
    const signed = await home.run('ssh-keygen', ['-q', '-s', ca, '-I', 'agent-9', ...options, `${key}.pub`]);
    expect(signed.status).toBe(0);
    return key;
  }
  const login = (key: string, user = 'web1'): Promise<Finished> =>
    ssh([...withKey(key), '-o', `CertificateFile=${key}-cert.pub`], 'id', { user });

  test.each([
    ['ed25519', ['-t', 'ed25519']],
    ['ecdsa', ['-t', 'ecdsa']],
    ['rsa', ['-t', 'rsa', '-b', '2048']],
  ])('let their agent in: %s', async (_, type) => {
    const key = await certified(['-n', 'web1', '-V', '+5m'], ...type);
    expect((await login(key)).stdout.toString()).toBe('agent-9 id\n');
    expect(door.candidates[0]).toMatchObject({
      identity: { kind: 'certificate', principal: { issuer: 'corp', agent: 'agent-9' } },
      auth: { method: 'certificate' },
      restrictions: { pty: true, forward: true, command: undefined },
    });
    // Whoever was not there reads the same from what the client has shown.
    const identity = door.candidates[0]?.identity;
    const proof = identity?.kind === 'certificate' ? identity.proof : undefined;
    const context = { authorities, agents: [], defaultAccount: () => 'deploy', nowMs: Date.now() };
    expect(proof === undefined ? undefined : judgeProof(proof, context)).toMatchObject({
      kind: 'proven',
      principal: { agent: 'agent-9' },
      targetName: 'web1',
    });
  });

  test.each([
    ['for another target', ['-n', 'db1', '-V', '+5m']],
    ['that has ended', ['-n', 'web1', '-V', '20200101:20200102']],
    ['without an end', ['-n', 'web1']],
    ['for another address', ['-n', 'web1', '-V', '+5m', '-O', 'source-address=10.0.0.0/8']],
    ['that demands what is not known', ['-n', 'web1', '-V', '+5m', '-O', 'critical:moon=full']],
  ])('%s let nobody in', async (_, options) => {
    expect((await login(await certified(options))).status).toBe(255);
    expect(door.candidates).toEqual([]);
  });

  test('of the account let in to that account', async () => {
    const key = await certified(['-n', 'root', '-V', '+5m', '-O', 'source-address=127.0.0.1', '-O', 'clear', '-O', 'force-command=uptime']);
    expect((await login(key)).status).toBe(255);
    expect((await login(key, 'root+web1')).stdout.toString()).toBe('agent-9 id\n');
    expect(door.candidates[0]?.restrictions).toEqual({ pty: false, forward: false, command: 'uptime' });
  });
});

test('what ssh-keygen signs is the proof that the API takes', async () => {
  const key = await home.key('key', '-t', 'ed25519');
  const { stdout } = await home.run('ssh-keygen', ['-Y', 'sign', '-q', '-f', key, '-n', PROOF_NAMESPACE], { input: 'the message' });
  expect(sshsigSigner(stdout.toString(), 'the message', PROOF_NAMESPACE)?.blob).toEqual(blobOf(key));
});

/** Sends back what it gets. */
function echo(candidate: SshCandidate): void {
  const { connection } = candidate;
  connection.on('session', (accept) => {
    accept().on('exec', (acceptExec) => {
      const channel = acceptExec();
      channel.pipe(channel.stdin, { end: false });
      channel.on('end', () => {
        channel.exit(0);
        channel.end();
      });
    });
  });
}
