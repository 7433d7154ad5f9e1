import { chmodSync, mkdtempSync, readFileSync, realpathSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startDemoPostgres, type DemoPostgres } from '../../../standalone/demo/postgres.ts';

let dataDir = '';
let postgres: DemoPostgres;

beforeAll(async () => {
  // As a data directory is: closed to everyone else, PostgreSQL's account included.
  dataDir = mkdtempSync(join(tmpdir(), 'sallyport-demo-'));
  chmodSync(dataDir, 0o700);
  postgres = await startDemoPostgres({ dataDir });
});
afterAll(async () => {
  await postgres.stop();
  const cluster = realpathSync(join(dataDir, 'demo-postgres', 'cluster'));
  rmSync(dataDir, { recursive: true, force: true });
  if (!cluster.startsWith(dataDir)) rmSync(dirname(cluster), { recursive: true, force: true });
});

async function asAgent<T>(run: (client: Client) => Promise<T>, password?: string): Promise<T> {
  const client = new Client({
    host: postgres.host,
    port: postgres.port,
    user: postgres.role,
    password: password ?? readFileSync(postgres.rolePasswordFile, 'utf8'),
    database: postgres.database,
  });
  await client.connect();
  try {
    return await run(client);
  } finally {
    await client.end();
  }
}

describe('the demo target', () => {
  test('holds the bank', async () => {
    expect(postgres.seeded).toBe(true);
    const counts =
      'select (select count(*) from customers)::int as customers, (select count(*) from accounts)::int as accounts, (select count(*) from transactions)::int as transactions';
    expect((await asAgent((client) => client.query(counts))).rows).toEqual([{ customers: 800, accounts: 1_200, transactions: 6_000 }]);
    expect((await asAgent((client) => client.query('select sum(accounts)::int as n from customer_overview'))).rows).toEqual([{ n: 1_200 }]);
    expect((await asAgent((client) => client.query('select sum(accounts)::int as n from account_totals'))).rows).toEqual([{ n: 1_200 }]);
  });

  test('lets its role write rows, new ones included, but nothing that a superuser or an owner may', async () => {
    await asAgent(async (client) => {
      await client.query('begin');
      await client.query(
        "insert into customers (full_name, ssn, card_number, email, phone, city) values ('A B', '219-09-9999', '4242424242424242', 'a@example.com', '1', 'x')",
      );
      await client.query('select purge_transactions(now()::date)');
      await client.query('rollback');
      for (const sql of [
        'drop table accounts',
        'create table t ()',
        'create role r',
        "copy customers to program 'true'",
        "select pg_read_file('x')",
        'set session_replication_role = replica',
      ]) {
        await expect(client.query(sql)).rejects.toMatchObject({ code: '42501' });
      }
      await expect(client.query("update accounts set balance = -1 where kind = 'checking'")).rejects.toMatchObject({ code: '23514' });
    });
  });

  test('keeps its passwords in files that only their owner reads, and out of its log', async () => {
    for (const file of [postgres.rolePasswordFile, postgres.superuserPasswordFile]) {
      expect(statSync(file).mode & 0o777).toBe(0o600);
      expect(readFileSync(file, 'utf8').length).toBeGreaterThanOrEqual(32);
      expect(readFileSync(postgres.logFile, 'utf8')).not.toContain(readFileSync(file, 'utf8'));
    }
    await expect(asAgent((client) => client.query('select 1'), 'wrong')).rejects.toMatchObject({ code: '28P01' });
  });

  test('logs every statement that reaches it', async () => {
    await asAgent((client) => client.query('select 1 as seen_by_the_target'));
    expect(readFileSync(postgres.logFile, 'utf8')).toContain('seen_by_the_target');
  });

  test('a second one on the same data is refused', async () => {
    await expect(startDemoPostgres({ dataDir, port: postgres.port })).rejects.toMatchObject({ code: 'postgres_not_started' });
  });

  test('keeps its rows over a restart, on the port asked for', async () => {
    await asAgent((client) => client.query("update customers set city = 'Kept' where id = 1"));
    const { port } = postgres;
    await postgres.stop();
    postgres = await startDemoPostgres({ dataDir, port });
    expect(postgres).toMatchObject({ seeded: false, port });
    expect((await asAgent((client) => client.query('select city from customers where id = 1'))).rows).toEqual([{ city: 'Kept' }]);
  });
});
