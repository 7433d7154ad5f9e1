// postgres.js as its users write it: it pipelines by itself, prepares everything, reads types when it connects, and streams.
import { Readable, type Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { finished, pipeline } from 'node:stream/promises';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startClientBank, UNMASKED, type ClientBank } from '../../support/client-bank.ts';

let bank: ClientBank;
const clients: postgres.Sql[] = [];

beforeAll(async () => {
  bank = await startClientBank();
});

afterAll(async () => {
  await Promise.all(clients.map((sql) => sql.end({ timeout: 2 })));
  await bank.stop();
});

async function connect(group: string, max = 2): Promise<postgres.Sql> {
  const { gateway } = bank;
  const password = await gateway.token('agent-7', [group]);
  const sql = postgres({ host: '127.0.0.1', port: gateway.port, database: 'db', user: 'agent', password, max, onnotice: () => undefined });
  clients.push(sql);
  return sql;
}

describe.each(['all', 'analysts'])('postgres.js as one of group %s', (group) => {
  test('its own reading of types at connect is permitted: arrays of an enum are arrays', async () => {
    const sql = await connect(group);
    expect(await sql`SELECT ARRAY['sad', 'ok']::mood[] AS moods, ARRAY[1, 2]::int[] AS numbers`).toEqual([
      { moods: ['sad', 'ok'], numbers: [1, 2] },
    ]);
    expect(bank.postgres.log()).toContain('typarray');
  });

  test('a hundred statements on one connection are pipelined, and each has its own masked rows', async () => {
    const sql = await connect(group, 1);
    const results = await Promise.all(
      Array.from({ length: 100 }, (_, at) => sql`SELECT id, ssn FROM customers WHERE id = ${1 + (at % 50)}`),
    );
    expect(results.flat()).toEqual(Array.from({ length: 100 }, (_, at) => ({ id: 1 + (at % 50), ssn: `***-**-${1001 + (at % 50)}` })));
  });

  test('a statement that is refused in the middle of a pipeline fails alone', async () => {
    const sql = await connect(group, 1);
    const outcomes = await Promise.allSettled(
      Array.from({ length: 30 }, (_, at) =>
        at === 10 ? sql`SELECT id FROM customers WHERE ssn LIKE ${'900%'}` : sql`SELECT ${at}::int AS at, name FROM customers WHERE id = 1`,
      ),
    );
    expect(outcomes[10]).toMatchObject({ status: 'rejected', reason: { code: 'ZG013' } });
    for (const [at, outcome] of outcomes.entries()) if (at !== 10) expect(outcome).toMatchObject({ status: 'fulfilled', value: [{ at }] });
  });

  test('a cursor reads in batches, masked in each', async () => {
    const sql = await connect(group);
    const batches: number[] = [];
    const seen: unknown[] = [];
    await sql`SELECT id, ssn FROM customers ORDER BY id`.cursor(20, (rows) => {
      batches.push(rows.length);
      seen.push(...rows);
    });
    expect(batches).toEqual([20, 20, 10]);
    expect(seen).toHaveLength(50);
    expect(JSON.stringify(seen)).not.toMatch(UNMASKED);
  });

  test('COPY TO STDOUT streams every row, masked', async () => {
    const sql = await connect(group);
    const copied = await text(await sql`COPY customers (id, ssn) TO STDOUT`.readable());
    expect(copied.trim().split('\n')).toEqual(Array.from({ length: 50 }, (_, at) => `${at + 1}\t***-**-${1001 + at}`));
  });

  test('describe() tells the columns without running anything', async () => {
    const sql = await connect(group);
    const { types, columns } = await sql`SELECT id, ssn FROM customers WHERE id = ${1}`.describe();
    expect(types).toEqual([23]);
    expect(columns.map(({ name }) => name)).toEqual(['id', 'ssn']);
  });
});

test('a transaction with a savepoint that fails keeps what came before it', async () => {
  const sql = await connect('all');
  await sql.begin(async (inner) => {
    await inner`INSERT INTO orders ${inner([{ customer_id: 3, total: 5, note: 'js' }])}`;
    await inner
      .savepoint(async (deeper) => {
        await deeper`UPDATE orders SET note = 'js lost' WHERE note = 'js'`;
        await deeper`SELECT 1 / 0`;
      })
      .catch((error: unknown) => expect(error).toMatchObject({ code: '22012' }));
  });
  expect(await bank.postgres.query(`SELECT note FROM orders WHERE note LIKE 'js%'`)).toEqual([{ note: 'js' }]);
});

test('COPY FROM STDIN stores what was streamed', async () => {
  const sql = await connect('all');
  const into: Writable = await sql`COPY orders (customer_id, total, note) FROM STDIN`.writable();
  await pipeline(Readable.from(Array.from({ length: 1000 }, (_, at) => `${1 + (at % 50)}\t${at}\tcopied\n`)), into);
  await finished(into);
  expect(await bank.postgres.query(`SELECT count(*)::int AS n, sum(total)::int AS total FROM orders WHERE note = 'copied'`)).toEqual([
    { n: 1000, total: 499_500 },
  ]);
});

test('LISTEN hears what NOTIFY says; a target with masked columns hides the payload', async () => {
  const sql = await connect('all');
  let hear: (payload: string) => void = () => undefined;
  const heard = new Promise<string>((resolve) => (hear = resolve));
  const listening = await sql.listen('orders', (payload) => hear(payload));
  await sql.notify('orders', '900-12-1001');
  expect(await heard).toBe('[masked]');
  await listening.unlisten();
});
