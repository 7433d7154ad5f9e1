/**
 * Files of a gibibyte by every way that stock programs have, through the gateway to a real OpenSSH server: the same bytes arrive, the
 * evidence knows how many and their hash, and the gateway needs no more memory than for small ones.
 */
import { createHash } from 'node:crypto';
import { closeSync, copyFileSync, linkSync, openSync, rmSync, truncateSync, writeSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { play } from '../../core/evidence/play.ts';
import { listRecordings, readRecording } from '../../core/evidence/recordings.ts';
import { directorySource } from '../../standalone/evidence/directory-source.ts';
import type { Finished } from '../support/ssh-program.ts';
import { startSshLab, type SshLab } from '../support/ssh-lab.ts';
import { layOut, opsPolicies } from './support/guarded-host.ts';
import { GIB, hashFile, makeLargeFile, memoryOver, MIB } from './support/large-files.ts';
import { PARAMIKO_CONNECT, paramikoPython } from './support/paramiko.ts';

/** Flat: what is on its way to two peers and a disk. A file that is kept in memory would be seven times as much. */
const MOST_MEMORY = 160 * MIB;
const MINUTES = 60_000;
const SMALLER = 64 * MIB;

let lab: SshLab;
let python: string;
let large: string;
let smaller: string;
beforeAll(async () => {
  python = paramikoPython();
  lab = await startSshLab({ policies: opsPolicies, target: '    limits: { maxBytes: 100000000000 }\n' });
  layOut(lab.host);
  large = makeLargeFile(local('large'), GIB);
  smaller = makeLargeFile(local('smaller'), SMALLER);
}, 400_000);
afterAll(() => lab.stop());

const work = (name: string): string => lab.host.path('srv/work', name);
const local = (name: string): string => lab.home.path(name);
/** Hashes that the evidence must have for a path, with what was read or written there. */
const passed: { readonly action: string; readonly path: string; readonly bytes: number; readonly sha256: string }[] = [];

/** Runs a transfer within the bound; what arrived must be the large file. */
async function carries(transfer: () => Promise<Finished>, arrived: string): Promise<void> {
  let finished: Finished | undefined;
  const memory = await memoryOver(async () => {
    finished = await transfer();
  });
  expect(finished).toMatchObject({ status: 0, stderr: '' });
  expect(await hashFile(arrived)).toBe(large);
  expect(memory).toBeLessThan(MOST_MEMORY);
}

/** The files of one sftp session. */
const sftp = (batch: string): Promise<Finished> => lab.run('sftp', ['-b', '-', 'all'], { input: batch });

/** A line for a shell in which `ssh` is the client with the lab's configuration. */
const shell = (line: string): Promise<Finished> =>
  lab.home.run('sh', ['-c', `ssh() { command ssh -F '${local('ssh_config')}' "$@"; }; ${line}`]);

describe('a gibibyte', () => {
  const whole = { bytes: GIB, sha256: '' };
  const sent = (path: string): unknown => passed.push({ action: 'write', path, ...whole, sha256: large });
  const fetched = (path: string): unknown => passed.push({ action: 'read', path, ...whole, sha256: large });

  test(
    'is sent and fetched by scp by its own protocol',
    async () => {
      const there = work('large');
      const folder = lab.host.path('srv/work');
      await carries(() => lab.run('scp', ['-O', local('large'), `all:${folder}`]), there);
      // Which of them it became, scp does not say.
      sent(`${there} or ${folder}`);
      await carries(() => lab.run('scp', ['-O', `all:${there}`, local('back')]), local('back'));
      fetched(there);
      for (const path of [there, local('back')]) rmSync(path);
    },
    5 * MINUTES,
  );

  test(
    'is put and got by sftp',
    async () => {
      const there = work('put');
      await carries(() => sftp(`put ${local('large')} ${there}\n`), there);
      sent(there);
      await carries(() => sftp(`get ${there} ${local('got')}\n`), local('got'));
      fetched(there);
      for (const path of [there, local('got')]) rmSync(path);
    },
    5 * MINUTES,
  );

  test(
    'is sent by rsync',
    async () => {
      const there = work('rsynced');
      await carries(() => lab.rsync('--whole-file', local('large'), `all:${there}`), there);
      rmSync(there);
    },
    5 * MINUTES,
  );

  test(
    'is printed by cat',
    async () => {
      linkSync(local('large'), work('printed'));
      await carries(() => shell(`ssh all 'cat ${work('printed')}' > '${local('printed')}'`), local('printed'));
      rmSync(local('printed'));
    },
    5 * MINUTES,
  );
});

describe('a smaller file', () => {
  test('is sent and fetched by scp by sftp', async () => {
    const there = work('scp');
    expect(await lab.run('scp', ['-s', local('smaller'), `all:${there}`])).toMatchObject({ status: 0, stderr: '' });
    expect(await lab.run('scp', ['-s', `all:${there}`, local('copied')])).toMatchObject({ status: 0, stderr: '' });
    for (const path of [there, local('copied')]) expect(await hashFile(path)).toBe(smaller);
    passed.push({ action: 'write', path: there, bytes: SMALLER, sha256: smaller });
    passed.push({ action: 'read', path: there, bytes: SMALLER, sha256: smaller });
  });

  test('is what cat writes of its input', async () => {
    const finished = await shell(`ssh all 'cat > ${work('taken')}' < '${local('smaller')}'`);
    expect(finished).toMatchObject({ status: 0, stderr: '' });
    expect(await hashFile(work('taken'))).toBe(smaller);
  });

  test('comes back from cat as it went, with new keys every few megabytes, and for a client that would compress', async () => {
    for (const [name, options] of [
      ['rekeyed', '-o RekeyLimit=4M'],
      ['plain', '-C'],
    ]) {
      const back = local(name ?? '');
      expect(await shell(`ssh ${options} all cat < '${local('smaller')}' > '${back}'`)).toMatchObject({ status: 0, stderr: '' });
      expect(await hashFile(back)).toBe(smaller);
    }
  });

  test('of which half is there is completed by reput and reget', async () => {
    const half = SMALLER / 2;
    const rest = await hashFile(local('smaller'), { start: half });
    copyFileSync(local('smaller'), work('half'));
    truncateSync(work('half'), half);
    expect(await sftp(`reput ${local('smaller')} ${work('half')}\n`)).toMatchObject({ status: 0, stderr: '' });
    expect(await hashFile(work('half'))).toBe(smaller);
    copyFileSync(local('smaller'), local('half'));
    truncateSync(local('half'), half);
    expect(await sftp(`reget ${work('half')} ${local('half')}\n`)).toMatchObject({ status: 0, stderr: '' });
    expect(await hashFile(local('half'))).toBe(smaller);
    passed.push({ action: 'write', path: work('half'), bytes: half, sha256: rest });
    passed.push({ action: 'read', path: work('half'), bytes: half, sha256: rest });
  });

  test('that was changed in the middle is brought up to date by rsync, both ways, by what is new', async () => {
    const there = work('delta');
    expect(await lab.rsync('-a', local('smaller'), `all:${there}`)).toMatchObject({ status: 0, stderr: '' });
    copyFileSync(local('smaller'), local('changed'));
    const file = openSync(local('changed'), 'r+');
    writeSync(file, Buffer.from('changed'), 0, 7, SMALLER / 2);
    closeSync(file);
    const changed = await hashFile(local('changed'));
    const up = await lab.rsync('-a', '--no-whole-file', '--stats', local('changed'), `all:${there}`);
    expect(up).toMatchObject({ status: 0, stderr: '' });
    expect(Number(/Literal data: ([\d,]+)/u.exec(up.stdout.toString())?.[1]?.replaceAll(',', ''))).toBeLessThan(MIB);
    expect(await hashFile(there)).toBe(changed);
    const down = await lab.rsync('-a', '--no-whole-file', '--ignore-times', '--stats', `all:${there}`, local('smaller.old'));
    expect(down).toMatchObject({ status: 0, stderr: '' });
    expect(await hashFile(local('smaller.old'))).toBe(changed);
  });

  test('is put and got by paramiko', async () => {
    const there = work('paramiko');
    const { ssh } = lab.gateway.machine;
    const token = await lab.gateway.issuer.mintToken({ principal: 'agent-7', groups: ['all'], ttlSeconds: 900 });
    const env = { PORT: String(ssh?.port), HOST_KEY: ssh?.hostKey.split(' ')[1] ?? '', TOKEN: token };
    const program = `${PARAMIKO_CONNECT}
sftp = client.open_sftp()
sftp.put('smaller', '${there}')
sftp.get('${there}', 'paramiko')
`;
    expect(await lab.home.run(python, ['-c', program], { env })).toMatchObject({ status: 0, stderr: '' });
    for (const path of [there, local('paramiko')]) expect(await hashFile(path)).toBe(smaller);
    passed.push({ action: 'write', path: there, bytes: SMALLER, sha256: smaller });
  });
});

test(
  'a repository with a large file is pushed and cloned',
  async () => {
    const git = async (...args: readonly string[]): Promise<void> => {
      expect(await lab.git(...args)).toMatchObject({ status: 0 });
    };
    const bytes = 256 * MIB;
    await git('init', '-q', '--bare', work('large.git'));
    await git('init', '-q', local('pushed'));
    const hash = makeLargeFile(local('pushed/blob'), bytes);
    for (const setting of ['core.compression', 'pack.compression']) await git('-C', local('pushed'), 'config', setting, '0');
    await git('--git-dir', work('large.git'), 'config', 'core.bigFileThreshold', '1m');
    await git('-C', local('pushed'), 'config', 'core.bigFileThreshold', '1m');
    await git('-C', local('pushed'), 'add', 'blob');
    await git('-C', local('pushed'), 'commit', '-q', '-m', 'large');
    const memory = await memoryOver(async () => {
      await git('-C', local('pushed'), 'push', '-q', `all:${work('large.git')}`, 'HEAD:refs/heads/main');
      await git('clone', '-q', `all:${work('large.git')}`, local('cloned'));
    });
    expect(await hashFile(local('cloned/blob'))).toBe(hash);
    expect(memory).toBeLessThan(MOST_MEMORY);
  },
  5 * MINUTES,
);

test(
  'the evidence has the size and the hash of each, and verifies',
  async () => {
    const source = directorySource(lab.gateway.machine.evidenceDir);
    const files: Readonly<Record<string, unknown>>[] = [];
    const printed: string[] = [];
    for (const recording of await listRecordings(source)) {
      const hash = createHash('sha256');
      let bytes = 0;
      for await (const scene of play(readRecording(source, recording))) {
        if (scene.kind === 'event' && scene.event['type'] === 'channel.file') files.push(scene.event);
        if (scene.kind !== 'data' || scene.stream !== 'stdout') continue;
        hash.update(scene.bytes);
        bytes += scene.bytes.length;
      }
      if (bytes > 0) printed.push(hash.digest('hex'));
    }
    for (const file of passed) expect(files).toContainEqual(expect.objectContaining(file));
    const wholes = files.filter(({ sha256 }) => sha256 === large);
    expect(wholes.every(({ complete }) => complete === true)).toBe(true);
    // What programs printed is on record with every byte.
    expect(printed.toSorted()).toEqual([large, smaller, smaller].toSorted());
    const { intact, complete, findings } = await lab.verify();
    expect({ intact, complete, findings }).toEqual({ intact: true, complete: true, findings: [] });
  },
  5 * MINUTES,
);
