// Stock git and ssh through the whole gateway to a repository on a real host: permitted, held for people, refused.
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startSshLab, type SshLab } from '../support/ssh-lab.ts';

const policies = (root: string): string => `
@id("connect") permit (principal, action == Action::"connect", resource);
@id("git") permit (principal, action in [Action::"gitFetch", Action::"gitCreate", Action::"gitUpdate"], resource in File::"web1:${root}/srv");
@id("forced") @approvers("dba") @quorum("1") @hold("20s") @expires("1h") @grant("5m") @reason("History stays as it is")
permit (principal, action == Action::"gitForce", resource in File::"web1:${root}/srv") when { context has approval };
@id("kept") @reason("Releases stay") forbid (principal, action in [Action::"gitDelete", Action::"gitUpdate", Action::"gitForce"],
resource == Ref::"web1:${root}/srv/app.git#refs/heads/release");
`;

let lab: SshLab;
let work = '';
beforeAll(async () => {
  lab = await startSshLab({ policies });
  work = lab.home.path('work');
  await must('init', '-q', '--bare', lab.host.path('srv/app.git'));
  await must('init', '-q', work);
  await change('first');
  await must('-C', work, 'remote', 'add', 'origin', `all:${lab.host.path('srv/app')}`);
});
afterAll(() => lab.stop());

async function must(...args: readonly string[]): Promise<string> {
  const ran = await lab.git(...args);
  if (ran.status !== 0) throw new Error(`git ${args.join(' ')}: ${ran.stderr}`);
  return ran.stdout.toString().trim();
}

async function change(text: string): Promise<string> {
  writeFileSync(`${work}/file`, `${text}\n`);
  await must('-C', work, 'add', '.');
  await must('-C', work, 'commit', '-q', '-m', text);
  return must('-C', work, 'rev-parse', 'HEAD');
}

const onHost = (ref: string): Promise<string> => must('-C', lab.host.path('srv/app.git'), 'rev-parse', ref);

test('a push and a clone that policy permits go through, under the name of the repository that git opens', async () => {
  await must('-C', work, 'push', '-q', 'origin', 'main', 'main:release');
  const id = await change('second');
  await must('-C', work, 'push', '-q', 'origin', 'main');
  expect(await onHost('main')).toBe(id);
  await must('clone', '-q', `all:${lab.host.path('srv/app.git')}`, lab.home.path('clone'));
  expect(await must('-C', lab.home.path('clone'), 'rev-parse', 'HEAD')).toBe(id);
  const events = await lab.settled();
  const judged = events.filter(({ type }) => type === 'statement.judged').map(({ text }) => String(text).split('\n')[0]);
  expect(new Set(judged)).toEqual(new Set(['fetch', 'push'].map((verb) => `git ${verb} "${lab.host.path('srv/app.git')}"`)));
  expect(events.filter(({ type }) => type === 'channel.operation').map(({ outcome }) => outcome)).toEqual(['ok', 'ok', 'ok']);
});

test('a forced push waits for people, who read the ref and both commits, and runs once they agree', async () => {
  const before = await onHost('main');
  await must('-C', work, 'commit', '-q', '--amend', '-m', 'rewritten');
  const pushed = lab.git('-C', work, 'push', '-f', 'origin', 'main');
  const { id } = await lab.gateway.pending();
  expect(await onHost('main')).toBe(before);
  await lab.gateway.answer(id, 'approve');
  const ran = await pushed;
  expect(ran.stderr).toContain('sallyport: waits for approval');
  expect(ran.status).toBe(0);
  expect(await onHost('main')).toBe(await must('-C', work, 'rev-parse', 'HEAD'));
  const asked = (await lab.settled()).filter(({ type }) => type === 'approval.requested');
  expect(asked).toHaveLength(1);
});

test('a push to a ref that is kept is refused for all of its refs, with the reason on each, and changes nothing', async () => {
  await change('third');
  const before = [await onHost('main'), await onHost('release')];
  const ran = await lab.git('-C', work, 'push', 'origin', 'main', 'main:release');
  expect(ran.status).toBe(1);
  expect(ran.stderr).toMatch(/! \[remote rejected\] main -> release \(sallyport: ZG010 blocked by policy: .*Releases stay/u);
  expect(ran.stderr).toMatch(/! \[remote rejected\] main -> main \(sallyport: ZG010/u);
  // Once by the gateway on standard error; git adds each ref.
  expect(ran.stderr.match(/^sallyport: ZG010/gmu)).toHaveLength(1);
  expect([await onHost('main'), await onHost('release')]).toEqual(before);
});

test('a repository elsewhere is not opened, by any spelling', async () => {
  await must('init', '-q', '--bare', lab.host.path('home/own.git'));
  for (const spelled of ['own.git', '~/own', `${lab.host.path('srv')}/../home/own.git`, lab.host.path('home/none.git')]) {
    const ran = await lab.git('ls-remote', `all:${spelled}`);
    expect(ran.status).not.toBe(0);
    expect(ran.stderr).toMatch(/sallyport: ZG01[04] /u);
  }
});

test('the evidence of all that is whole', async () => {
  await lab.settled();
  expect(await lab.verify()).toMatchObject({ intact: true, complete: true, findings: [] });
});
