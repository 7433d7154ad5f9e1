import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { filesBelow } from '../support/attack-bank.ts';
import { DEFAULT_POLICIES, startGateway, type TestGateway } from '../support/gateway.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';

// A constant of an array over a domain runs the domain's check while the statement is parsed: before Bind, where it is held.
const CONSTANT = `SELECT '{1}'::checked[] AS value`;

let postgres: TestPostgres;
let gateway: TestGateway;

beforeAll(async () => {
  postgres = await startPostgres();
  await postgres.script(`
    CREATE SEQUENCE ran;
    CREATE FUNCTION check_it(int) RETURNS bool LANGUAGE plpgsql AS 'BEGIN PERFORM nextval(''ran''); RETURN true; END';
    CREATE DOMAIN checked AS int CHECK (check_it(VALUE));
    CREATE TABLE t (id int);
  `);
  gateway = await startGateway(postgres, {
    policies: `${DEFAULT_POLICIES}
@id("run") @approvers("dba") @quorum("1") @hold("20s") @expires("1h") @grant("5m") @reason("Code needs a second person")
permit (principal in Group::"demo/analysts", action == Action::"execute", resource) when { context has approval };`,
  });
});

afterAll(async () => {
  await gateway.stop();
  await postgres.stop();
});

const ran = async (): Promise<unknown> => (await postgres.query('SELECT is_called FROM ran'))[0]?.['is_called'];

test('PostgreSQL runs the check for a Parse alone', async () => {
  await postgres.query(`PREPARE p AS ${CONSTANT}`);
  expect(await ran()).toBe(true);
  await postgres.query(`ALTER SEQUENCE ran RESTART`);
  await postgres.query(`SELECT setval('ran', 1, false)`);
  expect(await ran()).toBe(false);
});

test('what needs an approval runs nothing before it, by the extended protocol', async () => {
  const client = await gateway.connect({ groups: ['analysts'] });
  await expect(client.query({ name: 'p', text: CONSTANT })).rejects.toMatchObject({ code: 'ZG014' });
  expect(await ran()).toBe(false);
  // Statements without code are held at Bind as ever.
  const write = client.query('INSERT INTO t VALUES ($1)', [1]);
  await gateway.answer((await gateway.pending()).id, 'approve');
  expect((await write).rowCount).toBe(1);
});

test('by the simple protocol it is held, and runs once it is approved', async () => {
  const client = await gateway.connect({ groups: ['analysts'] });
  const value = client.query(CONSTANT);
  const { id } = await gateway.pending();
  expect(await ran()).toBe(false);
  await gateway.answer(id, 'approve');
  expect((await value).rows).toHaveLength(1);
  expect(await ran()).toBe(true);
});

test('what may run without an approval is on record from its Parse on', async () => {
  const client = await gateway.connect();
  await client.query({ name: 'q', text: CONSTANT });
  await client.end();
  const recorded = filesBelow(join(gateway.evidenceDir, 'sessions')).map(({ bytes }) => bytes.toString('latin1'));
  const intents = recorded.flatMap((text) => text.match(/"protocol":"extended"/gu) ?? []);
  // One for the refused Parse of the analyst, one for its INSERT; two for this Parse and its Bind.
  expect(intents).toHaveLength(4);
});
