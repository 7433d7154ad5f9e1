import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DEFAULT_POLICIES, startGateway, type TestGateway } from '../support/gateway.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';

let postgres: TestPostgres;
let gateway: TestGateway;

beforeAll(async () => {
  postgres = await startPostgres();
  await postgres.script(`
    CREATE TABLE people (id int PRIMARY KEY, ssn text NOT NULL);
    INSERT INTO people VALUES (1, '123-45-6789');
    CREATE TABLE counted (n int);
    CREATE FUNCTION count_it() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO counted VALUES (1); RETURN NEW; END';
    CREATE TABLE watched (id int);
    CREATE TRIGGER watch AFTER INSERT ON watched FOR EACH ROW EXECUTE FUNCTION count_it();
  `);
  gateway = await startGateway(postgres, {
    masking: 'columns:\n  - { target: db, column: public.people.ssn, method: redact }\n',
    policies: `${DEFAULT_POLICIES} @id("unknown") permit (principal in Group::"demo/all", action == Action::"unknown", resource);`,
  });
});

afterAll(async () => {
  await gateway.stop();
  await postgres.stop();
});

describe('what a prepared statement returns', () => {
  test('rows of EXECUTE are masked as those of its body', async () => {
    const client = await gateway.connect();
    await client.query('PREPARE p AS SELECT id, ssn FROM people WHERE id = $1');
    expect((await client.query('EXECUTE p(1)')).rows).toEqual([{ id: 1, ssn: '[masked]' }]);
  });

  test('a statement of SQL PREPARE can be bound by the protocol, and is masked', async () => {
    const client = await gateway.connect();
    await client.query('PREPARE q AS SELECT ssn AS who FROM people');
    // `pg` sends Parse for a name it has not used, which PostgreSQL refuses as taken: the old body stays in force.
    await expect(client.query({ name: 'q', text: 'SELECT 1 AS who' })).rejects.toMatchObject({ code: '42P05' });
    expect((await client.query('EXECUTE q')).rows).toEqual([{ who: '[masked]' }]);
  });

  test('code that may change the catalog, and does not, leaves the transaction readable', async () => {
    const client = await gateway.connect();
    await client.query('BEGIN');
    await client.query('INSERT INTO watched VALUES (1)');
    expect((await client.query('SELECT id FROM people')).rows).toEqual([{ id: 1 }]);
    await client.query('COMMIT');
  });

  test('a rename inside the transaction closes its rows, not the session', async () => {
    const client = await gateway.connect();
    await client.query('BEGIN');
    await client.query('ALTER TABLE people RENAME TO plain');
    await expect(client.query('SELECT ssn FROM plain')).rejects.toMatchObject({ code: 'ZG014' });
    await client.query('ROLLBACK');
    expect((await client.query('SELECT ssn FROM people')).rows).toEqual([{ ssn: '[masked]' }]);
  });
});
