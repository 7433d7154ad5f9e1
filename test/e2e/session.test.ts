import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';

let postgres: TestPostgres;
let gateway: TestGateway;

beforeAll(async () => {
  postgres = await startPostgres();
  await postgres.script(`CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT g, 'v' || g FROM generate_series(1, 100) g;`);
  gateway = await startGateway(postgres);
});

afterAll(async () => {
  await gateway.stop();
  await postgres.stop();
});

describe('a session through the gateway', () => {
  test('answers as PostgreSQL does', async () => {
    const client = await gateway.connect();
    expect((await client.query('SELECT count(*)::int AS n FROM t')).rows).toEqual([{ n: 100 }]);
    expect((await client.query('SELECT v FROM t WHERE id = $1', [7])).rows).toEqual([{ v: 'v7' }]);
  });

  test('a blocked statement never reaches the target, and the session lives on', async () => {
    const client = await gateway.connect({ groups: ['analysts'] });
    await expect(client.query('DROP TABLE t')).rejects.toMatchObject({ code: 'ZG010' });
    expect(postgres.log()).not.toContain('DROP TABLE t');
    expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });

  test('refused in an explicit transaction: nothing of it stays, and PostgreSQL itself says so', async () => {
    const client = await gateway.connect();
    const analyst = await gateway.connect({ groups: ['analysts'] });
    await client.query('BEGIN');
    await client.query("INSERT INTO t VALUES (1001, 'gone')");
    await expect(client.query('SELECT this is not sql')).rejects.toMatchObject({ code: 'ZG014' });
    await expect(client.query('SELECT 1')).rejects.toMatchObject({ code: '25P02' });
    expect((await client.query('COMMIT')).command).toBe('ROLLBACK');
    expect((await client.query('SELECT * FROM t WHERE id = 1001')).rows).toEqual([]);
    await analyst.query('BEGIN');
    await expect(analyst.query('DROP TABLE t')).rejects.toMatchObject({ code: 'ZG010' });
    await analyst.query('ROLLBACK');
  });

  test('an approved statement runs once, and the next like it needs its own approval', async () => {
    const client = await gateway.connect({ groups: ['analysts'] });
    const update = client.query("UPDATE t SET v = v || '!' WHERE id = 1");
    const { id } = await gateway.pending();
    expect(await gateway.answer(id, 'approve')).toBe(200);
    expect((await update).rowCount).toBe(1);
    const second = client.query("UPDATE t SET v = v || '!' WHERE id = 1");
    const next = await gateway.pending();
    expect(next.id).not.toBe(id);
    const refused = expect(second).rejects.toMatchObject({ code: 'ZG003' });
    await gateway.answer(next.id, 'reject', 'erin@bank.example', 'once is enough');
    await refused;
    expect(await postgres.query('SELECT v FROM t WHERE id = 1')).toEqual([{ v: 'v1!' }]);
  });
});
