import { describe, expect, test, beforeAll, afterAll } from 'vitest';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';

let postgres: TestPostgres;
beforeAll(async () => {
  postgres = await startPostgres({ settings: { work_mem: '7MB' } });
});
afterAll(() => postgres.stop());

describe('the PostgreSQL for suites', () => {
  test('answers, takes settings and speaks of major 17', async () => {
    expect(
      await postgres.query("select current_setting('work_mem') as work, current_setting('server_version_num')::int / 10000 as major"),
    ).toEqual([{ work: '7MB', major: 17 }]);
  });

  test('listens on loopback below the ephemeral ports', async () => {
    expect(postgres.port).toBeLessThan(32_768);
    expect(await postgres.query("select current_setting('listen_addresses') as addresses")).toEqual([{ addresses: '127.0.0.1' }]);
  });

  test('logs every statement that reached it before the answer is here', async () => {
    await postgres.query('select $1::text as sentinel_a', ['x']);
    await postgres.script('select 1 as sentinel_b; select 2 as sentinel_c');
    expect(postgres.log()).toContain('sentinel_a');
    expect(postgres.log()).toContain('sentinel_c');
    expect(postgres.log()).not.toContain(['sentinel', 'd'].join('_'));
  });

  test('makes databases by their exact name', async () => {
    await postgres.createDatabase('Bank "two"');
    expect(await postgres.query('select current_database() as name', [], 'Bank "two"')).toEqual([{ name: 'Bank "two"' }]);
  });

  test('reads files that were added', async () => {
    const path = postgres.addFile('note.txt', 'hello');
    expect(await postgres.query('select pg_catalog.pg_read_file($1) as content', [path])).toEqual([{ content: 'hello' }]);
  });

  test('refuses a wrong password', async () => {
    const { Client } = await import('pg');
    const client = new Client({
      host: postgres.host,
      port: postgres.port,
      user: postgres.superuser,
      password: 'wrong',
      database: postgres.database,
    });
    await expect(client.connect()).rejects.toMatchObject({ code: '28P01' });
  });
});
