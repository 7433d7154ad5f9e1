// Stock git through the git machine to stock git: what is asked for, what arrives, and what is on record.
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { GitRelay } from '../support/git-relay.ts';

let relay: GitRelay;
let counter = 0;

beforeAll(async () => {
  relay = await GitRelay.start();
});
afterAll(() => relay.stop());

let host = '';
let work = '';
beforeEach(async () => {
  counter += 1;
  host = `host${counter}.git`;
  work = `work${counter}`;
  relay.judge = () => 'run';
  await relay.must('.', 'init', '-q', '--bare', '-b', 'main', host);
  await relay.must('.', 'init', '-q', '-b', 'main', work);
  await relay.must(work, 'remote', 'add', 'origin', relay.url(host));
  await change('first');
  await relay.must(work, 'push', 'origin', 'main');
  relay.changes();
  relay.events.length = 0;
  relay.completed.length = 0;
});

async function change(text: string, folder = work): Promise<string> {
  writeFileSync(relay.path(`${folder}/file`), `${text}\n`);
  await relay.must(folder, 'add', '.');
  await relay.must(folder, 'commit', '-q', '-m', text);
  return relay.must(folder, 'rev-parse', 'HEAD');
}

const refs = (): Promise<string> => relay.must(host, 'for-each-ref', '--format=%(objectname) %(refname)');

describe('git push', () => {
  test('of new commits is an update, and arrives', async () => {
    await change('second');
    const id = await change('third');
    expect((await relay.git(work, 'push', 'origin', 'main')).ok).toBe(true);
    expect(relay.changes()).toEqual(['update refs/heads/main']);
    expect(await refs()).toBe(`${id} refs/heads/main`);
    expect(await relay.git(host, 'fsck', '--strict')).toMatchObject({ ok: true });
    expect(relay.completed).toEqual(['11 ok']);
    expect(relay.events).toMatchObject([{ type: 'channel.operation', outcome: 'ok' }]);
  });

  test('of a hundred commits with packed deltas is an update', async () => {
    const id = await relay.must(work, 'rev-parse', 'HEAD^{tree}');
    let parent = await relay.must(work, 'rev-parse', 'HEAD');
    for (let index = 0; index < 120; index += 1) {
      // Long messages that differ little are what git makes deltas of.
      parent = await relay.must(work, 'commit-tree', id, '-p', parent, '-m', `change ${index}\n\n${'the same words again '.repeat(60)}`);
    }
    await relay.must(work, 'reset', '-q', '--hard', parent);
    await relay.must(work, 'repack', '-adfq', '--depth=50', '--window=50');
    expect((await relay.git(work, 'push', 'origin', 'main')).ok).toBe(true);
    expect(relay.changes()).toEqual(['update refs/heads/main']);
    expect(await relay.must(host, 'rev-list', '--count', 'main')).toBe('121');
  });

  test('of megabytes arrives whole', async () => {
    writeFileSync(relay.path(`${work}/large`), randomBytes(24 * 1024 * 1024));
    const id = await change('large');
    expect((await relay.git(work, 'push', 'origin', 'main')).ok).toBe(true);
    expect(relay.changes()).toEqual(['update refs/heads/main']);
    expect(await refs()).toBe(`${id} refs/heads/main`);
    expect(await relay.git(host, 'fsck')).toMatchObject({ ok: true });
  });

  test('that rewrites is force, with a lease too', async () => {
    await change('second');
    await relay.must(work, 'push', 'origin', 'main');
    relay.changes();
    await relay.must(work, 'commit', '-q', '--amend', '-m', 'other');
    expect((await relay.git(work, 'push', 'origin', 'main')).output).toContain('rejected');
    expect(relay.changes()).toEqual([]);
    expect((await relay.git(work, 'push', '--force-with-lease', 'origin', 'main')).ok).toBe(true);
    expect(relay.changes()).toEqual(['force refs/heads/main']);
  });

  test('of a merge is an update; of commits that the host has, force', async () => {
    await relay.must(work, 'checkout', '-q', '-b', 'side');
    await change('on the side');
    await relay.must(work, 'push', 'origin', 'side');
    expect(relay.changes()).toEqual(['create refs/heads/side']);
    // The host has these commits already, so that the pack proves nothing.
    await relay.must(work, 'push', 'origin', 'side:main');
    expect(relay.changes()).toEqual(['force refs/heads/main']);
    await relay.must(work, 'checkout', '-q', '-b', 'third', 'main');
    await relay.must(work, 'commit', '-q', '--allow-empty', '-m', 'elsewhere');
    await relay.must(work, 'merge', '-q', '-m', 'merged', 'side');
    await relay.must(work, 'push', 'origin', 'third:main');
    expect(relay.changes()).toEqual(['update refs/heads/main']);
  });

  test('of several refs, deletes and tags asks once for all', async () => {
    await change('second');
    await relay.must(work, 'tag', '-a', '-m', 'one', 'v1');
    await relay.must(work, 'push', 'origin', 'main', 'main:refs/heads/other', 'v1');
    expect(relay.asked).toHaveLength(1);
    expect([...relay.changes()].sort()).toEqual(['create refs/heads/other', 'create refs/tags/v1', 'update refs/heads/main']);
    await change('third');
    await relay.must(work, 'tag', '-f', '-a', '-m', 'moved', 'v1');
    await relay.must(work, 'push', '--atomic', '-f', 'origin', 'main', 'v1', ':other');
    expect(relay.asked).toHaveLength(1);
    expect([...relay.changes()].sort()).toEqual(['delete refs/heads/other', 'force refs/tags/v1', 'update refs/heads/main']);
    expect(await relay.must(host, 'for-each-ref', '--format=%(refname)')).toBe('refs/heads/main\nrefs/tags/v1');
  });

  test('from a shallow clone is an update', async () => {
    await change('second');
    await relay.must(work, 'push', 'origin', 'main');
    await relay.must('.', 'clone', '-q', '--depth=1', relay.url(host), `shallow${counter}`);
    relay.changes();
    await change('third', `shallow${counter}`);
    expect(await relay.git(`shallow${counter}`, 'push', 'origin', 'main')).toMatchObject({ ok: true });
    expect(relay.changes()).toEqual(['update refs/heads/main']);
  });

  test('of nothing asks nothing', async () => {
    expect((await relay.git(work, 'push', 'origin', 'main')).output).toContain('Everything up-to-date');
    expect(relay.changes()).toEqual([]);
  });

  test('with options shows them', async () => {
    await relay.must(host, 'config', 'receive.advertisePushOptions', 'true');
    await change('second');
    await relay.must(work, 'push', '-o', 'ci.skip', 'origin', 'main');
    expect(relay.asked).toMatchObject([{ options: ['ci.skip'], updates: [{ change: 'update' }] }]);
    relay.changes();
  });

  test('that must be signed is told by git itself that it cannot be', async () => {
    await relay.must(host, 'config', 'receive.certNonceSeed', 'seed');
    await change('second');
    expect(await relay.git(work, 'push', '--signed=true', 'origin', 'main')).toMatchObject({
      ok: false,
      output: expect.stringContaining('does not support --signed push'),
    });
    expect(relay.changes()).toEqual([]);
  });

  test('that the host declines is on record as that', async () => {
    await relay.must(host, 'config', 'receive.denyDeletes', 'true');
    const ran = await relay.git(work, 'push', 'origin', ':main');
    expect(ran).toMatchObject({ ok: false });
    expect(relay.changes()).toEqual(['delete refs/heads/main']);
    expect(relay.completed).toEqual(['11 error']);
    expect(relay.events).toMatchObject([{ outcome: 'error', detail: expect.stringContaining('not refs/heads/main') }]);
  });

  test('of a repository of SHA-256 is an update', async () => {
    const [wide, mine] = [`wide${counter}.git`, `mine${counter}`];
    await relay.must('.', 'init', '-q', '--bare', '-b', 'main', '--object-format=sha256', wide);
    await relay.must('.', 'init', '-q', '-b', 'main', '--object-format=sha256', mine);
    await relay.must(mine, 'remote', 'add', 'origin', relay.url(wide));
    await change('first', mine);
    await relay.must(mine, 'push', 'origin', 'main');
    await change('second', mine);
    await relay.must(mine, 'push', 'origin', 'main');
    expect(relay.changes()).toEqual(['create refs/heads/main', 'update refs/heads/main']);
  });
});

