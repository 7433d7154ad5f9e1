/**
 * A program that stands where ssh stands for sftp, scp and rsync: it runs the command on this machine, and what passes goes
 * through the machines of files. Its policy and its log are files that the environment names.
 */
import { spawn } from 'node:child_process';
import { appendFileSync, lstatSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { ChannelActions, ChannelProtocol } from '../../proxy-task/ssh/channel-protocol.ts';
import { RsyncProtocol } from '../../proxy-task/ssh/rsync-machine.ts';
import { ScpProtocol } from '../../proxy-task/ssh/scp-machine.ts';
import { SftpProtocol } from '../../proxy-task/ssh/sftp-machine.ts';

const HOME = process.env['RELAY_HOME'] ?? '/';
const LOG = process.env['RELAY_LOG'] ?? '/dev/null';
const REFUSED = new RegExp(process.env['RELAY_REFUSED'] ?? '^$', 'u');

// After the name of the host stands the command, in one word or in many.
const command = process.argv.slice(process.argv.indexOf('host') + 1 || -1).join(' ');
const isSftp = command.includes('sftp');
const child = spawn(isSftp ? '/usr/lib/openssh/sftp-server' : command, {
  shell: !isSftp,
  cwd: HOME,
  stdio: ['pipe', 'pipe', 'inherit'],
});
let status = 0;

function log(entry: object): void {
  appendFileSync(LOG, `${JSON.stringify(entry)}\n`);
}

/** As OpenSSH's REALPATH: the last name need not be there. */
function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    try {
      lstatSync(path);
      return undefined;
    } catch {
      try {
        return join(realpathSync(dirname(path)), basename(path));
      } catch {
        return undefined;
      }
    }
  }
}

const actions: ChannelActions = {
  toTarget: (bytes) => {
    if (!child.stdin.write(bytes)) process.stdin.pause();
  },
  toClient: (bytes) => {
    if (!process.stdout.write(bytes)) child.stdout.pause();
  },
  endTarget: () => child.stdin.end(),
  ask: (ask, operation) => {
    if (operation.kind !== 'file') throw new Error('files only');
    const text = `${operation.action} ${operation.paths.join(' ')}`;
    log({ asked: text });
    const answer = REFUSED.test(text)
      ? ({ kind: 'refused', statement: ask, code: 'ZG010', message: 'blocked by policy' } as const)
      : ({ kind: 'run', statement: ask } as const);
    // Answers come later, as in a session.
    setImmediate(() => machine.answered(ask, answer));
  },
  resolve: (path, resolved) => setImmediate(() => resolved(realPath(path))),
  record: log,
  completed: (statement, outcome) => log({ statement, outcome }),
  pauseClient: () => process.stdin.pause(),
  resumeClient: () => process.stdin.resume(),
  tell: () => undefined,
  refuse: (code, message) => {
    process.stderr.write(`sallyport: ${code} ${message}\n`);
    status = 77;
    child.kill();
  },
};

const options = { channel: 1, actions, account: 'deploy', home: HOME, transfers: { blockFindings: 'none' } } as const;
const words = command.split(' ');
const machine: ChannelProtocol = isSftp ? new SftpProtocol(options) : words[0] === 'rsync' ? rsync() : scp();

function rsync(): ChannelProtocol {
  const mode = words.includes('--sender') ? 'sender' : 'receiver';
  return new RsyncProtocol({ ...options, statement: 1, command: { mode, paths: words.slice(-1) } });
}

function scp(): ChannelProtocol {
  return new ScpProtocol({
    ...options,
    command: {
      mode: words.includes('-t') ? 'sink' : 'source',
      paths: words.slice(-1),
      recursive: words.includes('-r'),
      preserve: words.includes('-p'),
      folder: words.includes('-d'),
    },
  });
}

process.stdin.on('data', (chunk: Buffer) => machine.fromClient(chunk));
process.stdin.on('end', () => machine.clientEnded());
child.stdout.on('data', (chunk: Buffer) => machine.fromTarget(chunk, 'stdout'));
child.stdin.on('drain', () => process.stdin.resume());
child.stdin.on('error', () => undefined);
process.stdout.on('drain', () => child.stdout.resume());
child.on('close', (code) => {
  machine.targetEnded();
  process.exitCode = status === 0 ? (code ?? 1) : status;
  process.stdin.destroy();
});
