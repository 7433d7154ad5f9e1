import { describe, expect, test } from 'vitest';
import { gitCommand, repositoryAt, type HostPaths } from '../../../proxy-task/ssh/git-repository.ts';

const HOME = '/home/deploy';

/** A host with these folders and files; folders end in `/`. `links`: folder → where it is. */
function host(entries: readonly string[], links: Readonly<Record<string, string>> = {}, unknown: readonly string[] = []): HostPaths {
  return {
    home: () => Promise.resolve(HOME),
    resolve: (path) => Promise.resolve(links[path] ?? path),
    kindOf: (path) => {
      if (unknown.includes(path)) return Promise.resolve('unknown');
      if (entries.includes(`${path}/`)) return Promise.resolve('folder');
      return Promise.resolve(entries.includes(path) ? 'file' : 'nothing');
    },
  };
}

const BARE = ['/srv/app.git/', '/srv/app.git/HEAD'];

describe('the repository that git opens', () => {
  test.each<[string, string, readonly string[], string]>([
    ['is the path itself', '/srv/app.git', BARE, '/srv/app.git'],
    ['is the path itself with slashes behind it', '/srv/app.git//', BARE, '/srv/app.git'],
    ['is beside the path', '/srv/app', BARE, '/srv/app.git'],
    ['is beside a folder that is none', '/srv/app', [...BARE, '/srv/app/'], '/srv/app.git'],
    ['is inside a working tree', '/srv/app', ['/srv/app/', '/srv/app/.git/', '/srv/app/.git/HEAD'], '/srv/app/.git'],
    ['is below the home folder', 'app.git', ['/home/deploy/app.git/', '/home/deploy/app.git/HEAD'], '/home/deploy/app.git'],
    ['is below the home folder by its sign', '~/app.git', ['/home/deploy/app.git/', '/home/deploy/app.git/HEAD'], '/home/deploy/app.git'],
  ])('%s', async (_, written, entries, repository) => {
    expect(await repositoryAt(written, host(entries))).toBe(repository);
  });

  test('is named as the host names it', async () => {
    expect(await repositoryAt('/srv/app.git', host(BARE, { '/srv/app.git': '/data/git/app.git' }))).toBe('/data/git/app.git');
  });

  test.each<[string, string, HostPaths]>([
    ['of two that could be meant', '/srv/app', host([...BARE, '/srv/app/', '/srv/app/HEAD'])],
    ['of a bare one with another inside', '/srv/app.git', host([...BARE, '/srv/app.git/.git/', '/srv/app.git/.git/HEAD'])],
    ['behind a file that leads elsewhere', '/srv/app', host(['/srv/app/', '/srv/app/.git', ...BARE])],
    ['that is not there', '/srv/none', host(BARE)],
    ['in a folder that is none', '/srv', host(['/srv/', ...BARE])],
    ['in the home of somebody else', '~root/app.git', host(BARE)],
    ['that the host says nothing about', '/srv/app', host(BARE, {}, ['/srv/app/.git'])],
    ['beside one whose HEAD is a link', '/srv/app', host([...BARE, '/srv/app/'], {}, ['/srv/app/HEAD'])],
    ['of no name', '', host(BARE)],
    ['on a host that does not say where home is', '/srv/app.git', { ...host(BARE), home: () => Promise.resolve(undefined) }],
  ])('is not known: %s', async (_, written, paths) => {
    expect(await repositoryAt(written, paths)).toBeUndefined();
  });
});

test('the command of a repository with quotes in its name is one word', () => {
  expect(gitCommand('receive-pack', "/srv/it's; rm -rf /.git")).toBe("git-receive-pack '/srv/it'\\''s; rm -rf /.git'");
});
