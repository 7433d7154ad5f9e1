import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { dispatch } from '../../cli/dispatch.ts';
import { writeRunning } from '../../standalone/running.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { keptIo, type KeptIo } from '../support/verb-io.ts';

// To the verb a gateway is what speaks the protocol and takes the token as a password: a PostgreSQL does.
let postgres: TestPostgres;
let dataDir = '';
let env: Record<string, string> = {};

beforeAll(async () => {
  postgres = await startPostgres({ settings: { client_connection_check_interval: '50ms' } });
  dataDir = mkdtempSync(join(tmpdir(), 'sallyport-sql-'));
  env = { USER: postgres.superuser, SALLYPORT_TOKEN: postgres.password, SALLYPORT_TARGET: 'postgres', SALLYPORT_DATA: dataDir };
  writeRunning(dataDir, { pid: 1, api: 'http://127.0.0.1:1', postgres: { host: postgres.host, port: postgres.port } });
});
afterAll(async () => {
  await postgres.stop();
  rmSync(dataDir, { recursive: true, force: true });
});

async function sql(
  args: readonly string[],
  options: { stdin?: string; env?: Record<string, string> } = {},
): Promise<KeptIo['written'] & { status: number }> {
  const io = keptIo({ ...options, env: { ...env, ...options.env } });
  const status = await dispatch(['sql', ...args], io);
  return { status, ...io.written };
}

