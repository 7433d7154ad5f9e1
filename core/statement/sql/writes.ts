/** Writing: the effects on the relation and everything that runs with it, and sensitive columns that receive values. */
import { as, constantOf, integer, isTree, withoutCasts } from './ast.ts';
import type { Oid, Relation } from './catalog.ts';
import type { Context } from './context.ts';
import { markLiterals, readExpression } from './expressions.ts';
import { callFunctions } from './functions.ts';
import { baseColumns, relationLabel, relationPath, withDescendants } from './relations.ts';
import type { Scope, ScopeColumn } from './scope.ts';
import { touchType } from './type-names.ts';

export type WriteAction = 'insert' | 'update' | 'delete';

/** Writes already reported: foreign keys and views lead back to where they came from. */
class Seen {
  private readonly keys = new Set<string>();

  has(oid: Oid, action: WriteAction): boolean {
    return this.keys.has(`${oid} ${action}`);
  }

  add(oid: Oid, action: WriteAction): void {
    this.keys.add(`${oid} ${action}`);
  }
}

/** Reports the write of some columns of a relation, of what stands behind a view, and of the code that runs with it. */
export function writeRelation(
  context: Context,
  relation: Relation,
  action: WriteAction,
  columns: readonly string[],
  inherit: boolean,
): void {
  writeRelationOnce(context, relation, action, columns, inherit, new Seen());
}

function writeRelationOnce(
  context: Context,
  relation: Relation,
  action: WriteAction,
  columns: readonly string[],
  inherit: boolean,
  seen: Seen,
): void {
  if (seen.has(relation.oid, action)) return;
  seen.add(relation.oid, action);
  context.writing = true;
  // Rows are routed into partitions whether the statement names them or not; plain children only get updates and deletes.
  const family = inherit || relation.kind === 'partitioned' ? withDescendants(context, relation) : [relation];
  for (const member of family) {
    const via = member === relation ? context.via : (context.via ?? `parent ${relationLabel(relation)}`);
    context.effect(action, 'Table', relationPath(member), via);
    context.reach(member.oid, member.definitionHash);
    for (const name of columns) {
      if (member.columns.some((column) => column.name === name)) context.effect(action, 'Column', [...relationPath(member), name], via);
    }
    for (const column of member.columns) {
      // A stored value runs its type's input and checks; an insert fills every column.
      if (action === 'insert' || (action === 'update' && columns.includes(column.name))) touchType(context, column.typeOid);
    }
    if (action === 'update') noteNeighbours(context, member, columns);
    runWriteCode(context, member, action);
    runCascades(context, member, action, seen);
  }
  if (relation.kind === 'view') writeBehindView(context, relation, action, columns, seen);
  else if (relation.kind !== 'table' && relation.kind !== 'partitioned' && relation.kind !== 'foreign') {
    context.unknown(`a write to ${relation.kind} ${relationLabel(relation)}`);
  }
}

/** An update that a key or check over several columns answers tells about those that it leaves as they are. */
function noteNeighbours(context: Context, relation: Relation, names: readonly string[]): void {
  const groups = [...relation.uniqueKeys.filter((key) => key.length > 1), ...(relation.checkedTogether ?? [])];
  if (groups.length === 0 || context.environment.sensitive.size === 0) return;
  const columns = baseColumns(context, relation, false);
  const isWritten = (attnum: number) => columns.some(({ name, origin }) => origin?.column.attnum === attnum && names.includes(name));
  for (const group of groups) {
    if (!group.some(isWritten)) continue;
    for (const { carries, origin } of columns) {
      const attnum = origin?.column.attnum ?? 0;
      if (!group.includes(attnum) || isWritten(attnum)) continue;
      for (const sensitive of carries) context.writes.push({ column: sensitive.key, columnName: sensitive.name, reveals: true });
    }
  }
}

/** What foreign keys elsewhere write when rows here change. */
function runCascades(context: Context, relation: Relation, action: WriteAction, seen: Seen): void {
  for (const cascade of relation.cascades ?? []) {
    if (cascade.on !== action) continue;
    context.through(`foreign key to ${relationLabel(relation)}`, () => {
      const reached = context.relation(cascade.relation);
      if (reached === undefined) context.unknown(`relation ${cascade.relation}`);
      else writeRelationOnce(context, reached, cascade.effect, [], true, seen);
    });
  }
}

