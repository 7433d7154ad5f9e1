/** The answer of `stateQuery` → SessionState. */
import { hash } from 'node:crypto';
import type { Catalog, Oid, Relation } from './catalog.ts';
import { CLASS, RELATION_SECTIONS, type Rows } from './catalog-query.ts';
import { Dependencies, type CodeSources } from './code-reach.ts';
import { relationSteps, type RelationRows } from './relation-build.ts';
import type { SessionState } from './session-state.ts';
import { SallyportError } from '../../errors.ts';
import { atOnce, SnapshotMalformed } from './snapshot-rows.ts';

/** The session has a temporary schema, and the question skipped it: ask again in full. */
export class TemporaryUnread extends SallyportError {
  readonly code = 'temporary-unread';
}

/**
 * Reads the one cell of `stateQuery`'s one row. The catalog tells what stands behind the types and functions of temporary
 * relations. Throws SnapshotMalformed, and TemporaryUnread after a question that skipped what there is.
 */
export function buildSessionState(json: string, catalog: Catalog): SessionState {
  const answer = objectOf(parse(json), 'the state of a session');
  const tempSchema = answer['tempSchema'];
  const { relations, unknownCode } = temporaryRelations(answer['temporary'], catalog);
  const settings = [...pairs(answer['settings'], 'settings'), ...pairs(answer['custom'], 'custom settings')]
    .flatMap(([name, value]) => (value === null || isUnbound(name) ? [] : [[name, value] as const]))
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  const state = {
    searchPath: texts(answer['searchPath'], 'search_path'),
    sessionUser: text(answer['sessionUser'], 'session_user'),
    currentUser: text(answer['currentUser'], 'current_user'),
    ...(tempSchema === null ? {} : { tempSchema: text(tempSchema, 'the temporary schema') }),
    tempRelations: relations,
    tempCode: answer['tempCode'] !== false || unknownCode,
    settings: settings.filter(([name], index) => index === 0 || settings[index - 1]?.[0] !== name),
  };
  // Estimates may move without a change of meaning.
  const counted = { ...state, tempRelations: relations.map((relation) => [relation.oid, relation.definitionHash]) };
  return { ...state, prepared: preparedStatements(answer['prepared']), version: hash('sha256', JSON.stringify(counted)) };
}

/** Settings that name a session to its operators, or are the gateway's own: they change no statement's meaning. */
function isUnbound(name: string): boolean {
  return name === 'application_name' || name.startsWith('sallyport.');
}

function temporaryRelations(value: unknown, catalog: Catalog): { relations: readonly Relation[]; unknownCode: boolean } {
  if (value === null) return { relations: [], unknownCode: false };
  if (value === 'unread') throw new TemporaryUnread('the temporary objects of the session have not been read');
  const sections = objectOf(value, 'temporary relations');
  const rows = Object.fromEntries(RELATION_SECTIONS.map((name) => [name, rowsOf(sections[name], name)]));
  const dependencyRows = rowsOf(sections['dependencies'], 'dependencies');
  const own = new Set(RELATION_SECTIONS.flatMap((name) => rowsOf(sections[name], name).map((row) => row[0])));
  const relevant = dependencyRows.filter((row) => own.has(row[1] ?? null));
  const operators = new Map<Oid, Oid>();
  for (const group of catalog.userOperatorsByName.values()) for (const { oid, functionOid } of group) operators.set(oid, functionOid);
  // A type that the catalog does not hold, since its transaction is open or it is temporary, is code that nobody has read.
  const typeCode: CodeSources['typeCode'] = (type) => catalog.types.get(type)?.codeFunctions ?? [type];
  const sources = { functions: catalog.functions, operators, opclasses: new Map<Oid, Oid[]>(), typeCode };
  const steps = relationSteps(
    // Every section was read just above; Object.fromEntries forgets the names.
    rows as RelationRows,
    new Dependencies(relevant),
    { ...sources, isChecked: (type) => isDomain(type, catalog) },
  );
  // What an operator class of a user runs is not in the catalog's shape.
  const unknownCode = relevant.some((row) => row[3] === String(CLASS.opclass));
  return { relations: [...atOnce(steps).values()], unknownCode };
}

/** Whether the type, or its element type, is a domain: its checks are not told apart here, so it counts as checked. */
function isDomain(oid: Oid, catalog: Catalog): boolean {
  const type = catalog.types.get(oid);
  return type?.kind === 'domain' || (type?.elementType !== undefined && isDomain(type.elementType, catalog));
}

function preparedStatements(value: unknown): SessionState['prepared'] {
  return listOf(value, 'prepared statements').map((item) => {
    const [name, statement, fromSql] = listOf(item, 'a prepared statement');
    if (typeof fromSql !== 'boolean') throw new SnapshotMalformed('a prepared statement has no origin');
    return { name: text(name, 'its name'), text: text(statement, 'its text'), fromSql };
  });
}

function pairs(value: unknown, what: string): (readonly [string, string | null])[] {
  return rowsOf(value, what).map((row) => [text(row[0], what), row[1] ?? null] as const);
}

function rowsOf(value: unknown, what: string): Rows {
  return listOf(value, what).map((row) =>
    listOf(row, what).map((cell) => {
      if (cell !== null && typeof cell !== 'string') throw new SnapshotMalformed(`${what}: a cell is no text`);
      return cell;
    }),
  );
}

function texts(value: unknown, what: string): string[] {
  return listOf(value, what).map((item) => text(item, what));
}

/** NULL is what json_agg makes of no rows. */
function listOf(value: unknown, what: string): readonly unknown[] {
  if (value === null) return [];
  if (!Array.isArray(value)) throw new SnapshotMalformed(`${what}: no list`);
  return value;
}

function text(value: unknown, what: string): string {
  if (typeof value !== 'string') throw new SnapshotMalformed(`${what}: no text`);
  return value;
}

function objectOf(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new SnapshotMalformed(`${what}: no object`);
  // A JSON object's fields are all unknown until read.
  return value as Readonly<Record<string, unknown>>;
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (cause) {
    throw new SnapshotMalformed('the state of a session is no JSON', { cause });
  }
}
