/** Transfers that stop half-way, because the client hangs, or is killed, or the host is: each ends with a reason, and what was sent is known. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { startSshLab, type SshLab } from '../support/ssh-lab.ts';

/** Sent at most so fast that there is a half-way. */
const FILE_BYTES = 48 * 1024 * 1024;
const HALF_BYTES = 4 * 1024 * 1024;
/** Of git, which has no option for that: 10 MB a second from standard input to a port. */
const SLOWLY = `
import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
const [host, port] = process.argv.slice(2);
const socket = connect(Number(port), host);
socket.pipe(process.stdout);
for await (const bytes of process.stdin)
  for (let at = 0; at < bytes.length; at += 65_536) {
    socket.write(bytes.subarray(at, at + 65_536));
    await pause(6);
  }
socket.end();
`;

let lab: SshLab;
const running: ChildProcess[] = [];
beforeAll(async () => {
  lab = await startSshLab({ target: '    limits: { idle: 5s }' });
  mkdirSync(lab.host.path('srv/up'));
  writeFileSync(lab.home.path('slowly.mjs'), SLOWLY);
  const piece = Buffer.alloc(65_536);
  let state = 1;
  writeFileSync(
    lab.home.path('large'),
    Buffer.concat(
      Array.from({ length: FILE_BYTES / piece.length }, () => {
        for (let at = 0; at < piece.length; at += 4) piece.writeUInt32LE((state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0), at);
        return Buffer.from(piece);
      }),
    ),
  );
});
afterEach(() => {
  for (const child of running.splice(0)) signal(child, 'SIGKILL');
});
afterAll(() => lab.stop());

function eventually<Value>(read: () => Value) {
  return expect.poll(read, { timeout: 30_000 });
}

/** With its own children, by a group of their own. */
function signal({ pid, exitCode, signalCode }: ChildProcess, name: 'SIGSTOP' | 'SIGKILL'): void {
  if (pid !== undefined && exitCode === null && signalCode === null) process.kill(-pid, name);
}

function begin(program: string, args: readonly string[]): ChildProcess {
  const child = spawn(program, args, {
    cwd: lab.home.directory,
    env: {
      PATH: process.env['PATH'],
      HOME: lab.home.directory,
      LC_ALL: 'C',
      GIT_SSH_COMMAND: `ssh -F ${lab.home.path('ssh_config')} -o 'ProxyCommand="${process.execPath}" ${lab.home.path('slowly.mjs')} %h %p'`,
    },
    stdio: 'ignore',
    detached: true,
  });
  running.push(child);
  return child;
}

/** Bytes of all files below a folder of the host's: what it has so far. */
function bytesBelow(folder: string): number {
  if (!existsSync(folder)) return 0;
  let bytes = 0;
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true }))
    // What the host moves away in between is counted the next time.
    if (entry.isFile()) bytes += statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size ?? 0;
  return bytes;
}

const WAYS: readonly [name: string, program: string, args: (to: string) => readonly string[]][] = [
  ['scp over sftp', 'scp', (to) => ['-F', lab.home.path('ssh_config'), '-l', '80000', 'large', `all:${to}/file`]],
  ['the old scp', 'scp', (to) => ['-O', '-F', lab.home.path('ssh_config'), '-l', '80000', 'large', `all:${to}/file`]],
  ['rsync', 'rsync', (to) => ['--bwlimit=10m', '-e', `ssh -F ${lab.home.path('ssh_config')}`, 'large', `all:${to}/file`]],
];

/** Begins an upload; resolves when half of it is there. */
async function halfWay(way: (typeof WAYS)[number], folder: string): Promise<ChildProcess> {
  const to = lab.host.path('srv/up', folder);
  mkdirSync(to, { recursive: true });
  const child = begin(way[1], way[2](to));
  await eventually(() => bytesBelow(to)).toBeGreaterThan(HALF_BYTES);
  return child;
}

type Event = Readonly<Record<string, unknown>>;

/** What is on record of the session in which this was written, once it is over. */
async function recordOf(path: string): Promise<readonly Event[]> {
  const of = async (): Promise<readonly Event[]> => {
    const events = await lab.gateway.events();
    const starts = events.flatMap(({ type }, at) => (type === 'session.opened' ? [at] : []));
    const sessions = starts.map((at, index) => events.slice(at, starts[index + 1]));
    return sessions.find((session) => JSON.stringify(session).includes(path)) ?? [];
  };
  await eventually(async () => (await of()).at(-1)?.['type']).toBe('session.closed');
  return of();
}

