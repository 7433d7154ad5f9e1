/** A target's catalog and session state as a file, so that policies can be explained and tested without the target. */
import { buildCatalog } from './catalog-build.ts';
import { BEGIN_SNAPSHOT, CATALOG_SECTIONS, CATALOG_SESSION, END_SNAPSHOT, type Rows, type SnapshotRows } from './catalog-query.ts';
import type { Catalog } from './catalog.ts';
import type { SessionState } from './session-state.ts';
import { buildSessionState, stateQuery } from './state-query.ts';
import { POSTGRES_MAJORS, type PostgresMajor } from '../../target.ts';
import { SallyportError } from '../../errors.ts';

/** What a new session of the gateway sees of a target. */
export type CatalogDump = {
  readonly format: typeof CATALOG_DUMP_FORMAT;
  readonly major: PostgresMajor;
  readonly rows: SnapshotRows;
  /** The answer of `stateQuery`. */
  readonly state: string;
};

export type CatalogAndState = { readonly major: PostgresMajor; readonly catalog: Catalog; readonly state: SessionState };

/** `format` of every such file. */
export const CATALOG_DUMP_FORMAT = 'sallyport-catalog/1';

/** The file holds no catalog, or the target gave none. */
export class CatalogDumpUnreadable extends SallyportError {
  readonly code = 'catalog-dump-unreadable';
}

/** Reads everything over one connection: the state of a session as it starts, then the catalog in one snapshot. */
export async function dumpCatalog(query: (sql: string) => Promise<Rows>): Promise<CatalogDump> {
  const state = one(await query(stateQuery()));
  const number = Math.floor(Number(one(await query(`SELECT pg_catalog.current_setting('server_version_num')`))) / 10_000);
  const major = POSTGRES_MAJORS.find((candidate) => candidate === number);
  if (major === undefined) throw new CatalogDumpUnreadable(`the target runs PostgreSQL ${number}, whose grammar is not carried`);
  for (const sql of CATALOG_SESSION) await query(sql);
  await query(BEGIN_SNAPSHOT);
  const rows: Partial<Record<keyof SnapshotRows, Rows>> = {};
  for (const { name, sql } of CATALOG_SECTIONS) rows[name] = await query(sql);
  await query(END_SNAPSHOT);
  // CATALOG_SECTIONS names every section.
  return { format: CATALOG_DUMP_FORMAT, major, rows: rows as SnapshotRows, state };
}

/** Builds what the analyzer needs. Throws CatalogDumpUnreadable, SnapshotMalformed. */
export function catalogOf(dump: CatalogDump): CatalogAndState {
  const { catalog, complete } = buildCatalog(dump.major, dump.rows);
  if (!complete) throw new CatalogDumpUnreadable('the catalog was changing while it was read: dump it again');
  return { major: dump.major, catalog, state: buildSessionState(dump.state, catalog) };
}

/** Reads a dump from its text. Throws CatalogDumpUnreadable. */
export function parseDump(text: string): CatalogDump {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new CatalogDumpUnreadable('the catalog file is not JSON', { cause });
  }
  const fields: Readonly<Record<string, unknown>> = typeof value === 'object' && value !== null ? { ...value } : {};
  const major = POSTGRES_MAJORS.find((candidate) => candidate === fields['major']);
  const { format, rows, state } = fields;
  if (format !== CATALOG_DUMP_FORMAT || major === undefined || typeof state !== 'string' || !isRows(rows)) {
    throw new CatalogDumpUnreadable('the file is no catalog that `sallyport policy catalog` wrote');
  }
  return { format: CATALOG_DUMP_FORMAT, major, rows, state };
}

function isRows(value: unknown): value is SnapshotRows {
  if (typeof value !== 'object' || value === null) return false;
  const sections: Readonly<Record<string, unknown>> = { ...value };
  const isRow = (row: unknown): boolean => Array.isArray(row) && row.every((cell) => cell === null || typeof cell === 'string');
  return CATALOG_SECTIONS.every(({ name }) => {
    const section = sections[name];
    return Array.isArray(section) && section.every(isRow);
  });
}

function one(rows: Rows): string {
  const cell = rows[0]?.[0];
  if (typeof cell !== 'string') throw new CatalogDumpUnreadable('the target answers with something else than its catalog');
  return cell;
}
