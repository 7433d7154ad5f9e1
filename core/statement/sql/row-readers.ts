/**
 * Functions of the server's own information_schema that are handed whole rows of a catalog and read two fields of them.
 * Without this, `information_schema.columns` would count as a use of every column of `pg_attribute`.
 */
import { bodyOf, items, stringNode, tagOf } from './ast.ts';
import type { Context } from './context.ts';
import { candidates } from './functions.ts';
import { readColumn } from './relations.ts';
import { findItems, type RangeItem, type Scope } from './scope.ts';

/** By the exact body (PostgreSQL 15–18), so that a function that somebody has replaced is not among them. */
const FIELDS_READ: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  [
    `RETURN CASE WHEN (($2).typtype = 'd'::"char") THEN ($2).typbasetype ELSE ($1).atttypid END`,
    new Set(['typtype', 'typbasetype', 'atttypid']),
  ],
  [
    `RETURN CASE WHEN (($2).typtype = 'd'::"char") THEN ($2).typtypmod ELSE ($1).atttypmod END`,
    new Set(['typtype', 'typtypmod', 'atttypmod']),
  ],
]);

/** The fields that a call reads of the rows it is given; undefined where it can be another function. */
export function fieldsRead(context: Context, names: readonly string[], argumentCount: number): ReadonlySet<string> | undefined {
  const [only, ...others] = candidates(context, names, argumentCount);
  if (only === undefined || others.length > 0 || only.schema !== 'information_schema') return undefined;
  return FIELDS_READ.get(only.body?.trim() ?? '');
}

/** Reads a whole row of a catalog for some of its fields. False: the argument is something else, and read as ever. */
export function readFieldsOfRow(
  context: Context,
  scope: Scope | undefined,
  argument: unknown,
  fields: ReadonlySet<string>,
  use: string,
): boolean {
  const rows = rowsOf(scope, argument);
  // A row of any other relation could only be passed through a cast, whose code would see all of it.
  if (rows.length !== 1 || !rows.every(isOfCatalog)) return false;
  for (const column of rows.flatMap((row) => row.columns)) {
    readColumn(context, column);
    if (fields.has(column.name)) for (const sensitive of column.carries) context.use(sensitive, use);
  }
  return true;
}

/** `a.*`, as view definitions are printed. */
function rowsOf(scope: Scope | undefined, argument: unknown): readonly RangeItem[] {
  const [row, star, ...more] = items(bodyOf(argument, 'ColumnRef'), 'fields');
  const alias = stringNode(row);
  return alias === undefined || tagOf(star) !== 'A_Star' || more.length > 0 ? [] : findItems(scope, alias);
}

function isOfCatalog({ columns, open }: RangeItem): boolean {
  return !open && columns.length > 0 && columns.every(({ origin }) => origin?.relation.schema === 'pg_catalog');
}