describe('git push that is refused', () => {
  test('changes nothing on the host, and says why for each ref', async () => {
    const before = await refs();
    writeFileSync(relay.path(`${work}/large`), randomBytes(4 * 1024 * 1024));
    await change('second');
    relay.judge = () => 'refused';
    const ran = await relay.git(work, 'push', 'origin', 'main', 'main:other');
    expect(ran.ok).toBe(false);
    expect(ran.output).toMatch(/! \[remote rejected\] main -> main \(sallyport: ZG010 blocked by policy: not today\)/u);
    expect(ran.output).toMatch(/! \[remote rejected\] main -> other \(sallyport: ZG010/u);
    expect(await refs()).toBe(before);
    expect(await relay.must(host, 'count-objects')).toMatch(/^3 objects/u);
  });

  test('of a delete alone ends at once', async () => {
    relay.judge = () => 'refused';
    expect((await relay.git(work, 'push', 'origin', ':main')).output).toContain('[remote rejected] main (sallyport: ZG010');
    expect(await refs()).toContain('refs/heads/main');
  });
});

describe('git clone and fetch', () => {
  test.each(['0', '1', '2'])('in version %s of the protocol bring everything, and name what they got', async (version) => {
    const id = await change('second');
    await relay.must(work, 'push', 'origin', 'main');
    relay.events.length = 0;
    const clone = `clone${counter}`;
    await relay.must('.', '-c', `protocol.version=${version}`, 'clone', '-q', relay.url(host), clone);
    expect(await relay.must(clone, 'rev-parse', 'HEAD')).toBe(id);
    expect(relay.events).toMatchObject([{ outcome: 'ok', detail: expect.stringContaining(`wants ${id}`) }]);
    const next = await change('third');
    await relay.must(work, 'push', 'origin', 'main');
    await relay.must(clone, '-c', `protocol.version=${version}`, 'fetch', '-q');
    expect(await relay.must(clone, 'rev-parse', 'origin/main')).toBe(next);
  });

  test('of refs alone want nothing', async () => {
    await relay.must(work, 'ls-remote', 'origin');
    expect(relay.events).toMatchObject([{ detail: expect.stringContaining('nothing wanted') }]);
  });
});
