/** Signals, both ways, on an account without rights: a host takes none for root's programs. Each as it is without the gateway. */
import ssh2, { type Client, type ClientChannel } from 'ssh2';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { collect, exec } from '../support/host-gateway.ts';
import { startSshLab, type SshLab } from '../support/ssh-lab.ts';
import { opsPolicies } from './support/guarded-host.ts';

let lab: SshLab;
let direct: Client;
let through: Client;
beforeAll(async () => {
  lab = await startSshLab({ policies: opsPolicies, sshd: { unprivileged: true } });
  through = await lab.gateway.connect();
  direct = new ssh2.Client();
  const { port, account: username, clientKey: privateKey } = lab.host;
  await new Promise<void>((resolve, reject) => {
    direct.once('ready', resolve).once('error', reject);
    direct.connect({ host: '127.0.0.1', port, username, privateKey });
  });
});
afterAll(async () => {
  direct.end();
  await lab.stop();
});

const READY = 'ready';

/** What a program printed, and what a client is told of its end: status, signal, whether it left a core, and the host's words. */
type End = { readonly output: string; readonly told: readonly unknown[] };

/** Runs it, sends the signals once it says that it is ready, and tells how it ended. */
function signaled(client: Client, command: string, ...signals: readonly string[]): Promise<End> {
  return new Promise((resolve, reject) => {
    // Listened to before anything else is read: the end may come with the answer.
    client.exec(command, (error, channel) => (error === undefined ? resolve(endOf(channel, signals)) : reject(error)));
  });
}

async function endOf(channel: ClientChannel, signals: readonly string[]): Promise<End> {
  let told: readonly unknown[] = [];
  channel.on('exit', (...all: readonly unknown[]) => (told = all));
  if (signals.length > 0) channel.stderr.once('data', () => signals.forEach((name) => channel.signal(name)));
  const { stdout, stderr } = await collect(channel);
  return { output: stderr.replace(READY, '') + stdout.toString('latin1'), told };
}

/** The same without the gateway and through it. */
async function same(command: string, ...signals: readonly string[]): Promise<End> {
  const [without, end] = await Promise.all([direct, through].map((client) => signaled(client, command, ...signals)));
  if (end === undefined) throw new Error('nothing ran');
  expect(end).toEqual(without);
  return end;
}

/** Traps all of these, says so, and waits: for the end of its input, which does not come. */
const trap = (name: string): string => `trap 'echo ${name} came; exit 5' ${name}; echo ${READY} >&2; while :; do read -t 0.05 x; done`;

describe('a signal of a client', () => {
  test.each(['HUP', 'INT', 'QUIT', 'TERM', 'USR1', 'USR2'])('%s reaches the program', async (name) => {
    const { output, told } = await same(trap(name), name);
    expect([output, told]).toEqual([`\n${name} came\n`, [5]]);
  });

  test('KILL ends it', async () => {
    const { output, told } = await same(`echo ${READY} >&2; exec cat`, 'KILL');
    expect([output, told[1]]).toEqual(['\n', 'SIGKILL']);
  });

  test('is on record, by its name and channel', async () => {
    await signaled(through, trap('USR1'), 'USR1');
    const events = (await lab.gateway.events()).filter(({ type, signal }) => type === 'channel.signal' && signal === 'USR1');
    expect(events.length).toBeGreaterThan(0);
  });

  test('reaches the program of its own channel, and no other', async () => {
    const one = signaled(through, trap('TERM'), 'TERM');
    const channel = await exec(through, 'read x; echo "$x"');
    const other = collect(channel);
    await one;
    channel.end('still here\n');
    expect((await other).stdout.toString()).toBe('still here\n');
  });
});

describe('a program that ends by a signal', () => {
  test.each(['ABRT', 'ALRM', 'FPE', 'HUP', 'ILL', 'INT', 'KILL', 'PIPE', 'QUIT', 'SEGV', 'TERM', 'USR1', 'USR2'])(
    '%s says so',
    async (name) => {
      const { told } = await same(`exec sh -c 'kill -${name} $$'`);
      expect(told.slice(0, 2)).toEqual([null, `SIG${name}`]);
    },
  );

  test('that has no name in SSH is told as the host tells it', async () => {
    const { told } = await same('kill -XCPU $$');
    expect(told[0]).toBeNull();
  });

  test('leaves a core where it may, and the client is told', async () => {
    await same('ulimit -c unlimited; kill -SEGV $$');
    await same('ulimit -c 0; kill -SEGV $$');
  });

  test('has all of its output before that', async () => {
    const { output, told } = await same('head -c 3000000 /dev/zero; kill -TERM $$');
    expect([output.length, told[1]]).toEqual([3_000_000, 'SIGTERM']);
  });

  test.each(['kill -TERM $$', 'kill -USR2 $$', 'kill -KILL $$', 'exit 143', 'echo out; echo err >&2; kill -HUP $$'])(
    'is to OpenSSH what it is without the gateway: %s',
    async (command) => {
      const [without, ran] = await Promise.all(['direct', 'all'].map((way) => lab.run('ssh', [way, command])));
      expect(ran).toEqual(without);
      expect(ran?.status).toBe(command === 'exit 143' ? 143 : 255);
    },
  );

  test('is on record with its signal', async () => {
    await signaled(through, 'kill -USR2 $$');
    const closed = (await lab.gateway.events()).filter(({ type, exitSignal }) => type === 'channel.closed' && exitSignal === 'USR2');
    expect(closed.length).toBeGreaterThan(0);
  });
});

describe('an account without rights', () => {
  test('has what is its own and nothing of others, by a shell and by sftp', async () => {
    const shell = await lab.run('ssh', ['all', 'id -un; cat /etc/shadow; echo $HOME']);
    expect(shell.stdout.toString()).toBe(`app\n${lab.host.path('home')}\n`);
    expect(shell.stderr).toContain('Permission denied');
    const files = await lab.run('sftp', ['-b', '-', 'all'], { input: 'get /etc/shadow\n' });
    expect([files.status, files.stderr]).toEqual([1, expect.stringContaining('Permission denied')]);
  });
});
