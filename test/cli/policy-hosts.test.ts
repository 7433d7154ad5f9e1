import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { verb } from '../../cli/policy.ts';
import { readConfig } from '../../core/config/read-config.ts';
import { loadExecReader } from '../../core/statement/host/read-exec.ts';
import { dryRun, type DryRun } from '../../lambdas/evaluate-policy/dry-run.ts';
import { readConfigDirectory } from '../../standalone/config-directory.ts';
import { keptIo, type KeptIo } from '../support/verb-io.ts';

const MAIN = `issuers: [{ name: demo, issuer: 'https://id.example', audience: sallyport }]
approverGroups: { ops: demo/ops }
targets:
  - { name: web1, kind: ssh, host: web1, accounts: [deploy, root], hostKeys: ['SHA256:${'A'.repeat(43)}'], credential: sshCa }
  - { name: old1, kind: ssh, host: old1, accounts: [deploy], shell: other, hostKeys: ['SHA256:${'A'.repeat(43)}'], credential: sshCa }
  - { name: bank, host: db, user: u, credential: rdsIam }
`;
const POLICIES = `
@id("in") permit (principal, action == Action::"connect", resource in Target::"web1");
@id("asks") @approvers("ops") @quorum("1") @reason("Somebody looks")
permit (principal, action in [Action::"all", Action::"unknown"], resource) when { context has approval };
@id("no-root") forbid (principal, action, resource in Target::"web1") when { context has account && context.account == "root" };
`;
const cases = (more: string): string => `cases:
  - { name: asks, principal: demo/a, target: web1, command: some-program --that=nobody-reads, decision: approve, approvers: [demo/ops] }
  - { name: root, principal: demo/a, target: web1, account: root, command: uptime, decision: block, policies: [no-root] }
${more}`;

let config: string;

beforeAll(() => {
  config = mkdtempSync(join(tmpdir(), 'sallyport-hosts-'));
  mkdirSync(join(config, 'policies'));
  mkdirSync(join(config, 'tests'));
  writeFileSync(join(config, 'sallyport.yaml'), MAIN);
  writeFileSync(join(config, 'policies', 'p.cedar'), POLICIES);
  writeFileSync(join(config, 'tests', 'hosts.yaml'), cases(''));
});
afterAll(() => rmSync(config, { recursive: true }));

async function run(args: readonly string[], stdin = ''): Promise<KeptIo['written'] & { status: number }> {
  const io = keptIo({ stdin, env: {} });
  return { status: await verb.run([...args, '--config', config], io), ...io.written };
}

const explain = (target: string, lines: readonly unknown[]) =>
  run(['explain', '--principal', 'demo/a', '--target', target, '--json'], lines.map((line) => JSON.stringify(line)).join('\n'));

describe('a dry run in AWS', () => {
  const commands = ['cat /srv/x | head', 'python3 -c 1', 'rm -rf /srv', 'echo \\u0000', 'a '.repeat(40_000)];
  const dry = async (target: string, asked: DryRun['asked']) => {
    const reading = await readConfigDirectory(config, {});
    if ('errors' in reading) throw new Error(JSON.stringify(reading.errors));
    const ports = {
      open: async () => ({ config: reading.config }),
      catalog: () => Promise.reject(new Error('a host has no catalog')),
      commands: loadExecReader,
    };
    return dryRun(ports, { version: reading.config.version, target, principal: 'demo/a', asked });
  };

  test('says of commands what the command line says, each by its id', async () => {
    const lines = commands.flatMap((command, id) => [
      { id: `${id}`, command },
      { id: `${id} root`, command, account: 'root', home: '/' },
    ]);
    const { stdout } = await explain('web1', lines);
    const said = stdout
      .trim()
      .split('\n')
      .map((line): unknown => JSON.parse(line));
    expect(await dry('web1', { kind: 'commands', commands: lines })).toEqual(said);
    expect(said).toHaveLength(lines.length);
  });

  test.each<[string, DryRun['asked']]>([
    ['bank', { kind: 'commands', commands: [] }],
    ['other1', { kind: 'commands', commands: [] }],
    ['web1', { kind: 'statements', catalog: 'c', statements: [] }],
  ])('of %s with the wrong question is refused', async (target, asked) => {
    await expect(dry(target, asked)).rejects.toMatchObject({ code: 'dry-run-refused', message: expect.stringContaining(target) });
  });
});

