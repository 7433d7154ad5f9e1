/**
 * A real OpenSSH server on loopback, with a small tree of files to lose: it takes everything that a host could take, so that what
 * is refused was refused by the gateway. As root or not; its account is the one that runs the suite, with a home folder of its own, or
 * one without rights.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { createHash, randomInt } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join, relative } from 'node:path';
import { makeAccount, type SshAccount } from './ssh-account.ts';

const SERVERS = ['/usr/sbin/sshd', '/usr/local/sbin/sshd', '/usr/bin/sshd'];
const SFTP_SERVERS = [
  '/usr/lib/openssh/sftp-server',
  '/usr/libexec/openssh/sftp-server',
  '/usr/lib/ssh/sftp-server',
  '/usr/libexec/sftp-server',
];
const START_MS = 30_000;
const PORT_ATTEMPTS = 10;

export type SshHostOptions = {
  /** Further lines of sshd_config. */
  readonly config?: string;
  /** A port that is free; a random one by default. */
  readonly port?: number;
  /** An account without rights, and nothing between the server and what it starts: signals of clients arrive. */
  readonly unprivileged?: boolean;
};

export class SshHost {
  /** All that the host may lose stands below it: its own spelling, without links. */
  readonly root: string;
  readonly account: string;
  readonly clientKey: string;
  readonly log: string[] = [];
  hostKey = '';
  port = 0;
  #child: ChildProcess | undefined;
  readonly #options: SshHostOptions;
  readonly #own: SshAccount | undefined;

  private constructor(options: SshHostOptions) {
    this.#options = options;
    this.root = realpathSync(mkdtempSync(join(tmpdir(), 'sallyport-sshd-')));
    for (const name of ['keys', 'home', 'srv']) mkdirSync(this.path(name));
    this.#own = options.unprivileged === true ? makeAccount(this.path('keys'), this.path('home')) : undefined;
    this.account = this.#own?.name ?? userInfo().username;
    this.newHostKey();
    keygen(this.path('keys/client'));
    this.clientKey = readFileSync(this.path('keys/client'), 'utf8');
    writeFileSync(this.path('keys/authorized'), readFileSync(this.path('keys/client.pub')));
    // Commands, shells and sftp start in a home folder of the test's, and have nothing else of the person who runs it.
    const enter = `#!/bin/sh\nexport HOME='${this.path('home')}'\ncd "$HOME" || exit 99\nunset SSH_AUTH_SOCK\n`;
    const original = 'SSH_ORIGINAL_COMMAND';
    writeFileSync(
      this.path('keys/enter'),
      `${enter}[ -z "\${${original}+x}" ] && exec /bin/bash --norc --noprofile\nc=$${original}\nunset ${original}\nexec /bin/bash --norc -c "$c"\n`,
    );
    chmodSync(this.path('keys/enter'), 0o755);
    this.giveAway();
  }

  /** Throws the name of the package that is missing. */
  static async start(options: SshHostOptions = {}): Promise<SshHost> {
    const host = new SshHost(options);
    await host.listen();
    return host;
  }

  path(...names: readonly string[]): string {
    return join(this.root, ...names);
  }

