// node-postgres as its users write it: pools, named statements, transactions, and many statements sent at once.
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startClientBank, UNMASKED, type ClientBank } from '../../support/client-bank.ts';

let bank: ClientBank;

beforeAll(async () => {
  bank = await startClientBank();
});

afterAll(() => bank.stop());

const GROUPS = ['all', 'analysts'] as const;

async function settings(group: string): Promise<pg.PoolConfig> {
  const { gateway } = bank;
  return { host: '127.0.0.1', port: gateway.port, database: 'db', user: 'agent', password: await gateway.token('agent-7', [group]) };
}

describe.each(GROUPS)('pg as one of group %s', (group) => {
  test('a pool answers each of its queries with that query’s rows', async () => {
    const pool = new pg.Pool({ ...(await settings(group)), max: 4 });
    const results = await Promise.all(
      Array.from({ length: 80 }, (_, id) => pool.query('SELECT $1::int AS id, name FROM customers WHERE id = $1', [1 + (id % 50)])),
    );
    await pool.end();
    expect(results.map(({ rows }) => rows)).toEqual(
      Array.from({ length: 80 }, (_, id) => [{ id: 1 + (id % 50), name: `name ${1 + (id % 50)}` }]),
    );
  });

  test('a named statement is prepared once, runs often, and its rows are masked each time', async () => {
    const client = await bank.gateway.connect({ groups: [group] });
    for (let id = 1; id <= 20; id += 1) {
      const { rows } = await client.query({ name: 'by-id', text: 'SELECT id, ssn FROM customers WHERE id = $1', values: [id] });
      expect(rows).toEqual([{ id, ssn: `***-**-${1000 + id}` }]);
    }
    expect(bank.postgres.log().match(/execute by-id: SELECT id, ssn FROM customers/gu)?.length).toBeGreaterThanOrEqual(20);
  });

  test('an error ends its transaction as PostgreSQL would, and nothing after it', async () => {
    const client = await bank.gateway.connect({ groups: [group] });
    await client.query('BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY');
    await client.query('SAVEPOINT before');
    await expect(client.query('SELECT 1/0')).rejects.toMatchObject({ code: '22012' });
    await expect(client.query('SELECT 1')).rejects.toMatchObject({ code: '25P02' });
    await client.query('ROLLBACK TO before');
    expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    await client.query('COMMIT');
  });

  test('statements of a script have their results in order', async () => {
    const client = await bank.gateway.connect({ groups: [group] });
    const results: unknown = await client.query(
      'SELECT 1 AS a; SELECT name FROM customers WHERE id = 2; SELECT ssn FROM customers WHERE id = 3',
    );
    // `pg` returns an array for several statements; its types know one result only.
    expect((results as pg.QueryResult[]).map(({ rows }) => rows)).toEqual([[{ a: 1 }], [{ name: 'name 2' }], [{ ssn: '***-**-1003' }]]);
  });
});

test('in pipeline mode a hundred statements go out before the first answer; a refused one stands for itself', async () => {
  const client = new pg.Client({ ...(await settings('analysts')), pipeline: true });
  await client.connect();
  const outcomes = await Promise.allSettled(
    Array.from({ length: 100 }, (_, at) =>
      at % 20 === 19 ? client.query('DROP TABLE orders') : client.query('SELECT id, ssn FROM customers WHERE id = $1', [1 + (at % 50)]),
    ),
  );
  await client.end();
  for (const [at, outcome] of outcomes.entries()) {
    if (at % 20 === 19) expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'ZG010' } });
    else
      expect(outcome).toMatchObject({ status: 'fulfilled', value: { rows: [{ id: 1 + (at % 50), ssn: `***-**-${1001 + (at % 50)}` }] } });
  }
  expect(JSON.stringify(outcomes)).not.toMatch(UNMASKED);
  expect(bank.postgres.log()).not.toContain('DROP TABLE orders');
});

test('writes, RETURNING and COMMIT of a permitted agent reach the target once', async () => {
  const client = await bank.gateway.connect();
  await client.query('BEGIN');
  const inserted = await client.query<{ id: number }>('INSERT INTO orders (customer_id, total, note) VALUES ($1, $2, $3) RETURNING id', [
    7,
    '12.50',
    'pg',
  ]);
  await client.query("UPDATE orders SET note = 'pg!' WHERE id = $1", [inserted.rows[0]?.id]);
  await client.query('COMMIT');
  expect(await bank.postgres.query(`SELECT total::text, note FROM orders WHERE note LIKE 'pg%'`)).toEqual([
    { total: '12.50', note: 'pg!' },
  ]);
});
