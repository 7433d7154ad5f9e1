/** The promise itself, against a real PostgreSQL: what a query returns is compared with what the reader said it would carry. */
import fc from 'fast-check';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { columnKey, type Catalog, type ColumnKey, type Oid } from '../../../../core/statement/sql/catalog.ts';
import { safeFunctionsOf } from '../../../../core/statement/sql/safe-functions.ts';
import { startPostgres, type TestPostgres } from '../../../support/postgres.ts';
import { readCatalog, textConnection } from '../../../support/text-connection.ts';
import { state } from './hand-catalog.ts';
import { randomQuery } from './random-queries.ts';
import { parsers } from './reader.ts';
import { readSql } from '../../../../core/statement/sql/read-sql.ts';
import type { StatementReading } from '../../../../core/statement/sql/reading.ts';

const SECRET = 'SECRET';
const BANK = `
create table c (id int primary key, name text, ssn text unique);
create table o (id int primary key, note text, ssn text);
create view v as select ssn as social, id from c;
create view w as select social as s2, id from v where id > 0;
create table p (id int, ssn text) partition by list (id);
create table p1 partition of p for values in (1, 2, 3);
create materialized view m as select id, ssn from c;
insert into c select g, 'n' || g, '${SECRET}' || g from generate_series(1, 3) g;
insert into o select g, 'note' || g, 'plain' || g from generate_series(1, 3) g;
insert into p select g, '${SECRET}' || g from generate_series(1, 3) g;
refresh materialized view m;
analyze;`;

let postgres: TestPostgres;
let client: Client;
let catalog: Catalog;
let sensitive: ReadonlySet<ColumnKey>;
let isSafe: (oid: Oid) => boolean;

beforeAll(async () => {
  postgres = await startPostgres();
  await postgres.script(BANK);
  const connection = await textConnection(postgres);
  catalog = (await readCatalog(connection)).catalog;
  await connection.close();
  isSafe = safeFunctionsOf(catalog);
  sensitive = new Set([columnKey(oidOf('c'), 3), columnKey(oidOf('p1'), 2)]);
  const { host, port, superuser, password } = postgres;
  client = new Client({ host, port, user: superuser, password, database: postgres.database });
  await client.connect();
  await client.query('set statement_timeout = 500');
}, 60_000);

afterAll(async () => {
  await client.end();
  await postgres.stop();
});

function oidOf(name: string): Oid {
  return catalog.relationsByName.get('public')?.get(name)?.oid ?? 0;
}

function read(text: string): StatementReading | undefined {
  const parser = parsers[17];
  const reading = readSql({ text, parsed: parser.parse(text), parser, catalog, state, sensitive, isSafe, fullExportRows: 1000 });
  return reading.kind === 'read' ? reading.statements[0] : undefined;
}

type Answer = { readonly names: readonly string[]; readonly tables: readonly number[]; readonly rows: readonly (readonly unknown[])[] };

async function ask(text: string): Promise<Answer | undefined> {
  try {
    const { fields, rows } = await client.query<unknown[]>({ text, rowMode: 'array' });
    return { names: fields.map((field) => field.name), tables: fields.map((field) => (field.columnID > 0 ? field.tableID : 0)), rows };
  } catch {
    // Refused by PostgreSQL: then nothing comes back that could leak.
    return undefined;
  }
}

test('a masked value appears only in output columns that are said to carry it, under the names and origins of PostgreSQL', async () => {
  let released = 0;
  let masked = 0;
  for (const text of fc.sample(randomQuery, { numRuns: 8000, seed: 20_261 })) {
    const answer = await ask(text);
    if (answer === undefined) continue;
    const reading = read(text);
    if (reading === undefined || reading.uses.length > 0) continue;
    expect(
      reading.effects.filter((effect) => effect.action === 'unknown'),
      text,
    ).toEqual([]);
    const output = reading.output ?? [];
    expect(
      output.map((column) => column.name),
      text,
    ).toEqual(answer.names);
    expect(
      output.map((column) => column.origin?.relation ?? 0),
      text,
    ).toEqual(answer.tables);
    for (const row of answer.rows) {
      for (const [i, cell] of row.entries()) {
        if (!JSON.stringify(cell).includes(SECRET)) continue;
        masked += 1;
        expect(output[i]?.sensitive, text).not.toEqual([]);
      }
    }
    released += 1;
  }
  // The sample must have been worth it: many queries released, many secrets among them.
  expect(released).toBeGreaterThan(100);
  expect(masked).toBeGreaterThan(50);
}, 120_000);
