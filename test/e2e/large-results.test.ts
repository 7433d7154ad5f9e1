// Buffers on the way to clients are shared by all sessions: what one session is sent must never be another's.
import type { Socket } from 'node:net';
import type { Client } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';

const ROWS = 30_000;
const TABLES = ['one', 'two', 'three', 'four'];

let postgres: TestPostgres;
let gateway: TestGateway;

beforeAll(async () => {
  postgres = await startPostgres();
  for (const name of TABLES) {
    await postgres.script(`CREATE TABLE ${name} (id int, secret text, filler text);
      INSERT INTO ${name} SELECT g, 'secret of ${name} ' || g, '${name} ' || g || repeat('-', 150) FROM generate_series(1, ${ROWS}) g;`);
  }
  gateway = await startGateway(postgres, {
    masking: `columns:
${TABLES.slice(0, 3)
  .map((name) => `  - { target: db, column: public.${name}.secret, method: redact }`)
  .join('\n')}
patterns: []
`,
  });
});

afterAll(async () => {
  await gateway.stop();
  await postgres.stop();
});

function expected(name: string): unknown[] {
  return Array.from({ length: ROWS }, (_, i) => ({
    id: i + 1,
    secret: name === 'four' ? `secret of four ${i + 1}` : '[masked]',
    filler: `${name} ${i + 1}${'-'.repeat(150)}`,
  }));
}

/** The driver's socket, which its declared types do not show. */
function socketOf(client: Client): Socket {
  return (client as unknown as { connection: { stream: Socket } }).connection.stream;
}

async function read(client: Client, name: string): Promise<unknown[]> {
  return (await client.query(`SELECT * FROM ${name} ORDER BY id`)).rows;
}

test('large results of several sessions at once arrive whole, each its own, while one client does not read', async () => {
  const clients = await Promise.all(TABLES.map(() => gateway.connect()));
  const [slow, ...others] = clients;
  if (slow === undefined) throw new Error('no clients');
  const [slowTable = '', ...otherTables] = TABLES;
  const late = read(slow, slowTable);
  socketOf(slow).pause();
  for (let round = 0; round < 3; round += 1) {
    const results = await Promise.all(others.map((client, i) => read(client, otherTables[i] ?? '')));
    results.forEach((rows, i) => expect(rows).toEqual(expected(otherTables[i] ?? '')));
  }
  socketOf(slow).resume();
  expect(await late).toEqual(expected(slowTable));
});

test('a client that goes away in the midst of its result harms nobody', async () => {
  const [leaving, staying] = await Promise.all([gateway.connect(), gateway.connect()]);
  const left = read(leaving, 'one').catch(() => 'gone');
  socketOf(leaving).once('data', () => socketOf(leaving).destroy());
  const rows = await read(staying, 'two');
  expect(await left).toBe('gone');
  expect(rows).toEqual(expected('two'));
  expect(await read(staying, 'three')).toEqual(expected('three'));
});

test('one described statement run again and again is masked the same way each time', async () => {
  const client = await gateway.connect();
  for (let id = 1; id <= 50; id += 1) {
    const { rows } = await client.query({ name: 'again', text: 'SELECT secret, filler FROM one WHERE id = $1', values: [id] });
    expect(rows).toEqual([{ secret: '[masked]', filler: `one ${id}${'-'.repeat(150)}` }]);
  }
});