/** The file as it was sent so far, on record by its length and hash. */
function expectSent(events: readonly Event[]): void {
  const files = events.filter(({ type }) => type === 'channel.file');
  expect(files).toHaveLength(1);
  const [file] = files;
  const bytes = Number(file?.['bytes']);
  expect(bytes).toBeGreaterThan(HALF_BYTES / 2);
  expect(bytes).toBeLessThan(FILE_BYTES);
  expect(file).toMatchObject({ action: 'write', complete: false });
  const sent = readFileSync(lab.home.path('large')).subarray(0, bytes);
  expect(file?.['sha256']).toBe(createHash('sha256').update(sent).digest('hex'));
}

describe.each(WAYS)('an upload by %s', (...way) => {
  const folder = way[0].replaceAll(' ', '-');

  test('whose client hangs ends as idle', async () => {
    const child = await halfWay(way, `${folder}-hangs`);
    signal(child, 'SIGSTOP');
    const events = await recordOf(`${folder}-hangs`);
    expect(events.at(-1)).toMatchObject({ type: 'session.closed', reason: 'idle', code: '57P01' });
    if (way[1] !== 'rsync') expectSent(events);
    // The host has what it had: nothing but rsync on the host itself, which clears up, takes it away.
    if (way[1] !== 'rsync') expect(bytesBelow(lab.host.path('srv/up', `${folder}-hangs`))).toBeGreaterThan(HALF_BYTES);
  });

  test('whose client is killed is on record as far as it came', async () => {
    const child = await halfWay(way, `${folder}-killed`);
    signal(child, 'SIGKILL');
    const events = await recordOf(`${folder}-killed`);
    expect(events.at(-1)).toMatchObject({ type: 'session.closed', abnormal: true });
    if (way[1] !== 'rsync') expectSent(events);
  });
});

test('a push whose client hangs ends as idle', async () => {
  const bare = lab.host.path('srv/up/app.git');
  const git = async (...args: readonly string[]): Promise<void> => {
    expect((await lab.git(...args)).status).toBe(0);
  };
  await git('init', '-q', '--bare', bare);
  // Else the host writes nothing before it has all of it.
  await git('-C', bare, 'config', 'receive.unpackLimit', '1');
  await git('init', '-q', 'work');
  writeFileSync(lab.home.path('work/large'), readFileSync(lab.home.path('large')));
  await git('-C', 'work', 'add', '.');
  await git('-C', 'work', 'commit', '-qm', 'large');
  const child = begin('git', [
    '-C',
    'work',
    '-c',
    'core.compression=0',
    '-c',
    'pack.window=0',
    'push',
    '-q',
    `all:${bare}`,
    'HEAD:refs/heads/main',
  ]);
  await eventually(() => bytesBelow(bare)).toBeGreaterThan(HALF_BYTES);
  signal(child, 'SIGSTOP');
  const events = await recordOf('srv/up/app.git');
  expect(events.at(-1)).toMatchObject({ type: 'session.closed', reason: 'idle', code: '57P01' });
  expect(events).toContainEqual(expect.objectContaining({ type: 'statement.completed', outcome: 'unknown' }));
  expect(existsSync(join(bare, 'refs/heads/main'))).toBe(false);
});

test('an upload whose host goes ends with the host', async () => {
  const child = await halfWay(WAYS[0] ?? never(), 'host-goes');
  for (const pid of connectionsOfHost()) process.kill(pid, 'SIGKILL');
  const events = await recordOf('host-goes');
  expect(events.at(-1)).toMatchObject({
    type: 'session.closed',
    reason: 'the target closed the connection',
    code: '08001',
    abnormal: true,
  });
  expectSent(events);
  await eventually(() => child.exitCode).toBeGreaterThan(0);
});

test('all of it verifies', async () => {
  await lab.settled();
  const { intact, complete, findings } = await lab.verify();
  expect({ intact, complete, findings }).toEqual({ intact: true, complete: true, findings: [] });
});

/** sshd's processes of connections that are open: children of the one that was started with this configuration. */
function connectionsOfHost(): readonly number[] {
  const config = lab.host.path('keys/sshd_config');
  const pids = readdirSync('/proc').filter((name) => /^\d+$/u.test(name));
  const listener = pids.find((pid) => readProcess(pid, 'cmdline').includes(config));
  if (listener === undefined) throw new Error('no sshd is running');
  return readProcess(listener, `task/${listener}/children`).split(' ').filter(Boolean).map(Number);
}

/** Empty where the process has gone. */
function readProcess(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}

function never(): never {
  throw new Error('there is one');
}