/** Triggers, defaults, constraints, generated columns, row security and rules. */
export function runWriteCode(context: Context, relation: Relation, event: WriteAction | 'truncate'): void {
  const label = relationLabel(relation);
  for (const trigger of relation.triggers) {
    if (trigger.enabled && trigger.events.includes(event) && !isKnownCascade(context, relation, trigger.functionOid, event)) {
      callFunctions(context, [trigger.functionOid], `trigger ${trigger.name} on ${label}`);
    }
  }
  if (event === 'truncate') return;
  callFunctions(context, relation.writeFunctions, `constraint or index of ${label}`);
  callFunctions(context, relation.readFunctions, `row security of ${label}`);
  if (event === 'insert' || event === 'update') {
    for (const column of relation.columns) callFunctions(context, column.defaultFunctions, `default of ${label}.${column.name}`);
  }
  if (relation.kind === 'foreign') context.reachOpaque();
  for (const rule of relation.rules) {
    if (rule.event !== event) continue;
    context.reachOpaque();
    context.effect('unknown', 'Target', [], `rule ${rule.name} on ${label}`);
  }
}

/** PostgreSQL's own foreign-key triggers do what `cascades` says, and nothing else. */
function isKnownCascade(context: Context, relation: Relation, oid: Oid, event: WriteAction | 'truncate'): boolean {
  const func = context.environment.catalog.functions.get(oid);
  if (func?.schema !== 'pg_catalog' || func.language !== 'internal' || !func.name.startsWith('RI_FKey_')) return false;
  return relation.cascades?.some((cascade) => cascade.on === event) === true;
}

/** A write to a view is a write to what its columns come from. */
function writeBehindView(context: Context, view: Relation, action: WriteAction, columns: readonly string[], seen: Seen): void {
  const shape = context.walkers.view(context, view);
  const behind = new Map<Relation, string[]>();
  for (const [i, column] of shape.columns.entries()) {
    if (column.origin === undefined) continue;
    const names = behind.get(column.origin.relation) ?? [];
    behind.set(column.origin.relation, names);
    if (columns.includes(view.columns[i]?.name ?? '')) names.push(column.origin.column.name);
  }
  if (behind.size === 0) context.unknown(`what is behind ${relationLabel(view)}`);
  context.through(`view ${relationLabel(view)}`, () => {
    for (const [relation, names] of behind) writeRelationOnce(context, relation, action, names, true, seen);
  });
}

/** Reads a value that is stored in a column: sensitive values in it are uses, and it is noted if the column is sensitive. */
export function writeValue(context: Context, scope: Scope, column: ScopeColumn | undefined, value: unknown, use: string): void {
  readExpression(context, scope, value, `value stored by ${use}`);
  if (!(isTree(value) && 'SetToDefault' in value)) noteWrite(context, column, value);
}

/** Notes that a sensitive column receives a value: which parameters and literals it may come from. */
export function noteWrite(context: Context, column: ScopeColumn | undefined, value: unknown): void {
  if (column === undefined || column.carries.length === 0) return;
  const bare = withoutCasts(value);
  const literal = constantOf(bare);
  const parameters = new Set<number>();
  collectParameters(context, value, parameters);
  markLiterals(context, value);
  for (const sensitive of column.carries) {
    context.masked.add(sensitive.name);
    const write = { column: sensitive.key, columnName: sensitive.name, reveals: sensitive.constrained };
    if (typeof literal === 'string') context.writes.push({ ...write, literal });
    else if (parameters.size === 0) context.writes.push(write);
    for (const parameter of parameters) context.writes.push({ ...write, parameter });
  }
}

function collectParameters(context: Context, value: unknown, into: Set<number>): void {
  if (Array.isArray(value)) for (const one of value) collectParameters(context, one, into);
  if (!isTree(value)) return;
  const parameter = as(value, 'ParamRef');
  if (parameter !== undefined) {
    into.add(integer(parameter, 'number') ?? 0);
    return;
  }
  context.enter();
  for (const key in value) collectParameters(context, value[key], into);
  context.leave();
}
