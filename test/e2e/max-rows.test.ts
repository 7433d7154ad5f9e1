import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Client } from 'pg';
import { DEFAULT_POLICIES, startGateway, type TestGateway } from '../support/gateway.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';

let postgres: TestPostgres;
let gateway: TestGateway;
let client: Client;

beforeAll(async () => {
  postgres = await startPostgres();
  await postgres.script(`CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t SELECT g, 0 FROM generate_series(1, 100) g;`);
  gateway = await startGateway(postgres, { policies: DEFAULT_POLICIES.replace('@grant("5m")', '@grant("5m") @maxRows("5")') });
  client = await gateway.connect({ groups: ['analysts'] });
});

afterAll(async () => {
  await gateway.stop();
  await postgres.stop();
});

async function approved(run: Promise<unknown>): Promise<unknown> {
  const outcome = run.then(
    (value) => value,
    (error: unknown) => error,
  );
  const { id } = await gateway.pending();
  await gateway.answer(id, 'approve');
  return outcome;
}

const changed = async (): Promise<unknown> => (await postgres.query('SELECT count(*)::int AS n FROM t WHERE v <> 0'))[0]?.['n'];

describe('an approval with @maxRows', () => {
  test('lets a statement through that affects no more', async () => {
    expect(await approved(client.query('UPDATE t SET v = 1 WHERE id <= 5 RETURNING id'))).toMatchObject({ rowCount: 5 });
    expect(await changed()).toBe(5);
  });

  test('undoes one that affects more, by the simple protocol, and shows none of its rows', async () => {
    const seen: unknown[] = [];
    const outcome = await approved(
      client.query({ text: 'UPDATE t SET v = 2 WHERE id <= 6 RETURNING id', rowMode: 'array' }).then((result) => seen.push(...result.rows)),
    );
    expect(outcome).toMatchObject({ code: 'ZG011' });
    expect(seen).toEqual([]);
    expect(await changed()).toBe(5);
    expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });

  test('undoes one that affects more, by the extended protocol', async () => {
    expect(await approved(client.query('UPDATE t SET v = 3 WHERE id <= $1', [50]))).toMatchObject({ code: 'ZG011' });
    expect(await changed()).toBe(5);
  });

  test('makes an open transaction fail', async () => {
    await client.query('BEGIN');
    expect(await approved(client.query('UPDATE t SET v = 4 WHERE id <= 60'))).toMatchObject({ code: 'ZG011' });
    await expect(client.query('SELECT 1')).rejects.toMatchObject({ code: '25P02' });
    await client.query('ROLLBACK');
    expect(await changed()).toBe(5);
  });

  test('tells the errors of the target as they are', async () => {
    expect(await approved(client.query('UPDATE t SET id = 2 WHERE id = 1'))).toMatchObject({ code: '23505' });
    expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });
});