  /** What the suite has made by now becomes the account's; that of others stays theirs. */
  giveAway(): void {
    if (this.#own === undefined) return;
    const { uid, gid } = this.#own;
    for (const name of ['', ...readdirSync(this.root, { recursive: true, encoding: 'utf8' })]) lchownSync(this.path(name), uid, gid);
  }

  /** Another key than the one that was pinned; takes effect when it listens again. */
  newHostKey(): void {
    rmSync(this.path('keys/host'), { force: true });
    rmSync(this.path('keys/host.pub'), { force: true });
    keygen(this.path('keys/host'));
    this.hostKey = readFileSync(this.path('keys/host.pub'), 'utf8').split(' ').slice(0, 2).join(' ');
  }

  async listen(): Promise<void> {
    const program = SERVERS.find((path) => existsSync(path));
    if (program === undefined) throw new Error('no sshd is installed (Debian: openssh-server)');
    // It demands its folder, and its full path.
    if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true });
    for (let attempt = 1; ; attempt += 1) {
      // Below the ephemeral ports: one that a client's own end could take would fail now and then.
      const port = this.#options.port ?? (this.port || randomInt(20_000, 32_000));
      writeFileSync(this.path('keys/sshd_config'), this.#config(port));
      const own = this.#own === undefined ? {} : { uid: this.#own.uid, gid: this.#own.gid, env: this.#own.env };
      const child = spawn(program, ['-D', '-e', '-f', this.path('keys/sshd_config')], { stdio: ['ignore', 'ignore', 'pipe'], ...own });
      const listening = await this.#listening(child);
      if (listening) {
        this.port = port;
        this.#child = child;
        return;
      }
      await end(child);
      if (attempt === PORT_ATTEMPTS || !this.log.join('').includes('in use')) throw new Error(`sshd did not start: ${this.log.join('')}`);
    }
  }

  /** Takes no new connection; those that are open go on. */
  async stopListening(): Promise<void> {
    if (this.#child !== undefined) await end(this.#child);
    this.#child = undefined;
  }

  async stop(): Promise<void> {
    await this.stopListening();
    rmSync(this.root, { recursive: true, force: true });
  }

  /** Everything below home and srv: kind, mode and content of each, by its path. */
  state(): Readonly<Record<string, string>> {
    const found: Record<string, string> = {};
    for (const top of ['home', 'srv']) {
      for (const entry of readdirSync(this.path(top), { recursive: true, withFileTypes: true })) {
        const path = join(entry.parentPath, entry.name);
        const mode = lstatSync(path).mode.toString(8);
        const content = entry.isSymbolicLink() ? readlinkSync(path) : entry.isFile() ? sha256(readFileSync(path)) : '';
        found[relative(this.root, path)] = `${mode} ${content}`;
      }
    }
    return found;
  }

  #config(port: number): string {
    const sftp = SFTP_SERVERS.find((path) => existsSync(path));
    if (sftp === undefined) throw new Error('no sftp-server is installed (Debian: openssh-sftp-server)');
    return `
Port ${port}
ListenAddress 127.0.0.1
HostKey ${this.path('keys/host')}
PidFile none
UsePAM no
StrictModes no
AuthorizedKeysFile ${this.path('keys/authorized')}
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
AcceptEnv *
AllowTcpForwarding yes
AllowStreamLocalForwarding yes
AllowAgentForwarding yes
PermitTunnel yes
MaxSessions 500
MaxStartups 500
Subsystem sftp ${sftp}
# The account's own startup files are none of the tests': bash reads them unless a shell is above it. Only the first SetEnv counts.
${this.#own === undefined ? `ForceCommand ${this.path('keys/enter')}\nSetEnv SHLVL=1` : `SetEnv SHLVL=1 PATH=/usr/local/bin:/usr/bin:/bin ${namesOf(this.#own)}`}
${this.#options.config ?? ''}
`;
  }

  #listening(child: ChildProcess): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => resolve(false), START_MS);
      child.stderr?.setEncoding('utf8').on('data', (text: string) => {
        this.log.push(text);
        if (text.includes('Server listening')) {
          clearTimeout(late);
          resolve(true);
        }
      });
      child.once('error', reject);
      child.once('exit', () => {
        clearTimeout(late);
        resolve(false);
      });
    });
  }
}

/** For what runs in it: programs that ask who they are. */
function namesOf({ env }: SshAccount): string {
  return Object.entries(env)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function keygen(path: string): void {
  const made = spawnSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'test', '-f', path], { encoding: 'utf8' });
  if (made.status !== 0) throw new Error(`ssh-keygen does not run (Debian: openssh-client): ${made.error?.message ?? made.stderr}`);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await ended;
}
