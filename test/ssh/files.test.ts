/** The machines of sftp, scp and rsync between stock programs on both sides, without ssh in between. */
import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Finished, SshHome } from '../support/ssh-program.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const home = new SshHome();
const host = home.path('host');
const relay = home.path('relay');
const logFile = home.path('log');
const large = randomBytes(20 * 1024 * 1024);
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

beforeAll(() => {
  mkdirSync(join(host, 'tree/sub'), { recursive: true });
  writeFileSync(join(host, 'large'), large);
  writeFileSync(join(host, 'tree/one'), 'one');
  writeFileSync(join(host, 'tree/sub/two'), 'two');
  writeFileSync(join(host, 'secret'), 'secret');
  symlinkSync(join(host, 'secret'), join(host, 'link'));
  writeFileSync(home.path('large'), large);
  const loader = join(ROOT, 'node_modules/tsx/dist/loader.mjs');
  writeFileSync(relay, `#!/bin/sh\nexec ${process.execPath} --import ${loader} ${join(ROOT, 'test/ssh/file-relay.ts')} "$@"\n`);
  chmodSync(relay, 0o755);
});
beforeEach(() => writeFileSync(logFile, ''));
afterAll(() => home.remove());

type Entry = Readonly<Record<string, unknown>>;

function entries(): readonly Entry[] {
  const lines = readFileSync(logFile, 'utf8').split('\n').slice(0, -1);
  // What the relay writes.
  return lines.map((line) => JSON.parse(line) as Entry);
}

function asked(): readonly string[] {
  return entries().flatMap(({ asked }) => (typeof asked === 'string' ? [asked.replaceAll(host, '')] : []));
}

function env(refused = '^$'): Readonly<Record<string, string>> {
  return { RELAY_HOME: host, RELAY_LOG: logFile, RELAY_REFUSED: refused };
}

function sftp(batch: string, refused?: string): Promise<Finished> {
  return home.run('sftp', ['-b', '-', '-D', `${relay} sftp`], { input: batch, env: env(refused) });
}

describe('sftp', () => {
  test('a large file comes back as it went, and both ways are on record with its hash', async () => {
    const { status, stderr } = await sftp('put large copy\nget copy back\n');
    expect([status, stderr]).toEqual([0, '']);
    expect(readFileSync(home.path('back')).equals(large)).toBe(true);
    const files = entries().filter(({ type }) => type === 'channel.file');
    const expected = { path: join(host, 'copy'), bytes: large.length, sha256: sha256(large), complete: true };
    expect(files).toMatchObject([
      { action: 'write', ...expected },
      { action: 'read', ...expected },
    ]);
  });

  test('a tree goes there and back, and names, folders and modes may be changed', async () => {
    const batch =
      'get -r tree here\nput -r here there\nls -l there there/sub\nmkdir new\nrename there/one new/uno\nchmod 600 new/uno\nrm there/sub/two\nrmdir there/sub\ndf .\n';
    const { status, stderr, stdout } = await sftp(batch);
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout.toString()).toContain('two');
    expect(readFileSync(home.path('here/sub/two'), 'utf8')).toBe('two');
    expect(readFileSync(join(host, 'new/uno'), 'utf8')).toBe('one');
    expect(statSync(join(host, 'new/uno')).mode & 0o777).toBe(0o600);
    expect(asked()).toContain('rename /there/one /new/uno');
    expect(asked()).toContain('setAttributes /new/uno');
  });

  test('a link is what it leads to, and none is made', async () => {
    const refused = await sftp('get link\n', 'secret$');
    expect(refused.status).toBe(1);
    expect(refused.stderr).toContain('Permission denied');
    expect(() => statSync(home.path('link'))).toThrow('ENOENT');
    expect((await sftp('ln -s /etc/passwd made\n')).status).toBe(1);
    expect((await sftp('ln large made\n')).status).toBe(1);
    expect(() => statSync(join(host, 'made'))).toThrow('ENOENT');
  });

  test('a write that is refused leaves nothing behind', async () => {
    const { status } = await sftp('put large kept\n', '^write ');
    expect(status).toBe(1);
    expect(() => statSync(join(host, 'kept'))).toThrow('ENOENT');
  });
});

describe('scp', () => {
  const scp = (args: readonly string[], refused?: string): Promise<Finished> =>
    home.run('scp', ['-S', relay, ...args], { env: env(refused) });

  test.each([['-O'], ['-s']])('%s: a large file comes back as it went', async (protocol) => {
    const there = await scp([protocol, '-p', 'large', `host:${host}/scp-copy`]);
    expect([there.status, there.stderr]).toEqual([0, '']);
    const back = await scp([protocol, `host:${host}/scp-copy`, 'scp-back']);
    expect([back.status, back.stderr]).toEqual([0, '']);
    expect(readFileSync(home.path('scp-back')).equals(large)).toBe(true);
    expect(entries().filter(({ type }) => type === 'channel.file')).toMatchObject([
      { action: 'write', sha256: sha256(large), complete: true },
      { action: 'read', sha256: sha256(large), complete: true },
    ]);
  });

  test.each([['-O'], ['-s']])('%s: a tree, of which one file is refused', async (protocol) => {
    const { status, stderr } = await scp([protocol, '-r', `host:${host}/tree`, `tree${protocol}`], '^read .*two$');
    expect([status, stderr.length > 0]).toEqual([1, true]);
    expect(readFileSync(home.path(`tree${protocol}/one`), 'utf8')).toBe('one');
    expect(() => readFileSync(home.path(`tree${protocol}/sub/two`))).toThrow('ENOENT');
    const there = await scp([protocol, '-r', `tree${protocol}`, `host:${host}/`]);
    expect([there.status, there.stderr]).toEqual([0, '']);
    expect(readFileSync(join(host, `tree${protocol}/one`), 'utf8')).toBe('one');
  });

  test('a file that the host cannot write: what follows is no record', async () => {
    mkdirSync(join(host, 'taken'));
    writeFileSync(home.path('taken'), 'C0644 4 evil\nevil');
    mkdirSync(join(host, 'taken/taken'));
    const { status } = await scp(['-O', 'taken', `host:${host}/taken`]);
    expect(status).toBe(1);
    expect(() => statSync(join(host, 'taken/evil'))).toThrow('ENOENT');
  });
});

describe('rsync', () => {
  test('a tree goes there, and a large file comes back', async () => {
    const rsync = (args: readonly string[]): Promise<Finished> => home.run('rsync', ['-e', relay, ...args], { env: env() });
    const there = await rsync(['-a', `${host}/tree/`, `host:${host}/rsynced`]);
    expect([there.status, there.stderr]).toEqual([0, '']);
    expect(readFileSync(join(host, 'rsynced/sub/two'), 'utf8')).toBe('two');
    const back = await rsync([`host:${host}/large`, 'rsync-back']);
    expect([back.status, back.stderr]).toEqual([0, '']);
    expect(readFileSync(home.path('rsync-back')).equals(large)).toBe(true);
    const files = entries().filter(({ type }) => type === 'channel.file');
    expect(files).toMatchObject([
      { by: 'rsync', action: 'write', complete: false },
      { by: 'rsync', action: 'read', complete: false },
    ]);
    expect(Number(files[1]?.['bytes'])).toBeGreaterThan(large.length);
  });
});
