/** Stock OpenSSH, scp, sftp, rsync and git through the gateway to a real OpenSSH server: everything arrives as it would without. */
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { collect, exec, run } from '../support/host-gateway.ts';
import { sha256 } from '../support/ssh-host.ts';
import { startSshLab, type SshLab } from '../support/ssh-lab.ts';
import { layOut, opsPolicies } from './support/guarded-host.ts';

let lab: SshLab;
beforeAll(async () => {
  lab = await startSshLab({
    policies: opsPolicies,
    target: '    environment: [LANG, "LC_*", GREETING]\n    limits: { maxChannels: 64 }\n',
  });
});
afterAll(() => lab.stop());
beforeEach(() => layOut(lab.host));

const srv = (name: string): string => lab.host.path('srv', name);
const local = (name: string): string => lab.home.path(name);

/** A program of the host's shell, run through the gateway as group `all`. */
async function remote(command: string, { args = [], input }: { readonly args?: readonly string[]; readonly input?: string | Buffer } = {}) {
  const { status, stdout, stderr } = await lab.run('ssh', [...args, 'all', command], input === undefined ? {} : { input });
  return { status, stdout: stdout.toString('latin1'), stderr };
}

describe('commands', () => {
  test('have their output, their errors and their exit status', async () => {
    expect(await remote('pwd; echo err >&2; exit 3')).toEqual({ status: 3, stdout: `${lab.host.path('home')}\n`, stderr: 'err\n' });
  });

  test.each([0, 1, 77, 126, 255])('exit with %i', async (status) => {
    expect((await remote(`exit ${status}`)).status).toBe(status);
  });

  test('that end by a signal say by which', async () => {
    const client = await lab.gateway.connect();
    const channel = await exec(client, 'kill -USR1 $$');
    expect(await collect(channel)).toMatchObject({ signal: 'SIGUSR1' });
    client.end();
  });

  test('read their standard input to its end, whatever its bytes are', async () => {
    const input = randomBytes(3_000_000);
    expect((await remote('sha256sum', { input })).stdout).toBe(`${sha256(input)}  -\n`);
    const back = await lab.run('ssh', ['all', 'cat'], { input });
    expect(back.stdout.equals(input)).toBe(true);
  });

  test('answer after the end of their input', async () => {
    expect((await remote('cat > /dev/null; echo after', { input: 'x' })).stdout).toBe('after\n');
  });

  test('get variables that the target lets through, and no others', async () => {
    const options = ['-o', 'SetEnv=GREETING=hello LC_X=c LD_PRELOAD=/x BASH_ENV=/x SALLYPORT_REASON=why PATH=/x GIT_PROTOCOL=version=9'];
    const { stdout } = await remote('env', { args: options });
    const names = new Set(stdout.split('\n').map((line) => line.split('=')[0]));
    expect(stdout).toContain('GREETING=hello\n');
    expect(stdout).toContain('LC_X=c\n');
    for (const name of ['LD_PRELOAD', 'BASH_ENV', 'SALLYPORT_REASON', 'GIT_PROTOCOL']) expect(names).not.toContain(name);
  });

  test('print 10 MB, and all of it arrives', async () => {
    const { stdout } = await lab.run('ssh', ['all', 'yes 0123456789 | head -c 10000000']);
    expect(sha256(stdout)).toBe(sha256(Buffer.from('0123456789\n'.repeat(909_091)).subarray(0, 10_000_000)));
  });

  test('come through new keys in the middle', async () => {
    const input = randomBytes(6_000_000);
    const { stdout } = await lab.run('ssh', ['-o', 'RekeyLimit=1M', 'all', 'cat'], { input });
    expect(stdout.equals(input)).toBe(true);
  });

  test('run fifty at a time in one connection, each with its own output', async () => {
    const client = await lab.gateway.connect();
    const channels = await Promise.all(Array.from({ length: 50 }, async (_, index) => exec(client, `cat; exit ${index}`)));
    const all = channels.map((channel) => collect(channel));
    for (const [index, channel] of channels.entries()) channel.end(`of ${index}`);
    const said = (await Promise.all(all)).map(({ status, stdout }) => `${status} ${stdout.toString()}`);
    expect(said).toEqual(channels.map((_, index) => `${index} of ${index}`));
    client.end();
  });

  test('tell their exit status to a client that closes as soon as all data has ended', async () => {
    const client = await lab.gateway.connect();
    for (let round = 0; round < 5; round += 1) {
      const all = await Promise.all(Array.from({ length: 5 }, () => run(client, 'echo a; echo b >&2; exit 4')));
      expect(all.map(({ status }) => status)).toEqual([4, 4, 4, 4, 4]);
    }
    client.end();
  });

  test('share the connection of a ControlMaster', async () => {
    const socket = ['-S', local('socket')];
    const master = await lab.run('ssh', [...socket, '-o', 'ControlMaster=yes', '-o', 'ControlPersist=60', 'all', 'echo master']);
    expect(master.stdout.toString()).toBe('master\n');
    const all = await Promise.all(['one', 'two', 'three'].map((word) => remote(`echo ${word}`, { args: socket })));
    expect(all.map(({ stdout }) => stdout)).toEqual(['one\n', 'two\n', 'three\n']);
    await lab.run('ssh', [...socket, '-O', 'exit', 'all']);
  });
});

