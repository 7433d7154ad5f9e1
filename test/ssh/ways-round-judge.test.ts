/**
 * Ways round the judge by something else than a command: other protocols, links, forwards, terminals, subsystems, further channels.
 * Nothing that the rules keep is changed or shown, as the host's own files tell.
 */
import { createServer, type Server } from 'node:net';
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Finished } from '../support/ssh-program.ts';
import { startSshLab, type SshLab } from '../support/ssh-lab.ts';
import { layOut, opsPolicies, SECRET } from './support/guarded-host.ts';

let lab: SshLab;
let before: Readonly<Record<string, string>>;
/** Something that listens on the host and must not be reached. */
let inside: Server;
let reached = 0;
beforeAll(async () => {
  lab = await startSshLab({ policies: opsPolicies });
  inside = createServer((socket) => {
    reached += 1;
    socket.on('error', () => undefined);
    socket.end(SECRET);
  });
  await new Promise<void>((resolve) => inside.listen(0, '127.0.0.1', resolve));
});
afterAll(async () => {
  inside.close();
  await lab.stop();
});
beforeEach(() => {
  layOut(lab.host);
  before = lab.host.state();
  writeFileSync(lab.home.path('mine'), 'mine\n');
});

const srv = (name: string): string => lab.host.path('srv', name);
const local = (name: string): string => lab.home.path(name);
const insidePort = (): number => {
  const address = inside.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
};

/** It ended badly, showed nothing, and the host is as it was, but for the folder that may be written. */
function expectNothing({ status, stdout, stderr }: Finished): void {
  const after = lab.host.state();
  const changed = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter(
    (name) => before[name] !== after[name] && !name.startsWith('srv/work/'),
  );
  expect({ changed, shown: `${stdout.toString('latin1')}${stderr}`.includes(SECRET), ended: status === 0 }).toEqual({
    changed: [],
    shown: false,
    ended: false,
  });
}

describe('sftp', () => {
  test.each([
    ['takes no file away', 'rm $S/guarded/keep'],
    ['takes no file away through a link', 'rm $S/work/folder/keep'],
    ['takes no file away by two dots', 'rm $S/work/../guarded/keep'],
    ['takes no file away from another folder', 'cd $S/guarded\nrm keep'],
    ['moves no file away', 'rename $S/guarded/keep $S/work/keep'],
    ['moves no file onto another', 'rename $S/work/list $S/guarded/keep'],
    ['writes no file', 'put mine $S/guarded/keep'],
    ['writes no file through a link', 'put mine $S/work/folder/keep'],
    ['goes on with no file', 'reput mine $S/guarded/keep'],
    ['makes no folder', 'mkdir $S/guarded/new'],
    ['changes no mode', 'chmod 777 $S/guarded/keep'],
    ['changes no owner', 'chown 0 $S/guarded/keep'],
    ['makes no link', 'symlink $S/secret $S/work/new'],
    ['makes no second name', 'ln $S/secret $S/work/new'],
    ['copies nothing on the host', 'cp $S/secret $S/work/new'],
    ['fetches no secret', 'get $S/secret got'],
    ['fetches no secret through a link', 'get $S/work/leak got'],
    ['writes no keys', 'put mine .ssh/authorized_keys'],
    ['writes no profile', 'put mine .bashrc'],
    ['writes nothing that a shell of others reads', 'put mine /etc/profile.d/sallyport-test.sh'],
  ])('%s', async (_, batch) => {
    const ran = await lab.run('sftp', ['-b', '-', 'ops'], { input: `${batch.replaceAll('$S', lab.host.path('srv'))}\n` });
    expectNothing(ran);
    expect(existsSync(local('got')) && readFileSync(local('got'), 'utf8').includes(SECRET)).toBe(false);
    expect(Object.keys(lab.host.state())).not.toContain('srv/work/new');
    expect(existsSync('/etc/profile.d/sallyport-test.sh')).toBe(false);
  });
});

