import { describe, expect, test } from 'vitest';
import { HOME, readCommand, reader } from '../../../../support/read-command.ts';

const scp = { kind: 'scp', recursive: false, preserve: false, folder: false };
const rsync = { kind: 'rsync', flags: '', options: [] };

describe('a command that starts a protocol', () => {
  test.each([
    ['internal-sftp', { kind: 'sftp' }],
    ['/usr/lib/openssh/sftp-server', { kind: 'sftp' }],
    ['scp -t /srv/x', { ...scp, mode: 'sink', paths: ['/srv/x'] }],
    ['scp -v -r -p -d -t -- /srv/x', { ...scp, mode: 'sink', recursive: true, preserve: true, folder: true, paths: ['/srv/x'] }],
    ['scp -prt .', { ...scp, mode: 'sink', recursive: true, preserve: true, paths: ['.'] }],
    ['scp -f a "b c"', { ...scp, mode: 'source', paths: ['a', 'b c'] }],
    ['scp -f ~/a', { ...scp, mode: 'source', paths: ['/home/deploy/a'] }],
    ['/usr/bin/scp -qf a', { ...scp, mode: 'source', paths: ['a'] }],
    ['scp -f -- -a', { ...scp, mode: 'source', paths: ['-a'] }],
    ['rsync --server -logDtpre.iLsfxCIvu . /srv/x', { ...rsync, mode: 'receiver', flags: 'logDtpr', paths: ['/srv/x'] }],
    ['rsync --server --sender -vlogDtpre.iLsfxCIvu . a b', { ...rsync, mode: 'sender', flags: 'vlogDtpr', paths: ['a', 'b'] }],
    [
      'rsync --server -e.LsfxCIvu --delete --numeric-ids . x/',
      { ...rsync, mode: 'receiver', options: ['--delete', '--numeric-ids'], paths: ['x/'] },
    ],
    ["git-upload-pack '/srv/app.git'", { kind: 'gitFetch', repository: '/srv/app.git' }],
    ["git-receive-pack '/srv/a b.git'", { kind: 'gitPush', repository: '/srv/a b.git' }],
    ["git-upload-pack '~/app.git'", { kind: 'gitFetch', repository: '~/app.git' }],
    ["git upload-pack 'x'", { kind: 'gitFetch', repository: 'x' }],
    ["git receive-pack 'x'", { kind: 'gitPush', repository: 'x' }],
    ["git-upload-pack --strict --timeout=5 'x'", { kind: 'gitFetch', repository: 'x' }],
    ["git-receive-pack 'it'\\''s.git'", { kind: 'gitPush', repository: "it's.git" }],
  ])('%s', (command, protocol) => {
    expect(reader.protocolOf(command, HOME)).toMatchObject(protocol);
    // Judged as a command, nothing says what will go over it.
    expect(readCommand(command).opaque).toBe(true);
  });

  test.each([
    'ls',
    'scp a b',
    'scp -t',
    'scp -t a b',
    'scp -t -f a',
    'scp -S x -t a',
    'scp -o ProxyCommand=x -t a',
    'scp -f *.log',
    'scp -f $x',
    'scp -t a; rm x',
    'scp -t a && ls',
    'scp -t a &',
    '! scp -t a',
    'scp -t a > b',
    'scp -t a | sh',
    'A=1 scp -t a',
    '(scp -t a)',
    'sudo scp -t a',
    'scp -t "$(rm x)"',
    './scp -t a',
    '/tmp/scp -t a',
    '/tmp/sftp-server',
    'sftp-server -d /',
    'internal-sftp -f x',
    'rsync a b',
    'rsync --server --daemon . x',
    'rsync --server --config=x . x',
    'rsync --server --log-file=/etc/cron.d/x . x',
    'rsync --server --files-from=/etc/shadow . x',
    'rsync --server --backup-dir=x . x',
    'rsync --server --temp-dir=/x . x',
    'rsync --server --link-dest=/x . x',
    'rsync --server --remove-source-files --sender . x',
    'rsync --server -rsh=x . x',
    "rsync --server -e 'sh -c x' . x",
    'rsync --server . -x',
    'rsync --server .',
    'rsync --server x',
    'git-upload-pack',
    "git-upload-pack --exec=x 'y'",
    "git-upload-pack 'x' 'y'",
    "git-upload-pack '-x'",
    "git-receive-pack --stateless-rpc 'x'",
    "git -c x=y upload-pack 'x'",
    "git --exec-path=/tmp upload-pack 'x'",
    "git-upload-archive 'x'",
    "git-shell -c 'x'",
    "git-upload-pack 'x'; rm y",
    "git-upload-pack 'x",
    '',
  ])('%j starts none', (command) => {
    expect(reader.protocolOf(command, HOME)).toBeUndefined();
  });
});