describe('sallyport sql', () => {
  test('prints the results of all statements, and tags of those without rows, on stdout', async () => {
    expect(
      await sql(["select 1 as one, null as none; create temp table t (a int); insert into t values (1), (2); select 'x' as y"]),
    ).toEqual({
      status: 0,
      stdout: ' one | none\n-----+------\n   1 |\n(1 row)\n\nCREATE TABLE\nINSERT 0 2\n y\n---\n x\n(1 row)\n\n',
      stderr: '',
    });
  });

  test('reads the statement from standard input', async () => {
    expect(await sql([], { stdin: 'select 2 as two' })).toMatchObject({ status: 0, stdout: ' two\n-----\n   2\n(1 row)\n\n' });
  });

  test('an error ends in 1, with SQLSTATE, DETAIL and HINT on stderr, after what came before it', async () => {
    const raised = "do $$ begin raise exception 'no' using errcode = 'ZG010', detail = '{\"executed\":\"no\"}', hint = 'ask'; end $$";
    expect(await sql([`select 1 as one; ${raised}; select 2`])).toEqual({
      status: 1,
      stdout: ' one\n-----\n   1\n(1 row)\n\n',
      stderr: 'ERROR:  ZG010: no\nDETAIL:  {"executed":"no"}\nHINT:  ask\n',
    });
  });

  test('a notice is shown while its statement is still running, and stopping closes the connection', async () => {
    const io = keptIo({ env });
    const running = dispatch(
      ['sql', "do $$ begin raise notice using errcode = 'ZG001', message = 'held'; perform pg_sleep(600); end $$"],
      io,
    );
    await expect.poll(() => io.written.stderr).toContain('NOTICE:  ZG001: held\n');
    const active = "select count(*)::int as n from pg_stat_activity where state = 'active' and query like 'do %'";
    expect(await postgres.query(active)).toEqual([{ n: 1 }]);
    io.requestStop();
    expect(await running).toBe(1);
    await expect
      .poll(async () => postgres.query("select pid from pg_stat_activity where query like 'do %' and state = 'active'"))
      .toBeDefined();
  });

  test('settings travel as startup options, whatever their text', async () => {
    const reason = String.raw`a "quoted" \ reason -c x=y` + '\n\ttwo lines';
    const shown = await sql([
      '--json',
      '--reason',
      reason,
      '--approval',
      'failfast',
      '--approval-id',
      'ap_1',
      "select current_setting('sallyport.reason'), current_setting('sallyport.approval'), current_setting('sallyport.approval_id')",
    ]);
    expect(shown.stdout.split('\n')[1]).toBe(JSON.stringify({ row: [reason, 'failfast', 'ap_1'] }));
  });

  test('--json is one object a line for everything', async () => {
    const { status, stdout, stderr } = await sql(['--json', "do $$ begin raise notice 'n'; end $$; select 1 as a, 2 as a; select 1/0"]);
    expect([status, stderr]).toEqual([1, '']);
    expect(
      stdout
        .trim()
        .split('\n')
        .map((line): unknown => JSON.parse(line)),
    ).toEqual([
      { notice: expect.objectContaining({ severity: 'NOTICE', code: '00000', message: 'n' }) },
      { tag: 'DO' },
      { columns: ['a', 'a'] },
      { row: ['1', '2'] },
      { tag: 'SELECT 1' },
      { error: expect.objectContaining({ severity: 'ERROR', code: '22012', message: 'division by zero' }) },
    ]);
  });

  test('COPY TO STDOUT is printed, COPY FROM STDIN refused', async () => {
    expect(await sql(["copy (values (1, 'a'), (2, 'b')) to stdout"])).toMatchObject({ status: 0, stdout: '1\ta\n2\tb\nCOPY 2\n' });
    expect(await sql(['create temp table t (a int); copy t from stdin'])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('sends no COPY data'),
    });
  });

  test('a refused login ends in 1 and says why', async () => {
    const refused = await sql(['--token', 'wrong', 'select 1']);
    expect(refused).toMatchObject({ status: 1, stdout: '' });
    expect(refused.stderr).toMatch(/^FATAL: {2}28P01: /u);
  });

  test('a session that is ended under its statement says so and ends in 1', async () => {
    const ended = await sql(['select 1 as one; select pg_terminate_backend(pg_backend_pid())']);
    expect(ended).toMatchObject({ status: 1, stdout: ' one\n-----\n   1\n(1 row)\n\n' });
    expect(ended.stderr).toMatch(/^FATAL: {2}57P01: /u);
  });

  test('a connection that is lost under its statement is not taken for an answer', async () => {
    const cut = createServer((socket) => {
      const upstream = createConnection({ host: postgres.host, port: postgres.port });
      socket.on('data', (chunk) => (chunk.includes('cut_here') ? socket.destroy() : upstream.write(chunk)));
      upstream.pipe(socket).on('error', () => upstream.destroy());
      socket.on('close', () => upstream.destroy());
    }).listen(0, '127.0.0.1');
    await once(cut, 'listening');
    const address = cut.address();
    const lost = await sql(['--port', String(typeof address === 'object' ? address?.port : 0), 'select 1 as cut_here']);
    cut.close();
    expect(lost).toMatchObject({ status: 1, stdout: '', stderr: expect.stringContaining('whether the statement ran is unknown') });
  });

  test.each([
    [['select', '1'], {}, 'quote it'],
    [['--approval', 'maybe', 'select 1'], {}, 'wait or failfast'],
    [['select 1'], { SALLYPORT_TOKEN: '' }, 'no token'],
    [['--port', '99999', 'select 1'], {}, 'from 1 to 65535'],
    [['  '], {}, 'no statement'],
    [[], {}, 'no statement'],
  ])('%j with %j is wrong usage', async (args, extra, says) => {
    const wrong = await sql(args, { env: extra });
    expect(wrong.status).toBe(2);
    expect(wrong.stderr).toContain(says);
  });

  test('no gateway on the data directory, or nobody at the address, is said in one line', async () => {
    const nowhere = await sql(['select 1'], { env: { SALLYPORT_DATA: join(dataDir, 'other') } });
    expect(nowhere).toMatchObject({ status: 1, stderr: expect.stringMatching(/^sallyport sql: no gateway runs on .*\n$/u) });
    const dead = await sql(['--port', '1', 'select 1']);
    expect(dead).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/^sallyport sql: no connection to the gateway at 127\.0\.0\.1:1: .*\n$/u),
    });
  });

  test('a gateway that is not on loopback is asked for TLS, and no token is sent without it', async () => {
    // A name of this machine that is no loopback name to the verb, though it leads there.
    const plain = await sql(['--host', '0.0.0.0', '--port', String(postgres.port), 'select 1']);
    expect(plain).toMatchObject({ status: 1, stdout: '' });
    expect(plain.stderr).toContain('SSL');
  });
});