describe.each([
  ['by sftp', []],
  ['by its own protocol', ['-O']],
])('scp %s', (_, options) => {
  test.each([
    ['mine', 'ops:$S/guarded/keep'],
    ['mine', 'ops:$S/guarded/'],
    ['mine', 'ops:$S/work/folder/keep'],
    ['mine', 'ops:$S/work/../guarded/new'],
    ['mine', 'ops:.ssh/authorized_keys'],
    ['mine', 'ops:.profile'],
    ['ops:$S/secret', 'got'],
    ['ops:$S/work/leak', 'got'],
    ['ops:$S/pub/../secret', 'got'],
  ])('does not copy %s to %s', async (from, to) => {
    const placed = [from, to].map((text) => text.replaceAll('$S', lab.host.path('srv')));
    expectNothing(await lab.run('scp', [...options, ...placed]));
    expect(existsSync(local('got')) && readFileSync(local('got'), 'utf8').includes(SECRET)).toBe(false);
  });

  test('brings no link of its own that leads elsewhere', async () => {
    rmSync(local('tree'), { recursive: true, force: true });
    mkdirSync(local('tree'));
    symlinkSync('/nowhere', local('tree/folder'));
    writeFileSync(local('tree/keep'), 'mine');
    await lab.run('scp', [...options, '-r', local('tree'), `ops:${srv('work/folder')}`]);
    expect(readFileSync(srv('guarded/keep'), 'utf8')).toBe('kept\n');
    expect(existsSync(srv('guarded/tree'))).toBe(false);
  });
});

describe('rsync', () => {
  test.each([
    ['into a folder', ['mine', 'ops:$S/guarded/']],
    ['over a file', ['mine', 'ops:$S/guarded/keep']],
    ['through a link', ['mine', 'ops:$S/work/folder/']],
    ['deleting', ['-a', '--delete', 'empty/', 'ops:$S/guarded/']],
    ['from a secret', ['ops:$S/secret', 'got']],
    ['from behind a link', ['-L', 'ops:$S/work/leak', 'got']],
    ['with a program before it', ['--rsync-path=rm $S/guarded/keep; rsync', 'mine', 'ops:$S/work/']],
    ['with another program', ['--rsync-path=$S/work/ls', 'mine', 'ops:$S/work/']],
    ['to a daemon', ['mine', 'ops::module/']],
    ['with a log of its own', ['--rsync-path=rsync --log-file=$S/guarded/log', 'mine', 'ops:$S/work/']],
    ['with a folder for what it replaces', ['-b', '--backup-dir=$S/guarded', 'mine', 'ops:$S/work/list']],
    ['with a folder for parts', ['--partial-dir=$S/guarded', '--delay-updates', 'mine', 'ops:$S/work/']],
  ])('does nothing %s', async (_, args) => {
    mkdirSync(local('empty'), { recursive: true });
    expectNothing(await lab.rsync(...args.map((text) => text.replaceAll('$S', lab.host.path('srv')))));
    expect(existsSync(local('got'))).toBe(false);
  });
});

describe('git', () => {
  test.each([
    ['another program on the host', ['clone', '--upload-pack=rm $S/guarded/keep; git-upload-pack', 'ops:$S/app.git', 'got']],
    ['another repository', ['clone', 'ops:$S/guarded', 'got']],
    ['a repository behind a link', ['clone', 'ops:$S/work/folder', 'got']],
    ['a new repository', ['push', 'ops:$S/guarded/new.git', 'HEAD:main']],
    ['an archive', ['archive', '--remote=ops:$S/app.git', 'HEAD']],
  ])('reaches nothing by %s', async (_, args) => {
    const ran = await lab.git(...args.map((text) => text.replaceAll('$S', lab.host.path('srv'))));
    expectNothing(ran);
  });
});

