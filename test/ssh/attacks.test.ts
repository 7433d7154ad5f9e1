/** Stock programs that a host trusts more than it should: what they write stays where the rules let it be written. */
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startSshLab, type SshLab } from '../support/ssh-lab.ts';
import { layOut, opsPolicies } from './support/guarded-host.ts';

let lab: SshLab;
beforeAll(async () => {
  lab = await startSshLab({ policies: opsPolicies });
});
afterAll(async () => {
  await lab.stop();
});
beforeEach(() => layOut(lab.host));

const srv = (name: string): string => lab.host.path('srv', name);
const local = (name: string): string => lab.home.path(name);

describe('rsync', () => {
  test('is not told that a folder on the way may be a link', async () => {
    mkdirSync(local('folder'), { recursive: true });
    writeFileSync(local('folder/keep'), 'overwritten\n');
    const ran = await lab.rsync('-R', '--no-implied-dirs', './folder/keep', `ops:${srv('work')}/`);
    expect(ran.status).not.toBe(0);
    expect(ran.stderr).toContain('ZG010');
    expect(readFileSync(srv('guarded/keep'), 'utf8')).toBe('kept\n');
  });

  test('leaves no link that leads out, and nothing that runs as its owner', async () => {
    mkdirSync(local('tree'));
    writeFileSync(local('tree/own'), 'x');
    chmodSync(local('tree/own'), 0o6755);
    symlinkSync('own', local('tree/in'));
    symlinkSync('/etc', local('tree/out'));
    symlinkSync('../../guarded', local('tree/up'));
    const ran = await lab.rsync('-a', `${local('tree')}/`, `ops:${srv('work/tree')}`);
    expect(ran.stderr).toBe('');
    expect(readdirSync(srv('work/tree')).toSorted()).toEqual(['in', 'own']);
    expect(statSync(srv('work/tree/own')).mode & 0o7777).toBe(0o755);
    // The same without the gateway: what it keeps away is otherwise there.
    await lab.rsync('-a', `${local('tree')}/`, `direct:${srv('work/direct')}`);
    expect(readdirSync(srv('work/direct')).toSorted()).toEqual(['in', 'out', 'own', 'up']);
    expect(statSync(srv('work/direct/own')).mode & 0o7777).toBe(0o6755);
  });

  test('sets no extended attributes: they can carry rights', async () => {
    writeFileSync(local('plain'), 'x');
    const ran = await lab.rsync('-aX', local('plain'), `ops:${srv('work')}/`);
    expect(ran.status).not.toBe(0);
    expect(ran.stderr).toContain('attributes');
  });
});

describe('git', () => {
  test('a commit that is to be read in place of another is a rewritten history, not a new ref', async () => {
    const git = async (...args: readonly string[]): Promise<string> => {
      const ran = await lab.git(...args);
      expect(ran).toMatchObject({ status: 0 });
      return ran.stdout.toString().trim();
    };
    const bare = srv('app.git');
    const work = local('work');
    await git('init', '-q', '--bare', bare);
    await git('init', '-q', work);
    writeFileSync(join(work, 'a'), 'reviewed\n');
    await git('-C', work, 'add', '.');
    await git('-C', work, 'commit', '-q', '-m', 'reviewed');
    await git('-C', work, 'push', '-q', bare, 'HEAD:refs/heads/main');
    const reviewed = await git('-C', work, 'rev-parse', 'HEAD');
    writeFileSync(join(work, 'a'), 'evil\n');
    await git('-C', work, 'commit', '-q', '-a', '-m', 'evil');
    // To a branch that is free it may go; what the host shows for main is as it was.
    await git('-C', work, 'push', '-q', `ops:${bare}`, 'HEAD:refs/heads/mine');
    const pushed = await lab.git('-C', work, 'push', '-q', `ops:${bare}`, `HEAD:refs/replace/${reviewed}`);
    expect(await git('--git-dir', bare, 'show', 'main:a')).toBe('reviewed');
    expect(pushed.status).not.toBe(0);
    expect(pushed.stderr).toContain('ZG010');
    // Without the gateway the host takes it, and reads the other one under the same name.
    await git('-C', work, 'push', '-q', `direct:${bare}`, `HEAD:refs/replace/${reviewed}`);
    expect(await git('--git-dir', bare, 'show', 'main:a')).toBe('evil');
  });
});
