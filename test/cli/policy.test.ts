import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { verb } from '../../cli/policy.ts';
import { UsageError } from '../../cli/verb.ts';
import { dryRun } from '../../lambdas/evaluate-policy/dry-run.ts';
import { readConfigDirectory } from '../../standalone/config-directory.ts';
import { ensureBank } from '../../standalone/demo/bank.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { keptIo, type KeptIo } from '../support/verb-io.ts';

let postgres: TestPostgres;
let directory: string;
let config: string;
let dump: string;
let env: Record<string, string>;

beforeAll(async () => {
  postgres = await startPostgres();
  const { port, superuser, password } = postgres;
  await ensureBank({ host: '127.0.0.1', port, superuser, superuserPassword: password, rolePassword: 'pw' });
  directory = mkdtempSync(join(tmpdir(), 'sallyport-policy-'));
  writeFileSync(join(directory, 'password'), 'pw\n');
  env = { BANK_PORT: String(port), BANK_PASSWORD_FILE: join(directory, 'password') };
  config = join(directory, 'config');
  dump = join(directory, 'bank.json');
  cpSync(join(import.meta.dirname, '../../examples/bank/config'), config, { recursive: true });
  writeFileSync(dump, (await run(['catalog'])).stdout);
}, 60_000);

afterAll(async () => {
  rmSync(directory, { recursive: true });
  await postgres.stop();
});

async function run(args: readonly string[], stdin = '', environment = env): Promise<KeptIo['written'] & { status: number }> {
  const io = keptIo({ stdin, env: environment });
  return { status: await verb.run([...args, '--config', config], io), ...io.written };
}

type Answer = {
  readonly id: unknown;
  readonly decision: string;
  readonly code?: string;
  readonly policies: readonly string[];
  readonly masked: readonly string[];
  readonly reason: string;
  readonly effects: readonly { readonly action: string; readonly resource: string }[];
  readonly facts: Readonly<Record<string, unknown>>;
};

async function explain(sql: string, principal = 'demo/agent-7', ...more: readonly string[]): Promise<Answer> {
  const args = ['explain', '--principal', principal, '--target', 'bank', '--catalog', dump, '--json', ...more];
  const { stdout } = await run(args, `${JSON.stringify({ id: 'x', sql, params: [] })}\n`, {});
  // The answer is compared field by field; a wrong shape fails there.
  return JSON.parse(stdout) as Answer;
}

describe('explain', () => {
  test.each<[string, string, string | undefined, readonly string[], readonly string[]]>([
    [
      'select id, ssn as x, email from customers',
      'permit',
      undefined,
      ['analysts-read'],
      ['public.customers.email', 'public.customers.ssn'],
    ],
    ['update accounts set balance = 0 where id = 1', 'approve', 'ZG001', ['analysts-read', 'analysts-write'], []],
    ['delete from transactions', 'block', 'ZG010', ['no-unbounded-writes'], []],
    ['select 1; drop table accounts', 'block', 'ZG010', ['no-drop'], []],
    ['select id from customers order by ssn', 'block', 'ZG013', [], []],
    ['selec 1', 'block', 'ZG014', [], []],
    ['select purge_transactions(now()::date)', 'block', 'ZG010', [], []],
    ['begin', 'permit', undefined, [], []],
  ])('%s', async (sql, decision, code, policies, masked) => {
    const answer = await explain(sql);
    expect({ ...answer, masked: decision === 'permit' ? answer.masked : [] }).toMatchObject({ id: 'x', decision, policies, masked });
    expect(answer.code).toBe(code);
    expect(answer.reason).not.toBe('');
  });

  test('names effects with their resources, and the facts', async () => {
    const answer = await explain('update accounts set balance = 0', 'demo/agent-7', '--in-transaction');
    expect(answer.effects).toContainEqual({ action: 'update', type: 'Table', resource: 'bank.public.accounts' });
    expect(answer.facts).toMatchObject({ unbounded: true, inTransaction: true });
  });

  test('a column that policy reveals is not listed as masked', async () => {
    expect((await explain('select email, ssn from customers where id = 1', 'fraud-desk')).masked).toEqual(['public.customers.ssn']);
  });

  test('groups of the flag are bounded by those of the configuration, and a human narrows them', async () => {
    expect((await explain('drop table accounts', 'agent-7', '--group', 'migrators')).decision).toBe('block');
    expect((await explain('drop table accounts', 'someone', '--group', 'migrators')).decision).toBe('permit');
    expect((await explain('drop table accounts', 'someone', '--group', 'migrators', '--on-behalf-of', 'ann@bank.example')).decision).toBe(
      'block',
    );
  });

  test('the target itself says the same as its dump', async () => {
    const sql = 'select * from customer_overview where id = 1';
    const live = await run(['explain', '--principal', 'agent-7', '--live', '--json'], sql);
    expect({ ...JSON.parse(live.stdout), id: 'x' }).toEqual(await explain(sql));
  });

  test('a dry run in AWS says the same, under any published bundle', async () => {
    const reading = await readConfigDirectory(config, {});
    if ('errors' in reading) throw new Error('the configuration has findings');
    const sqls = ['select id, ssn as x from customers where id = 1', 'update accounts set balance = 0 where id = 1', 'selec 1'];
    const answers = await dryRun(
      {
        open: async () => ({ config: reading.config }),
        catalog: async () => readFileSync(dump, 'utf8'),
        commands: () => Promise.reject(new Error('nobody asked for commands')),
      },
      {
        version: reading.config.version,
        target: 'bank',
        principal: 'demo/agent-7',
        asked: { kind: 'statements', catalog: 'c', statements: sqls.map((sql) => ({ id: 'x', sql, inTransaction: false })) },
      },
    );
    expect(answers).toEqual(await Promise.all(sqls.map((sql) => explain(sql))));
  });

  test('each line has its answer, lines that are none included, and the status tells', async () => {
    const lines = ['{"id":1,"sql":"select 1"}', '', '{"id":2}', '{oops', 'drop table accounts'];
    const { status, stdout } = await run(['explain', '--principal', 'agent-7', '--catalog', dump, '--json'], lines.join('\n'));
    // As above: the fields are compared one by one.
    const answers = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Answer);
    expect(answers.map(({ id, decision }) => [id, decision])).toEqual([
      [1, 'permit'],
      [2, 'block'],
      [4, 'block'],
      [5, 'block'],
    ]);
    expect(status).toBe(1);
  });

  test('people read what policy says, and escape sequences in the statement do not reach their terminal', async () => {
    const { stdout } = await run(['explain', '--principal', 'agent-7', '--catalog', dump], `drop table accounts -- \u001b[2J\n`);
    expect(stdout).toMatch(/^BLOCK ZG010 {2}drop table accounts/);
    expect(stdout).not.toContain('\u001b');
  });

  test('a principal that may not connect is told so beside', async () => {
    const { stderr } = await run(['explain', '--principal', 'someone', '--catalog', dump, '--json'], 'select 1');
    expect(stderr).toContain('may not connect to bank at all: No policy permits connect on bank.');
  });

  test.each([
    [['explain', '--principal', 'agent-7']],
    [['explain', '--catalog', 'x']],
    [['explain', '--principal', 'agent-7', '--catalog', 'nope']],
    [['explain', '--principal', 'corp/agent-7', '--live']],
    [['explain', '--principal', 'agent-7', '--target', 'nope', '--live']],
    [['explain', '--live', '--catalog', 'x']],
    [['explian']],
    [[]],
  ])('wrong usage: %j', async (args) => {
    await expect(run(args)).rejects.toThrow(UsageError);
  });

  test('a file that is no catalog, and a rule that does not resolve, are refused', async () => {
    const path = join(directory, 'wrong.json');
    writeFileSync(path, '{"format":"sallyport-catalog/1","major":17,"rows":{},"state":"{}"}');
    await expect(run(['explain', '--principal', 'agent-7', '--catalog', path])).rejects.toMatchObject({ code: 'catalog-dump-unreadable' });
    const other = join(directory, 'other');
    cpSync(config, other, { recursive: true });
    writeFileSync(join(other, 'masking.yaml'), 'columns: [{ target: bank, column: public.customers.gone, method: redact }]');
    const io = keptIo({ stdin: 'select 1' });
    const args = ['explain', '--principal', 'agent-7', '--catalog', dump, '--config', other];
    await expect(verb.run(args, io)).rejects.toMatchObject({ code: 'target-closed' });
  });
});

