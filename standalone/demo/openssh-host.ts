/** A real sshd as the demo's host: a process of this account, with a configuration, keys and a log of its own. */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { HOST_ROOT } from './host-files.ts';

/** OpenSSH wants the whole path of its server, so that it can start itself anew for each connection. */
const PROGRAMS = ['/usr/sbin/sshd', '/usr/local/sbin/sshd', '/opt/homebrew/sbin/sshd', '/usr/bin/sshd'];
/** As root, sshd keeps the part that speaks to strangers in this empty folder. */
const EMPTY_FOLDER = '/run/sshd';
const START_TIMEOUT_MS = 10_000;
const READY = 'Server listening on';

/** Runs sshd until its standard input ends: with this process, or when it is told to. */
const KEEPER = `"$@" & child=$!
exec 3<&0
( read -r end <&3; kill $child ) & guard=$!
trap '' INT TERM HUP
wait $child
kill $guard 2>/dev/null`;

export type OpenSshHost = { stop(): Promise<void> };

export type OpenSshOptions = {
  readonly folder: string;
  readonly port: number;
  readonly hostKeyFile: string;
  /** `ssh-ed25519 AAAA…`: who may log in. */
  readonly clientKey: string;
};

/** Where sshd is installed; undefined where it is not. */
export function findSshd(): string | undefined {
  return PROGRAMS.find((path) => existsSync(path));
}

/** Starts it on loopback. Undefined where it does not start: its log says why. */
export async function startOpenSsh(program: string, options: OpenSshOptions): Promise<OpenSshHost | undefined> {
  const { folder, port, hostKeyFile, clientKey } = options;
  if (process.getuid?.() === 0) mkdirSync(EMPTY_FOLDER, { recursive: true, mode: 0o755 });
  const keysFile = join(folder, 'authorized_keys');
  writeFileSync(keysFile, `${clientKey}\n`, { mode: 0o600 });
  const configFile = join(folder, 'sshd_config');
  const settings = [
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    `HostKey "${hostKeyFile}"`,
    `AuthorizedKeysFile "${keysFile}"`,
    `AllowUsers ${userInfo().username}`,
    'PermitRootLogin prohibit-password',
    'PubkeyAuthentication yes',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'UsePAM no',
    // The folder is the demo's own; what is around it is whoever's machine this is.
    'StrictModes no',
    'PidFile none',
    'PrintMotd no',
    'AllowTcpForwarding no',
    'AllowAgentForwarding no',
    'AllowStreamLocalForwarding no',
    'X11Forwarding no',
    'PermitTunnel no',
    'MaxSessions 64',
    // The stand-in for systemctl is found first.
    `SetEnv PATH=${HOST_ROOT}/bin:/usr/local/bin:/usr/bin:/bin`,
    'Subsystem sftp internal-sftp',
    'LogLevel VERBOSE',
  ];
  writeFileSync(configFile, `${settings.join('\n')}\n`, { mode: 0o600 });
  const logFile = join(folder, 'sshd.log');
  const log = openSync(logFile, 'w', 0o600);
  const keeper = spawn('/bin/sh', ['-c', KEEPER, 'sshd-keeper', program, '-D', '-e', '-f', configFile], {
    cwd: folder,
    detached: true,
    stdio: ['pipe', log, log],
  });
  closeSync(log);
  const { stdin } = keeper;
  if (stdin === null) throw new Error('the pipe to the keeper of sshd is missing');
  stdin.on('error', () => {
    // It ended before it was told to.
  });
  const exited = new Promise<void>((resolve) => {
    keeper.once('exit', () => resolve());
    keeper.once('error', () => resolve());
  });
  const state = { running: true };
  void exited.then(() => {
    state.running = false;
  });
  const stop = async (): Promise<void> => {
    if (!state.running) return;
    keeper.ref();
    stdin.end('stop\n');
    await exited;
  };
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (state.running && !readFileSync(logFile, 'utf8').includes(READY)) {
    if (Date.now() > deadline) await stop();
    await pause(10);
  }
  if (!state.running) return undefined;
  keeper.unref();
  if (stdin instanceof Socket) stdin.unref();
  return { stop };
}