describe('terminals', () => {
  test('have the size and the kind of the client', async () => {
    const client = await lab.gateway.connect();
    const ran = await new Promise<string>((resolve, reject) => {
      client.shell({ cols: 91, rows: 33, term: 'vt100' }, (error, channel) => {
        if (error !== undefined) return reject(error);
        let text = '';
        let resized = false;
        channel.on('data', (chunk: Buffer) => {
          text += chunk.toString();
          if (!resized && text.includes('33 91')) {
            resized = true;
            channel.setWindow(40, 120, 0, 0);
            channel.write('until [ "$(stty size)" = \'40 120\' ]; do :; done; echo of:$TERM; exit\n');
          }
        });
        channel.on('close', () => resolve(text));
        channel.write('stty size\n');
      });
    });
    expect(ran).toContain('of:vt100');
    client.end();
  });

  test('are given to commands that ask for one', async () => {
    const { status, stdout } = await remote('[ -t 0 ] && [ -t 1 ] && echo terminal', { args: ['-tt'] });
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'terminal\r\n' });
  });

  test('show bytes that are no text as they are', async () => {
    const { stdout } = await remote("stty raw; printf '\\377\\000\\033[31m\\200'", { args: ['-tt'] });
    expect(stdout).toContain('\u00ff\0\u001b[31m\u0080');
  });
});

