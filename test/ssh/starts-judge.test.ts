/** What starts on a host has a decision and a record, also where each file is asked for on its own; and what a start is told. */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startSshLab, type SshLab } from '../support/ssh-lab.ts';
import { layOut, opsPolicies } from './support/guarded-host.ts';

/** `all` as in the other suites; `ops` may run programs, and has no file. */
const policies = (root: string): string => `
${opsPolicies(root)
  .split('\n')
  .filter((line) => !/^@id\("(?:pub|work)"\)/u.test(line))
  .join('\n')}
`;

let lab: SshLab;
beforeAll(async () => {
  lab = await startSshLab({
    policies,
    masking: 'columns: []\npatterns:\n  - { target: web1, detectors: [us-ssn] }\n',
    target: '    blockFindings: both\n',
  });
});
afterAll(() => lab.stop());
beforeEach(() => layOut(lab.host));

const srv = (name: string): string => lab.host.path('srv', name);
const local = (name: string): string => lab.home.path(name);
type Event = Readonly<Record<string, unknown>>;

/** The verdict, the intent and the outcome of statements with this text. */
async function recorded(text: RegExp): Promise<readonly string[]> {
  const events: readonly Event[] = await lab.settled();
  const statements = events.filter(({ type, text: said }) => type === 'statement.judged' && text.test(String(said)));
  const last = statements.at(-1);
  const same = ({ statement, session }: Event): boolean => statement === last?.['statement'] && session === last?.['session'];
  return events
    .slice(last === undefined ? events.length : events.indexOf(last))
    .filter((event) => same(event))
    .map(({ type, decision, outcome }) => [type, decision, outcome].filter((word) => typeof word === 'string').join(' '));
}

const RUNS = ['statement.judged permit', 'statement.sent', 'statement.completed ok'];

describe('a service for files', () => {
  test('that has files to move starts on record: sftp', async () => {
    expect((await lab.run('sftp', ['-b', '-', 'all'], { input: `ls ${srv('pub')}\n` })).status).toBe(0);
    expect(await recorded(/^start of sftp$/u)).toEqual(RUNS);
  });

  test('that has files to move starts on record: scp -O', async () => {
    expect((await lab.run('scp', ['-O', `all:${srv('pub/a')}`, local('a')])).status).toBe(0);
    expect(await recorded(/^scp -f /u)).toEqual(RUNS);
  });

  test.each([
    ['sftp', 'sftp', ['-b', '/dev/null', 'ops'], /^start of sftp$/u],
    ['its server as a command', 'ssh', ['ops', '/usr/lib/openssh/sftp-server'], /sftp-server$/u],
    ['scp that reads', 'scp', ['-O', 'ops:$S/pub/a', 'fetched'], /^scp -f /u],
    ['scp that writes', 'scp', ['-O', '/etc/hostname', 'ops:$S/work/new'], /^scp -t /u],
  ] as const)('that has none does not start: %s', async (_, program, args, text) => {
    const ran = await lab.run(
      program,
      args.map((arg) => arg.replace('$S', lab.host.path('srv'))),
    );
    expect(ran.status).not.toBe(0);
    expect(ran.stderr).toContain('sallyport: ZG010 blocked by policy: No policy permits any file of web1.');
    expect(await recorded(text)).toEqual(['statement.judged block', 'error']);
    expect([existsSync(local('fetched')), existsSync(srv('work/new'))]).toEqual([false, false]);
  });
});

describe('GIT_PROTOCOL', () => {
  const variable = ['-o', 'SetEnv=GIT_PROTOCOL=version=2'];

  test('reaches no program but those of git', async () => {
    const { stdout } = await lab.run('ssh', [...variable, 'all', 'env']);
    expect(stdout.toString()).toContain('HOME=');
    expect(stdout.toString()).not.toContain('GIT_PROTOCOL');
  });

  test('reaches git, which answers by that version', async () => {
    expect((await lab.git('init', '-q', '--bare', srv('app.git'))).status).toBe(0);
    const { stdout } = await lab.run('ssh', [...variable, 'all', `git-upload-pack ${srv('app.git')}`], { input: '0000' });
    expect(stdout.toString()).toContain('version 2');
  });
});

describe('a transfer that a finding stops says why', () => {
  const SECRET = 'name: Jo Doe\nssn: 536-22-8741\n';
  const SAID = 'sallyport: ZG010 the file holds what may not pass here';

  test.each([
    ['sftp', []],
    ['scp -O', ['-O']],
  ])('on its way here: %s', async (_, options) => {
    writeFileSync(srv('pub/people'), SECRET);
    const ran = await lab.run('scp', [...options, `all:${srv('pub/people')}`, local('people')]);
    expect(ran.status).not.toBe(0);
    expect(ran.stderr).toContain(SAID);
    expect(existsSync(local('people')) ? readFileSync(local('people'), 'utf8') : '').not.toContain('536-22');
  });

  test.each([
    ['sftp', []],
    ['scp -O', ['-O']],
  ])('on its way there: %s', async (_, options) => {
    writeFileSync(local('people'), Buffer.concat([randomBytes(300_000), Buffer.from(`\n${SECRET}`)]));
    const ran = await lab.run('scp', [...options, local('people'), `all:${srv('work/people')}`]);
    expect(ran.status).not.toBe(0);
    expect(ran.stderr).toContain(SAID);
    expect(readFileSync(srv('work/people')).includes('536-22')).toBe(false);
  });
});
