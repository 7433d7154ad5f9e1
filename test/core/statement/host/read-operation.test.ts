import { describe, expect, test } from 'vitest';
import { describeOperation } from '../../../../core/statement/host/describe-operation.ts';
import { effectKey } from '../../../../core/statement/effect.ts';
import { isWellFormed } from '../../../../core/policy/resource-id.ts';
import type { HostOperation } from '../../../../core/statement/host/host-operation.ts';
import { opaqueExec, type ReadExec } from '../../../../core/statement/host/host-reading.ts';
import { readOperation } from '../../../../core/statement/host/read-operation.ts';

type FileOperation = HostOperation & { readonly kind: 'file' };

const HOME = '/home/deploy';
const file = (action: FileOperation['action'], ...paths: string[]): FileOperation => ({
  kind: 'file',
  by: 'sftp',
  action,
  paths,
  recursive: false,
  account: 'deploy',
  home: HOME,
});
const all = (operation: FileOperation): FileOperation => ({ ...operation, recursive: true });
const exec: HostOperation = { kind: 'exec', command: 'uptime', account: 'deploy', home: HOME, resolved: new Map() };
const push = (...updates: (HostOperation & { kind: 'gitPush' })['updates'][number][]): HostOperation => ({
  kind: 'gitPush',
  repository: '/srv/git/app.git',
  account: 'deploy',
  updates,
});
const ZERO = '0'.repeat(40);
const OLD = 'a'.repeat(40);
const NEW = 'b'.repeat(40);

const effects = (operation: HostOperation, readExec: ReadExec = opaqueExec): readonly string[] =>
  readOperation(operation, readExec).effects.map(effectKey);

describe('an operation on a host', () => {
  test.each<[string, HostOperation, readonly string[]]>([
    ['sftp get', file('read', '/srv/a b'), ['readFile File :/srv/a b']],
    ['sftp ls', file('list', '/'), ['listFiles File :/']],
    ['sftp put', file('write', '/srv/a'), ['writeFile File :/srv/a']],
    ['sftp put of what a login runs', file('write', `${HOME}/.bashrc`), [`writeLogin File :${HOME}/.bashrc`]],
    ['sftp put of a key', file('write', `${HOME}/.ssh/authorized_keys`), [`writeLogin File :${HOME}/.ssh/authorized_keys`]],
    ['scp -r into a home', all(file('write', HOME)), [`writeFile File :${HOME}`, `writeLogin File :${HOME}`]],
    ['scp -r beside it', all(file('write', '/srv/app')), ['writeFile File :/srv/app']],
    ['sftp rename', file('rename', '/srv/a', '/srv/b'), ['renameFile File :/srv/a', 'renameFile File :/srv/b']],
    [
      'sftp rename onto what cron runs',
      file('rename', '/tmp/a', '/etc/cron.d/a'),
      ['renameFile File :/tmp/a', 'renameFile File :/etc/cron.d/a', 'writeLogin File :/etc/cron.d/a'],
    ],
    [
      'sftp rename of a folder with what logins run',
      file('rename', '/home/deploy/.config', '/tmp/x'),
      ['renameFile File :/home/deploy/.config', 'writeLogin File :/home/deploy/.config', 'renameFile File :/tmp/x'],
    ],
    ['sftp rm', file('remove', '/srv/a'), ['removeFile File :/srv/a']],
    ['sftp rmdir', file('removeFolder', '/srv/a'), ['removeFile File :/srv/a']],
    ['sftp mkdir', file('makeFolder', '/srv/a'), ['writeFile File :/srv/a']],
    ['sftp mkdir .ssh', file('makeFolder', '/root/.ssh'), ['writeLogin File :/root/.ssh']],
    ['sftp chmod', file('setAttributes', '/srv/a'), ['setAttributes File :/srv/a']],
    ['sftp chmod of a home', file('setAttributes', HOME), [`setAttributes File :${HOME}`, `writeLogin File :${HOME}`]],
    ['git fetch', { kind: 'gitFetch', repository: '/srv/git/app.git', account: 'deploy' }, ['gitFetch Repository :/srv/git/app.git']],
    ['git push before anything is pushed', push(), ['gitFetch Repository :/srv/git/app.git']],
    [
      'git push',
      push(
        { ref: 'refs/heads/a', from: ZERO, to: NEW, change: 'create' },
        { ref: 'refs/heads/b', from: OLD, to: NEW, change: 'update' },
        { ref: 'refs/heads/c', from: OLD, to: NEW, change: 'force' },
        { ref: 'refs/heads/d', from: OLD, to: ZERO, change: 'delete' },
      ),
      [
        'gitCreate Ref :/srv/git/app.git#refs/heads/a',
        'gitUpdate Ref :/srv/git/app.git#refs/heads/b',
        'gitForce Ref :/srv/git/app.git#refs/heads/c',
        'gitDelete Ref :/srv/git/app.git#refs/heads/d',
      ],
    ],
    ['ssh -L', { kind: 'forward', endpoint: 'db:5432', account: 'deploy' }, ['forward Endpoint :db:5432']],
    ['a shell', { kind: 'shell', account: 'deploy' }, ['openShell Target ""']],
    ['a command that nobody reads', exec, ['unknown Target ""']],
  ])('%s causes what it can cause', (_, operation, expected) => {
    const found = effects(operation).map((key) => key.replace('Target ', 'Target ""'));
    expect(found).toEqual(expected);
  });

  test.each([
    ['nothing at all', { effects: [], opaque: false, unbounded: false }],
    [
      'what is known, opaquely',
      { effects: [{ action: 'runProgram', resource: { type: 'Program', path: ['python3'] } }], opaque: true, unbounded: false },
    ],
  ] as const)('that is read as %s causes the unknown too', (_, reading) => {
    const found = readOperation(exec, () => reading);
    expect(found.opaque).toBe(true);
    expect(found.effects.at(-1)).toMatchObject({ action: 'unknown', resource: { type: 'Target' } });
  });

  test('that is understood is taken as it is read', () => {
    const reading = {
      effects: [{ action: 'runProgram', resource: { type: 'Program', path: ['uptime'] } }],
      opaque: false,
      unbounded: false,
    } as const;
    expect(readOperation(exec, () => reading)).toBe(reading);
  });

  test('on no path at all is not permitted by having no effect', () => {
    expect(effects(file('remove'))).toEqual(['unknown Target ']);
  });

  test.each(['srv/a', '', '/srv/../etc', '/srv//a', '/srv/a/', '/srv/./a', 'C:\\x', '/srv/a\0b'])(
    'on %j has no place in policy',
    (path) => {
      expect(readOperation(file('read', path), opaqueExec).effects.every(({ resource }) => isWellFormed(resource))).toBe(false);
    },
  );

  test('with all below a folder has no bound', () => {
    expect([
      readOperation(file('read', '/srv'), opaqueExec).unbounded,
      readOperation(all(file('read', '/srv')), opaqueExec).unbounded,
    ]).toEqual([false, true]);
  });
});