describe('files', () => {
  const large = randomBytes(8 * 1024 * 1024);

  test.each([
    ['by sftp', []],
    ['by its own protocol', ['-O']],
  ])('scp sends and fetches them %s', async (_, options) => {
    writeFileSync(local('large'), large);
    chmodSync(local('large'), 0o640);
    utimesSync(local('large'), 1_000_000_000, 1_000_000_000);
    expect(await lab.run('scp', [...options, '-p', local('large'), `all:${srv('work/large')}`])).toMatchObject({ status: 0, stderr: '' });
    expect(readFileSync(srv('work/large')).equals(large)).toBe(true);
    expect(statSync(srv('work/large'))).toMatchObject({ mode: 0o100640, mtimeMs: 1_000_000_000_000 });
    expect(await lab.run('scp', [...options, `all:${srv('work/large')}`, local('back')])).toMatchObject({ status: 0, stderr: '' });
    expect(readFileSync(local('back')).equals(large)).toBe(true);
  });

  test.each([
    ['by sftp', []],
    ['by its own protocol', ['-O']],
  ])('scp sends and fetches folders %s', async (_, options) => {
    mkdirSync(local('tree/sub'), { recursive: true });
    writeFileSync(local('tree/a b'), 'blank');
    writeFileSync(local('tree/sub/empty'), '');
    expect(await lab.run('scp', [...options, '-r', local('tree'), `all:${srv('work')}`])).toMatchObject({ status: 0, stderr: '' });
    expect(readFileSync(srv('work/tree/a b'), 'utf8')).toBe('blank');
    expect(await lab.run('scp', [...options, '-r', `all:${srv('work/tree')}`, local(`back${options.length}`)])).toMatchObject({
      status: 0,
      stderr: '',
    });
    expect(readFileSync(local(`back${options.length}/sub/empty`), 'utf8')).toBe('');
  });

  test('sftp does all that a batch asks for', async () => {
    writeFileSync(local('large'), large);
    const batch = [
      `cd ${srv('work')}`,
      'mkdir sub',
      `put ${local('large')} sub/one`,
      'rename sub/one sub/two',
      'chmod 600 sub/two',
      `get sub/two ${local('two')}`,
      'ls -l sub',
      'rm script',
      'mkdir gone',
      'rmdir gone',
    ];
    const { status, stdout, stderr } = await lab.run('sftp', ['-b', '-', 'all'], { input: `${batch.join('\n')}\n` });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout.toString()).toMatch(/-rw------- .* 8388608 .* sub\/two/);
    expect(readFileSync(local('two')).equals(large)).toBe(true);
    expect(Object.keys(lab.host.state()).filter((name) => name.startsWith('srv/work/'))).toEqual(
      expect.not.arrayContaining(['srv/work/script', 'srv/work/gone', 'srv/work/sub/one']),
    );
  });

  test('rsync sends, updates, fetches and deletes', async () => {
    mkdirSync(local('sync/sub'), { recursive: true });
    writeFileSync(local('sync/large'), large);
    writeFileSync(local('sync/sub/old'), 'old');
    expect(await lab.rsync('-a', `${local('sync')}/`, `all:${srv('work/sync')}`)).toMatchObject({ status: 0, stderr: '' });
    expect(readFileSync(srv('work/sync/large')).equals(large)).toBe(true);
    writeFileSync(local('sync/large'), Buffer.concat([large, Buffer.from('more')]));
    const again = await lab.rsync('-a', '--delete', '--exclude=old', '--delete-excluded', `${local('sync')}/`, `all:${srv('work/sync')}`);
    expect(again).toMatchObject({ status: 0, stderr: '' });
    expect(statSync(srv('work/sync/large')).size).toBe(large.length + 4);
    expect(Object.keys(lab.host.state())).not.toContain('srv/work/sync/sub/old');
    expect(await lab.rsync('-az', `all:${srv('work/sync')}/`, local('synced'))).toMatchObject({ status: 0, stderr: '' });
    expect(readFileSync(local('synced/large')).subarray(0, large.length).equals(large)).toBe(true);
  });

  test('are on record with their size and hash', async () => {
    writeFileSync(local('large'), large);
    await lab.run('scp', [local('large'), `all:${srv('work/hashed')}`]);
    const file = (await lab.settled()).find((event) => event['type'] === 'channel.file' && event['path'] === srv('work/hashed'));
    expect(file).toMatchObject({ action: 'write', bytes: large.length, sha256: sha256(large), complete: true });
  });
});