describe('test', () => {
  test('the bank’s own cases pass without a database', async () => {
    const { status, stdout } = await run(['test'], '', {});
    expect(stdout).toMatch(/^(\d+) of \1 cases pass under b-[0-9a-f]{16}\n$/);
    expect(status).toBe(0);
  });

  async function cases(yaml: string, ...args: readonly string[]): Promise<KeptIo['written'] & { status: number }> {
    const own = mkdtempSync(join(directory, 'cases-'));
    cpSync(config, own, { recursive: true });
    rmSync(join(own, 'tests'), { recursive: true });
    if (yaml !== '') {
      cpSync(join(config, 'tests'), join(own, 'tests'), { recursive: true, filter: (path) => !path.endsWith('.yaml') });
      writeFileSync(join(own, 'tests/own.yaml'), yaml);
    }
    const io = keptIo({ env });
    return { status: await verb.run(['test', '--config', own, ...args], io), ...io.written };
  }

  const SQL = `cases:
  - { name: reads, principal: demo/agent-7, groups: [demo/analysts], target: bank, sql: select ssn from customers where id = 1, decision: permit, masked: [public.customers.ssn] }
  - { name: writes, principal: demo/agent-7, groups: [demo/analysts], target: bank, sql: delete from accounts where id = 1, decision: approve, approvers: [demo/dba] }
`;

  test('cases with SQL are read by a catalog, and fail without one', async () => {
    expect(await cases(SQL, '--catalog', dump)).toMatchObject({ status: 0, stdout: expect.stringContaining('2 of 2 cases pass') });
    expect(await cases(SQL)).toMatchObject({ status: 1, stdout: expect.stringContaining('needs a catalog') });
  });

  test('a case that does not hold says what was expected and what came', async () => {
    const { status, stdout } = await cases(
      SQL.replace('decision: approve', 'decision: permit').replace('[demo/dba]', '[demo/security]'),
      '--catalog',
      dump,
    );
    expect(status).toBe(1);
    expect(stdout).toMatch(
      /FAIL tests\/own\.yaml:3 writes\n {5}expected permit, got approve: .*\n {5}expected approvers \[demo\/security\], got \[demo\/dba\]\n/,
    );
  });

  test('a mask that looks otherwise fails', async () => {
    const mask = "cases: [{ name: m, mask: { method: partial, keepLast: 4 }, value: '123456789', masked: '12345*' }]";
    expect(await cases(mask)).toMatchObject({ status: 1, stdout: expect.stringContaining('got "*****6789"') });
  });

  test('no cases at all is no success', async () => {
    expect(await cases('')).toMatchObject({ status: 1, stderr: expect.stringContaining('there are no cases') });
  });
});