describe('ssh', () => {
  test.each<readonly [string, readonly string[], string]>([
    ['a terminal for a command', ['-tt', 'ops', 'rm $S/guarded/keep'], ''],
    ['a shell', ['-tt', 'ops'], 'rm $S/guarded/keep\nexit 1\n'],
    ['a shell without a terminal', ['-T', 'ops'], 'rm $S/guarded/keep\nexit 1\n'],
    ['a subsystem with arguments', ['-s', 'ops', 'sftp -d /'], ''],
    ['a subsystem of another name', ['-s', 'ops', 'sh'], ''],
    ['a command in place of a subsystem', ['-s', 'ops', 'rm $S/guarded/keep'], ''],
    ['the source of scp', ['ops', 'scp -f $S/secret'], '\0\0\0\0'],
    ['the server of rsync', ['ops', 'rsync --server --daemon .'], ''],
    ['a hook of git', ['ops', 'cp $S/work/ls $S/app.git/hooks/post-receive'], ''],
    ['a connection from the host', ['-W', '127.0.0.1:$P', 'ops'], ''],
    ['a user name of another account', ['-l', 'nobody+web1', 'ops', 'id'], ''],
    ['a user name that is a command', ['-l', 'web1;rm', 'ops', 'id'], ''],
    ['an approval that is not there', ['-o', 'SetEnv=SALLYPORT_APPROVAL_ID=ap_x', 'ops', 'rm $S/guarded/keep'], ''],
    ['an agent that is brought along', ['-A', 'ops', 'test -n "$SSH_AUTH_SOCK" && rm $S/guarded/keep'], ''],
  ])('does nothing by %s', async (_, args, input) => {
    const place = (text: string): string => text.replaceAll('$S', lab.host.path('srv')).replaceAll('$P', String(insidePort()));
    const count = reached;
    expectNothing(await lab.run('ssh', args.map(place), { input: place(input) }));
    expect(reached).toBe(count);
  });

  test('a further channel of a connection is judged as the first was', async () => {
    const socket = ['-S', local('second')];
    const first = await lab.run('ssh', [...socket, '-o', 'ControlMaster=yes', '-o', 'ControlPersist=60', 'ops', `cat ${srv('pub/a')}`]);
    expect(first.stdout.toString()).toBe('one\ntwo\n');
    const second = await lab.run('ssh', [...socket, 'ops', `rm ${srv('guarded/keep')}`]);
    expectNothing(second);
    expect(second.status).toBe(77);
    await lab.run('ssh', [...socket, '-O', 'exit', 'ops']);
  });

  test('the sink of scp takes no file, and says so as scp does', async () => {
    const { stdout } = await lab.run('ssh', ['ops', `scp -t ${srv('guarded')}`], { input: 'C0644 1 keep\nx\0' });
    expect(stdout.toString()).toContain('\u0001');
    expect(lab.host.state()).toEqual(before);
  });

  test.each([
    ['a port of the host', ['-R', '127.0.0.1:0:127.0.0.1:1']],
    ['a socket of the host', ['-R', '$S/work/socket:127.0.0.1:1']],
  ])('no listener is opened: %s', async (_, args) => {
    const placed = args.map((text) => text.replaceAll('$S', lab.host.path('srv')));
    const ran = await lab.run('ssh', ['-o', 'ExitOnForwardFailure=yes', ...placed, 'ops', 'true']);
    expectNothing(ran);
    expect(existsSync(srv('work/socket'))).toBe(false);
  });

  test('variables that programs listen to do not get there', async () => {
    const options = ['-o', `SetEnv=BASH_ENV=${srv('work/script')} ENV=${srv('work/script')} PATH=${srv('work')}:/usr/bin:/bin`];
    const ran = await lab.run('ssh', [...options, 'ops', `ls ${srv('pub')}`]);
    expect({ status: ran.status, stdout: ran.stdout.toString() }).toEqual({ status: 0, stdout: 'a\n' });
    expect(lab.host.state()).toEqual(before);
  });
});

test('all of it is on record, and verifies', async () => {
  const events = await lab.settled();
  expect(events.filter((event) => event['type'] === 'statement.judged' && event['decision'] === 'block').length).toBeGreaterThan(50);
  const { intact, complete, findings } = await lab.verify();
  expect({ intact, complete, findings }).toEqual({ intact: true, complete: true, findings: [] });
});
