/** Column references: a column, a whole row, a system column, or a function in the shape of a column. */
import { as, items, stringNode, tagOf, type Tree } from './ast.ts';
import type { Context } from './context.ts';
import { callFunction, candidates } from './functions.ts';
import { OPAQUE_VALUE } from './opaque-value.ts';
import { readColumn } from './relations.ts';
import { findColumn, findItems, isSystemColumn, type RangeItem, type Scope, type ScopeColumn } from './scope.ts';

/** The one column that a bare reference means; undefined when it is anything else, or could be. Reports nothing. */
export function resolveBareColumn(scope: Scope | undefined, value: unknown): ScopeColumn | undefined {
  const field = fieldOfRow(value);
  const fields = field ?? referenceParts(value);
  if (fields === undefined) return undefined;
  // `(c).ssn` reads a field of the column c where there is one.
  if (field !== undefined && !isOnlyRow(scope, field[0] ?? '')) return undefined;
  const found = lookUp(scope, fields);
  return found.columns.length === 1 && !found.maybeElsewhere ? found.columns[0] : undefined;
}

/** `(c).ssn` is `c.ssn` when c is a range table entry. */
function fieldOfRow(value: unknown): readonly string[] | undefined {
  const indirection = as(value, 'A_Indirection');
  if (indirection === undefined) return undefined;
  const fields = items(indirection, 'indirection');
  const row = referenceParts(indirection['arg']);
  const field = stringNode(fields[0]);
  return row?.length === 1 && fields.length === 1 && field !== undefined ? [...row, field] : undefined;
}

function isOnlyRow(scope: Scope | undefined, name: string): boolean {
  const column = findColumn(scope, name);
  return column.columns.length === 0 && !column.maybeElsewhere;
}

function referenceParts(value: unknown): readonly string[] | undefined {
  const node = as(value, 'ColumnRef');
  if (node === undefined) return undefined;
  const parts: string[] = [];
  for (const field of items(node, 'fields')) {
    const name = stringNode(field);
    if (name === undefined) return undefined;
    parts.push(name);
  }
  return parts;
}

type LookUp = { readonly columns: readonly ScopeColumn[]; readonly maybeElsewhere: boolean; readonly rows: readonly RangeItem[] };

function lookUp(scope: Scope | undefined, parts: readonly string[]): LookUp {
  const last = parts[parts.length - 1] ?? '';
  if (parts.length === 1) return { ...findColumn(scope, last), rows: [] };
  const rows = findItems(scope, parts[parts.length - 2] ?? '', parts.length > 2 ? parts[parts.length - 3] : undefined);
  const columns: ScopeColumn[] = [];
  for (const row of rows) for (const column of row.columns) if (column.name === last) columns.push(column);
  return { columns, maybeElsewhere: rows.some((row) => row.open), rows };
}

/** Range table entries that an unqualified name means as a whole row. */
export function wholeRow(scope: Scope | undefined, name: string): readonly RangeItem[] {
  return findItems(scope, name);
}

/** Whether a reference means a column that only the function that makes its rows knows. */
export function isOpenReference(scope: Scope | undefined, value: unknown): boolean {
  const parts = referenceParts(value);
  if (parts === undefined) return false;
  const found = lookUp(scope, parts);
  return found.columns.length === 0 && found.maybeElsewhere && (parts.length > 1 || wholeRow(scope, parts[0] ?? '').length === 0);
}

/** Reads a reference inside an expression: each sensitive column that it can mean is a use. */
export function readColumnRef(context: Context, scope: Scope | undefined, node: Tree, use: string): void {
  const fields = items(node, 'fields');
  const last = fields[fields.length - 1];
  if (tagOf(last) === 'A_Star') {
    readWholeRows(context, scope, fields.slice(0, -1), use);
    return;
  }
  const parts: string[] = [];
  for (const field of fields) parts.push(stringNode(field) ?? '');
  const found = lookUp(scope, parts);
  for (const column of found.columns) {
    readColumn(context, column);
    for (const sensitive of column.carries) context.use(sensitive, use);
  }
  if (found.maybeElsewhere && context.opaqueFunctions.size > 0) context.use(OPAQUE_VALUE, use);
  if (found.columns.length === 0) readOther(context, scope, parts, found, use);
  else if (found.maybeElsewhere && parts.length === 1) readRows(context, wholeRow(scope, parts[0] ?? ''), use);
}

/** A reference that is no column. */
function readOther(context: Context, scope: Scope | undefined, parts: readonly string[], found: LookUp, use: string): void {
  const name = parts[parts.length - 1] ?? '';
  if (parts.length === 1) {
    const rows = wholeRow(scope, name);
    if (rows.length > 0) {
      readRows(context, rows, use);
      return;
    }
    if (isSystemColumn(name) && anySystem(scope)) return;
    if (found.maybeElsewhere || context.inBody) return;
    context.unknown(`column ${name}`);
    return;
  }
  if (found.rows.some((row) => row.system) && isSystemColumn(name)) return;
  // `c.f` may call f(c): then the function is given the whole row.
  const functions = found.rows.length > 0 ? candidates(context, [name], 1) : [];
  if (functions.length > 0) {
    for (const func of functions) if (callFunction(context, func) !== 'known') context.use(OPAQUE_VALUE, use);
    readRows(context, found.rows, `argument of ${name}()`);
    return;
  }
  if (found.maybeElsewhere) return;
  if (found.rows.length === 0 && context.inBody) return;
  context.unknown(`column ${parts.join('.')}`);
}

function anySystem(scope: Scope | undefined): boolean {
  for (let level = scope; level !== undefined; level = level.parent) if (level.items.some((item) => item.system)) return true;
  return false;
}

/** `c.*` or `*` inside an expression. */
function readWholeRows(context: Context, scope: Scope | undefined, qualifier: readonly unknown[], use: string): void {
  if (qualifier.length === 0) {
    for (const part of scope?.parts ?? []) {
      for (const column of part.columns) readAsUse(context, column, use);
      if (part.open && context.opaqueFunctions.size > 0) context.use(OPAQUE_VALUE, use);
    }
    return;
  }
  const names = qualifier.map((field) => stringNode(field) ?? '');
  const rows = findItems(scope, names[names.length - 1] ?? '', names.length > 1 ? names[names.length - 2] : undefined);
  if (rows.length === 0 && !context.inBody) {
    // `t.col.*` would be a composite column.
    const found = lookUp(scope, names);
    if (found.columns.length === 0 && !found.maybeElsewhere) context.unknown(`row ${names.join('.')}.*`);
    for (const column of found.columns) readAsUse(context, column, use);
    return;
  }
  readRows(context, rows, use);
}

/** Every column of the rows, as a use of the whole row. */
function readRows(context: Context, rows: readonly RangeItem[], use: string): void {
  for (const row of rows) {
    for (const column of row.columns) readAsUse(context, column, `whole row as ${use}`);
    if (row.open && context.opaqueFunctions.size > 0) context.use(OPAQUE_VALUE, `whole row as ${use}`);
  }
}

function readAsUse(context: Context, column: ScopeColumn, use: string): void {
  readColumn(context, column);
  for (const sensitive of column.carries) context.use(sensitive, use);
}
