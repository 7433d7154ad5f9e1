/** The demo's host: a real sshd where one is installed and lets this account in, else a small one in this process. */
import { randomInt } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import ssh2 from 'ssh2';
import { makeHostKey, readHostKey, type HostKey } from '../../proxy-task/ssh/host-key.ts';
import { startEmbeddedHost } from './embedded-host.ts';
import { ensureHostFiles } from './host-files.ts';
import { findSshd, startOpenSsh } from './openssh-host.ts';

const PROBE_TIMEOUT_MS = 5_000;
const PORT_ATTEMPTS = 5;

export type DemoHost = {
  /** `openssh`: the machine's own sshd and shell; `embedded`: a few programs without a shell, and files to read. */
  readonly kind: 'openssh' | 'embedded';
  readonly port: number;
  readonly account: string;
  /** `SHA256:…` */
  readonly hostKey: string;
  /** The private key that logs in: a target's `credential: file:<path>`. */
  readonly keyFile: string;
  stop(): Promise<void>;
};

/** Starts it on loopback, in `<dataDir>/demo-host`. It ends with this process. Throws DemoHostUnusable. */
export async function startDemoHost(options: { readonly dataDir: string; readonly sshd?: string | undefined }): Promise<DemoHost> {
  const { isPlain } = ensureHostFiles();
  const folder = resolve(options.dataDir, 'demo-host');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const hostKeyFile = join(folder, 'host-key');
  const keyFile = join(folder, 'agent-key');
  const hostKey = keyIn(hostKeyFile);
  const clientKey = keyIn(keyFile);
  const { username: account } = userInfo();
  const known = { account, hostKey: hostKey.fingerprint, keyFile };
  // macOS has links in the path: there only a host that is made for it says where files are as policies do.
  const program = !isPlain ? undefined : 'sshd' in options ? options.sshd : findSshd();
  const attempts = program === undefined ? [] : Array.from({ length: PORT_ATTEMPTS }, () => program);
  for (const sshd of attempts) {
    // Below the ports that connections take for themselves.
    const port = randomInt(20_000, 32_000);
    const started = await startOpenSsh(sshd, { folder, port, hostKeyFile, clientKey: clientKey.publicKey });
    if (started === undefined) continue;
    if (await runsCommands(port, account, clientKey)) return { kind: 'openssh', port, ...known, stop: () => started.stop() };
    // An account without a shell, for one: another port would not help.
    await started.stop();
    break;
  }
  const embedded = await startEmbeddedHost({ hostKey: hostKey.privateKey, clientKey: clientKey.publicKey });
  return { kind: 'embedded', port: embedded.port, ...known, stop: () => embedded.stop() };
}

/** The key in a file that only its owner can read; made when the file is not there. */
function keyIn(path: string): HostKey {
  if (!existsSync(path)) writeFileSync(path, makeHostKey().privateKey, { mode: 0o600, flag: 'wx' });
  return readHostKey(readFileSync(path, 'utf8'), path);
}

/** Whether a command that is sent there runs, and says nothing but what it should. */
function runsCommands(port: number, username: string, key: HostKey): Promise<boolean> {
  const client = new ssh2.Client();
  return new Promise<boolean>((resolved) => {
    let output = '';
    client.on('error', () => resolved(false));
    client.on('close', () => resolved(false));
    client.on('ready', () =>
      client.exec('echo ready', (error, channel) => {
        if (error !== undefined) {
          resolved(false);
          return;
        }
        channel.on('data', (chunk: Buffer) => (output += chunk.toString()));
        channel.on('close', () => resolved(output === 'ready\n'));
      }),
    );
    client.connect({ host: '127.0.0.1', port, username, privateKey: key.privateKey, readyTimeout: PROBE_TIMEOUT_MS });
  }).finally(() => client.end());
}
