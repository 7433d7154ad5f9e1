/** A plain connection whose rows are text, as the gateway's own connections give them. */
import { Client } from 'pg';
import { buildCatalog, type BuiltCatalog } from '../../core/statement/sql/catalog-build.ts';
import {
  BEGIN_SNAPSHOT,
  CATALOG_SECTIONS,
  CATALOG_SESSION,
  END_SNAPSHOT,
  type Rows,
  type SnapshotRows,
} from '../../core/statement/sql/catalog-query.ts';
import { POSTGRES_MAJORS } from '../../core/target.ts';
import type { TestPostgres } from './postgres.ts';

export type TextConnection = { query(sql: string): Promise<Rows>; close(): Promise<void> };

/** Opens a connection as the superuser, or as another role that needs no password. */
export async function textConnection(postgres: TestPostgres, database = 'postgres', user = postgres.superuser): Promise<TextConnection> {
  const { host, port, password } = postgres;
  const asText = (value: string) => value;
  const client = new Client({ host, port, user, password, database, types: { getTypeParser: () => asText } });
  client.on('error', () => undefined);
  await client.connect();
  return {
    query: async (sql) => (await client.query<(string | null)[]>({ text: sql, rowMode: 'array' })).rows,
    close: () => client.end(),
  };
}

/** Reads one snapshot on this connection, the way the catalog source does. */
export async function readCatalog(connection: TextConnection): Promise<BuiltCatalog> {
  for (const sql of CATALOG_SESSION) await connection.query(sql);
  const rows: Partial<Record<keyof SnapshotRows, Rows>> = {};
  await connection.query(BEGIN_SNAPSHOT);
  for (const { name, sql } of CATALOG_SECTIONS) rows[name] = await connection.query(sql);
  await connection.query(END_SNAPSHOT);
  const [number] = await connection.query(`select current_setting('server_version_num')`);
  const major = POSTGRES_MAJORS.find((candidate) => candidate === Math.floor(Number(number?.[0]) / 10_000));
  if (major === undefined) throw new Error('the test target is of a version that is not carried');
  // CATALOG_SECTIONS names every section.
  return buildCatalog(major, rows as SnapshotRows);
}