describe('policy explain of a host', () => {
  test('answers each command on its line, without a catalog, and says what paths rest on', async () => {
    const { status, stdout, stderr } = await explain('old1', [
      { id: 7, command: 'uptime' },
      { id: 8, command: 'uptime', account: 'postgres' },
    ]);
    const answers = stdout.trim().split('\n');
    expect(answers.map((line): unknown => JSON.parse(line))).toEqual([
      expect.objectContaining({
        id: 7,
        decision: 'approve',
        code: 'ZG001',
        effects: [{ action: 'unknown', type: 'Target', resource: 'old1', via: 'commands of this host are not read' }],
        facts: expect.objectContaining({ opaque: true }),
        masked: [],
        paths: 'as-written',
        policies: ['asks'],
      }),
      expect.objectContaining({ id: 8, decision: 'block', code: 'ZG010', reason: expect.stringContaining('none of the accounts') }),
    ]);
    expect(status).toBe(0);
    expect(stderr).toContain('may not connect to old1 at all');
    expect(stderr).toContain('paths are taken as they are written');
  });

  test('reads commands as sessions do', async () => {
    const { stdout } = await explain('web1', [
      { id: 1, command: 'cat /srv/../etc/hosts notes' },
      { id: 2, command: 'python3 -c 1' },
    ]);
    const [read, opaque] = stdout.trim().split('\n');
    expect(JSON.parse(read ?? '')).toMatchObject({
      facts: { opaque: false },
      effects: expect.arrayContaining([
        { action: 'readFile', type: 'File', resource: 'web1:/etc/hosts' },
        { action: 'readFile', type: 'File', resource: 'web1:/home/deploy/notes' },
      ]),
    });
    expect(JSON.parse(opaque ?? '')).toMatchObject({ facts: { opaque: true } });
  });

  test('judges the account that the line names', async () => {
    const { stdout } = await explain('web1', [{ id: 1, command: 'uptime', account: 'root' }]);
    expect(JSON.parse(stdout)).toMatchObject({ decision: 'block', policies: ['no-root'] });
  });

  test.each([
    [{ id: 1, sql: 'SELECT 1' }, 'the line has no "command"'],
    [{ id: 1, command: 7 }, 'the line has no "command"'],
    [{ id: 1, command: 'ls', account: 7 }, '"account" and "home" are texts'],
  ])('%j is not explained', async (line, reason) => {
    const { status, stdout } = await explain('web1', [line]);
    expect([status, JSON.parse(stdout)]).toEqual([1, expect.objectContaining({ decision: 'block', error: true, reason })]);
  });

  test('knows no catalogs', async () => {
    await expect(run(['explain', '--principal', 'demo/a', '--target', 'web1', '--live'])).rejects.toThrow(/is a host/);
    await expect(run(['catalog', '--target', 'web1'])).rejects.toThrow(/has no catalog/);
  });
});

describe('policy test of a host', () => {
  test('runs commands as it runs effects', async () => {
    const { status, stdout } = await run(['test']);
    expect([status, stdout]).toEqual([0, expect.stringMatching(/^2 of 2 cases pass/)]);
  });

  test('says what a command is instead', async () => {
    writeFileSync(
      join(config, 'tests', 'hosts.yaml'),
      cases('  - { name: wrong, principal: demo/a, target: web1, command: ls, decision: block }\n'),
    );
    const { status, stdout } = await run(['test']);
    expect([status, stdout]).toEqual([1, expect.stringContaining('expected block, got approve')]);
  });

  test.each([
    ['  - { name: w, principal: demo/a, target: web1, sql: SELECT 1, decision: block }\n', '`web1` is a host'],
    ['  - { name: w, principal: demo/a, target: bank, command: ls, decision: block }\n', '`bank` is a database'],
    [
      '  - { name: w, principal: demo/a, target: web1, command: ls, effects: [connect Target], decision: block }\n',
      'one of `sql`, `command` and `effects`',
    ],
    [
      '  - { name: w, principal: demo/a, target: web1, account: root, effects: [connect Target], decision: block }\n',
      'who runs a `command`',
    ],
  ])('%s is refused', async (text, message) => {
    const files = new Map([
      ['sallyport.yaml', MAIN],
      ['policies/p.cedar', POLICIES],
      ['tests/hosts.yaml', cases(text)],
    ]);
    const reading = readConfig(files, {});
    expect('errors' in reading && reading.errors).toEqual([
      expect.objectContaining({ line: 4, message: expect.stringContaining(message) }),
    ]);
  });
});
