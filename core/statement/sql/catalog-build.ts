/** Rows of a snapshot → Catalog. */
import { createHash } from 'node:crypto';
import type { PostgresMajor } from '../../target.ts';
import type { Catalog, Oid, Relation, SqlCast, SqlFunction, SqlOperator } from './catalog.ts';
import { CATALOG_SECTIONS, type SnapshotRows } from './catalog-query.ts';
import { Dependencies, isUserCode } from './code-reach.ts';
import { buildFunctions } from './function-build.ts';
import { relationSteps } from './relation-build.ts';
import { atOnce, integer, integers, SnapshotMalformed, text, textOrNull, type Row } from './snapshot-rows.ts';
import { buildTypes } from './type-build.ts';

export type BuiltCatalog = {
  readonly catalog: Catalog;
  /** False when a view's or function's text could not be read because of DDL in progress: read again soon. */
  readonly complete: boolean;
};

/** Throws SnapshotMalformed when the rows are not what the queries ask for. Blocks for about 30 ms per thousand relations. */
export function buildCatalog(major: PostgresMajor, rows: SnapshotRows): BuiltCatalog {
  return atOnce(catalogSteps(major, rows));
}

/** The same in steps of a few milliseconds, for a thread that serves sessions. */
export function* catalogSteps(major: PostgresMajor, rows: SnapshotRows): Generator<undefined, BuiltCatalog> {
  const dependencies = new Dependencies(rows.dependencies);
  yield;
  const functions = buildFunctions(rows.functions, dependencies);
  yield;
  const operators = new Map(rows.operators.map((row) => [integer(row, 0), integer(row, 3)] as const));
  const opclasses = new Map(rows.opclasses.map((row) => [integer(row, 0), [...integers(row, 3), ...integers(row, 4)]] as const));
  const { types, typeCode, isChecked } = buildTypes(rows, functions, operators, opclasses, dependencies);
  yield;
  const relations = yield* relationSteps(rows, dependencies, { functions, operators, opclasses, typeCode, isChecked });
  const catalog: Catalog = {
    major,
    version: yield* version(major, rows),
    schemas: new Map(rows.schemas.map((row) => [text(row, 1), integer(row, 0)] as const)),
    relations,
    relationsByName: relationsByName(relations.values()),
    functions,
    functionsByName: groupBy(functions.values(), (entry) => entry.name),
    types,
    userOperatorsByName: groupBy(userOperators(rows), (entry) => entry.name),
    eventTriggers: rows.eventTriggers.map((row) => ({ name: text(row, 3), event: text(row, 2), functionOid: integer(row, 1) })),
    userCasts: rows.casts.flatMap((row) => userCast(row, functions, types)),
  };
  const complete =
    rows.views.every((row) => textOrNull(row, 1) !== null) &&
    rows.functions.every((row) => text(row, 4) !== 'sql' || textOrNull(row, 13) !== null);
  return { catalog, complete };
}

/** How many rows are hashed between two pauses. */
const ROWS_PER_STEP = 8_192;

function* version(major: PostgresMajor, rows: SnapshotRows): Generator<undefined, string> {
  const digest = createHash('sha256').update(String(major));
  for (const { name } of CATALOG_SECTIONS) {
    digest.update(`\n${name}\n`);
    for (let from = 0; from < rows[name].length; from += ROWS_PER_STEP) {
      digest.update(JSON.stringify(rows[name].slice(from, from + ROWS_PER_STEP)));
      yield;
    }
  }
  return digest.digest('hex');
}

/** Schema → name → relation. */
export function relationsByName(relations: Iterable<Relation>): ReadonlyMap<string, ReadonlyMap<string, Relation>> {
  const schemas = new Map<string, Map<string, Relation>>();
  for (const relation of relations) {
    const schema = schemas.get(relation.schema);
    if (schema === undefined) schemas.set(relation.schema, new Map([[relation.name, relation]]));
    else schema.set(relation.name, relation);
  }
  return schemas;
}

function userOperators(rows: SnapshotRows): SqlOperator[] {
  return rows.operators.flatMap((row) => {
    const [schema, name] = [text(row, 1), text(row, 2)];
    return schema === 'pg_catalog' ? [] : [{ oid: integer(row, 0), schema, name, functionOid: integer(row, 3) }];
  });
}

function userCast(row: Row, functions: ReadonlyMap<Oid, SqlFunction>, types: Catalog['types']): SqlCast[] {
  const [sourceType, targetType, functionOid] = [integer(row, 0), integer(row, 1), integer(row, 3)];
  const builtIn = (type: Oid) => types.get(type)?.schema === 'pg_catalog';
  if (builtIn(sourceType) && builtIn(targetType) && !isUserCode(functions, functionOid)) return [];
  const code = text(row, 2);
  const context = code === 'i' ? 'implicit' : code === 'a' ? 'assignment' : code === 'e' ? 'explicit' : undefined;
  if (context === undefined) throw new SnapshotMalformed(`cast ${text(row, 4)} has an unknown context`);
  return [{ sourceType, targetType, context, ...(functionOid === 0 ? {} : { functionOid }) }];
}

function groupBy<T>(entries: Iterable<T>, nameOf: (entry: T) => string): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const entry of entries) {
    const group = groups.get(nameOf(entry));
    if (group === undefined) groups.set(nameOf(entry), [entry]);
    else group.push(entry);
  }
  return groups;
}