describe('what people read of it', () => {
  test.each<[string, HostOperation]>([
    ['uptime', exec],
    ['interactive shell', { kind: 'shell', account: 'deploy' }],
    ['sftp remove "/srv/a"', file('remove', '/srv/a')],
    ['sftp rename "/srv/a" to "/srv/b"', file('rename', '/srv/a', '/srv/b')],
    ['scp write "/srv/app" with all below it', { ...all(file('write', '/srv/app')), by: 'scp' }],
    ['git fetch "/srv/git/app.git"', { kind: 'gitFetch', repository: '/srv/git/app.git', account: 'git' }],
    ['forward to "db.internal:5432"', { kind: 'forward', endpoint: 'db.internal:5432', account: 'deploy' }],
    [
      `git push "/srv/git/app.git"\n  force "refs/heads/main" ${OLD} → ${NEW}\n  create "refs/tags/v1" ${NEW}\n  delete "refs/heads/x" ${OLD}`,
      push(
        { ref: 'refs/heads/main', from: OLD, to: NEW, change: 'force' },
        { ref: 'refs/tags/v1', from: ZERO, to: NEW, change: 'create' },
        { ref: 'refs/heads/x', from: OLD, to: ZERO, change: 'delete' },
      ),
    ],
  ])('is %s', (text, operation) => {
    expect(describeOperation(operation)).toBe(text);
  });

  test.each(['/srv/a" to "/etc/passwd', '/srv/a\n  force "x"', '/srv/\u202egnp.exe', '/srv/\u001b[2J', '/srv/\\u{202e}'])(
    'says of %j what it is, and nothing else',
    (path) => {
      const text = describeOperation(file('rename', path, '/srv/b'));
      expect(text).toMatch(/^sftp rename "(?:[^"\\\p{C}]|\\.)*" to "\/srv\/b"$/u);
      expect(describeOperation(file('rename', '/srv/other', '/srv/b'))).not.toBe(text);
    },
  );
});
