// From a token to a command on a host, with nothing but the printed lines: the verb, the API, stock ssh, and what is on record.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, afterEach, expect, test } from 'vitest';
import { verb } from '../../cli/ssh-key.ts';
import { startEmbeddedHost, type EmbeddedHost } from '../support/embedded-host.ts';
import { startHostGateway, type HostGateway } from '../support/host-gateway.ts';
import { SshHome } from '../support/ssh-program.ts';
import { keptIo } from '../support/verb-io.ts';

let host: EmbeddedHost;
let gateway: HostGateway;
let home: SshHome;
beforeAll(async () => {
  host = await startEmbeddedHost();
  gateway = await startHostGateway(host);
});
afterAll(async () => {
  await gateway.stop();
  await host.stop();
});
beforeEach(() => {
  home = new SshHome();
});
afterEach(() => home.remove());

/** What `sallyport ssh-key … --json` prints for an agent of this name. */
async function sshKey(args: readonly string[], principal = 'agent-7', ttlSeconds = 300) {
  const token = await gateway.issuer.mintToken({ principal, groups: ['all'], ttlSeconds });
  const io = keptIo({ env: { SALLYPORT_DATA: gateway.dataDir, SALLYPORT_TOKEN: token } });
  await verb.run([...args, '--json', '--target', 'web1'], io);
  // Written by the verb.
  return JSON.parse(io.written.stdout) as { readonly command: string; readonly knownHosts: string; readonly code?: string };
}

/** Runs the printed command as it stands, with the printed line as the only known host. */
async function runPrinted({ command, knownHosts }: { readonly command: string; readonly knownHosts: string }, remote: string, env = {}) {
  writeFileSync(home.path('known_hosts'), `${knownHosts}\n`);
  const [program = '', ...args] = command.split(' ');
  const pinned = ['-F', 'none', '-o', `UserKnownHostsFile=${home.path('known_hosts')}`, '-o', 'StrictHostKeyChecking=yes'];
  return home.run(program, [...pinned, ...args, remote], { env });
}

/** All of the evidence that stands outside of sessions and in them, as text. */
function evidence(): string {
  const { evidenceDir } = gateway.machine;
  const files = readdirSync(evidenceDir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files.map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8')).join('');
}

test('a registered key runs a command with the printed lines', async () => {
  const printed = await sshKey([await home.key('key', '-t', 'ed25519')]);
  const { stdout, stderr, status } = await runPrinted(printed, 'echo hello world');
  expect({ stdout: stdout.toString(), stderr, status }).toEqual({ stdout: 'hello world\n', stderr: '', status: 0 });
});

test('so does a code, once', async () => {
  const printed = await sshKey(['--code']);
  writeFileSync(home.path('ask'), `#!/bin/sh\necho ${printed.code}\n`, { mode: 0o700 });
  const env = { SSH_ASKPASS: home.path('ask'), SSH_ASKPASS_REQUIRE: 'force', DISPLAY: 'none' };
  expect((await runPrinted(printed, 'echo once', env)).stdout.toString()).toBe('once\n');
  const again = await runPrinted(printed, 'echo twice', env);
  expect(again.status).toBe(255);
  expect(again.stdout.toString()).toBe('');
});

test('a key of one agent is not registered by another', async () => {
  const key = await home.key('key', '-t', 'ed25519');
  await sshKey([key], 'agent-7');
  await expect(sshKey([key], 'agent-8')).rejects.toThrow('registered for another principal');
});

test('a key of RSA, which signs with SHA-2 only, is as good', async () => {
  const printed = await sshKey([await home.key('key', '-t', 'rsa', '-b', '3072')]);
  expect((await runPrinted(printed, 'echo rsa')).stdout.toString()).toBe('rsa\n');
});

test('a registration ends with its token, and the refusal is on record', async () => {
  const printed = await sshKey([await home.key('key', '-t', 'ed25519')], 'agent-7', 2);
  // While the token ends, a log-in may still be taken and its session is not.
  const refused = async (): Promise<boolean> =>
    (await runPrinted(printed, 'echo late')).status === 255 && evidence().includes('the key is not registered, or no longer');
  await expect.poll(refused, { timeout: 30_000, interval: 500 }).toBe(true);
});