describe('repositories', () => {
  const url = (): string => `all:${srv('app.git')}`;
  const git = async (...args: readonly string[]): Promise<string> => {
    const { status, stdout, stderr } = await lab.git(...args);
    if (status !== 0) throw new Error(`git ${args.join(' ')}: ${stderr}`);
    return stdout.toString().trim();
  };
  /** A bare repository with one commit on main, cloned by the group's name for the gateway. */
  async function clone(group: string, folder: string): Promise<void> {
    await git('init', '-q', '--bare', srv('app.git'));
    await git('init', '-q', local(`${folder}.seed`));
    await git('-C', local(`${folder}.seed`), 'commit', '-q', '--allow-empty', '-m', 'first');
    await git('-C', local(`${folder}.seed`), 'push', '-q', srv('app.git'), 'HEAD:refs/heads/main');
    await git('clone', '-q', `${group}:${srv('app.git')}`, local(folder));
  }
  const commit = (folder: string): Promise<string> => git('-C', local(folder), 'commit', '-q', '--allow-empty', '-m', 'next');
  const head = (ref: string): Promise<string> => git('--git-dir', srv('app.git'), 'rev-parse', ref);

  test('are cloned, fetched from and pushed to', async () => {
    await clone('all', 'cloned');
    writeFileSync(local('cloned/data'), randomBytes(1_000_000));
    await git('-C', local('cloned'), 'add', 'data');
    await git('-C', local('cloned'), 'commit', '-q', '-m', 'data');
    await git('-C', local('cloned'), 'push', '-q', 'origin', 'main', 'main:refs/heads/side');
    expect(await head('side')).toBe(await git('-C', local('cloned'), 'rev-parse', 'HEAD'));
    await git('clone', '-q', url(), local('second'));
    expect(readFileSync(local('second/data')).equals(readFileSync(local('cloned/data')))).toBe(true);
    await commit('cloned');
    await git('-C', local('cloned'), 'push', '-q');
    await git('-C', local('second'), 'pull', '-q');
    expect(await git('-C', local('second'), 'rev-parse', 'HEAD')).toBe(await head('main'));
  });

  test('take a push that somebody approved, and only then', async () => {
    await clone('ops', 'held');
    const before = await head('main');
    await commit('held');
    const pushed = lab.git('-C', local('held'), 'push', 'origin', 'main');
    const { id } = await lab.gateway.pending();
    expect(await head('main')).toBe(before);
    expect(await lab.gateway.answer(id, 'approve')).toBe(200);
    const { status, stderr } = await pushed;
    expect(stderr).toContain(`waits for approval ${id}`);
    expect(status).toBe(0);
    expect(await head('main')).toBe(await git('-C', local('held'), 'rev-parse', 'HEAD'));
  });

  test('take no push that somebody rejected', async () => {
    await clone('ops', 'rejected');
    const before = await head('main');
    await commit('rejected');
    const pushed = lab.git('-C', local('rejected'), 'push', 'origin', 'main');
    const { id } = await lab.gateway.pending();
    await lab.gateway.answer(id, 'reject', 'dana@bank.example', 'not today');
    const { status, stderr } = await pushed;
    expect(status).not.toBe(0);
    expect(stderr).toContain('not today');
    expect(await head('main')).toBe(before);
  });

  test('take branches that are free, and no history rewritten nor branch deleted', async () => {
    await clone('ops', 'forced');
    await git('-C', local('forced'), 'push', '-q', 'origin', 'main:refs/heads/side');
    const before = await head('side');
    await git('-C', local('forced'), 'commit', '-q', '--amend', '--allow-empty', '-m', 'rewritten');
    expect((await lab.git('-C', local('forced'), 'push', '--force', 'origin', 'main:side')).status).not.toBe(0);
    expect((await lab.git('-C', local('forced'), 'push', 'origin', ':side')).status).not.toBe(0);
    expect(await head('side')).toBe(before);
    await git('-C', local('forced'), 'reset', '-q', '--hard', 'origin/main');
    await commit('forced');
    await git('-C', local('forced'), 'push', '-q', 'origin', 'main:side');
    expect(await head('side')).toBe(await git('-C', local('forced'), 'rev-parse', 'HEAD'));
  });
});

describe('a command that needs an approval', () => {
  const held = (): Promise<{ status: number | null; stdout: string; stderr: string }> =>
    lab
      .run('ssh', ['analysts', `rm ${srv('guarded/keep')} && echo done`])
      .then(({ status, stdout, stderr }) => ({ status, stdout: stdout.toString(), stderr }));

  test('says where it waits, and runs when it is approved', async () => {
    const running = held();
    const { id } = await lab.gateway.pending();
    expect(Object.keys(lab.host.state())).toContain('srv/guarded/keep');
    await lab.gateway.answer(id, 'approve');
    const { status, stdout, stderr } = await running;
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'done\n' });
    expect(stderr).toContain(`/approvals/${id}`);
  });

  test('ends with 77 and the reason when it is rejected', async () => {
    const running = held();
    const { id } = await lab.gateway.pending();
    await lab.gateway.answer(id, 'reject', 'dana@bank.example', 'not today');
    const { status, stdout, stderr } = await running;
    expect({ status, stdout }).toEqual({ status: 77, stdout: '' });
    expect(stderr).toContain('not today');
    expect(Object.keys(lab.host.state())).toContain('srv/guarded/keep');
  });

  test('does not wait where it shall fail at once, and runs once somebody approved it', async () => {
    const fast = async (id = '') => {
      const options = ['-o', `SetEnv=SALLYPORT_APPROVAL=failfast SALLYPORT_APPROVAL_ID=${id}`];
      const { status, stderr } = await lab.run('ssh', [...options, 'analysts', `rm ${srv('guarded/keep')}`]);
      return { status, stderr };
    };
    const first = await fast();
    expect(first.status).toBe(77);
    const { id } = await lab.gateway.pending();
    expect(first.stderr).toContain(id);
    await lab.gateway.answer(id, 'approve');
    expect((await fast(id)).status).toBe(0);
    expect(Object.keys(lab.host.state())).not.toContain('srv/guarded/keep');
  });
});

test('all of it verifies', async () => {
  await lab.settled();
  const { intact, complete, findings } = await lab.verify();
  expect({ intact, complete, findings }).toEqual({ intact: true, complete: true, findings: [] });
});
