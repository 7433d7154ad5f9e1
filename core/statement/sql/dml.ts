/** INSERT, UPDATE and DELETE: what they write, what they read on the way, and what RETURNING gives back. */
import { as, bodyOf, child, items, stringNode, tagOf, text, type Tree } from './ast.ts';
import type { Relation } from './catalog.ts';
import type { Context } from './context.ts';
import { readExpression, readPredicate } from './expressions.ts';
import { isTriviallyTrue } from './facts.ts';
import { readFrom } from './from-clause.ts';
import { baseColumns, inherits, readColumn, readRelation, relationOf } from './relations.ts';
import { emptyScope, OPEN_SHAPE, type RangeItem, type Scope, type ScopeColumn, type Shape } from './scope.ts';
import { closed, readTargets } from './select.ts';
import { readWith } from './with-clause.ts';
import { noteWrite, writeRelation, writeValue } from './writes.ts';

/** A relation that is written, with its columns. */
export type WriteTarget = {
  readonly relation: Relation | undefined;
  readonly shape: Shape;
  readonly item: RangeItem;
  readonly inherit: boolean;
};

/** Resolves the target of a write; WITH names never are one. */
export function writeTarget(context: Context, rangeVar: Tree): WriteTarget {
  context.writing = true;
  const relation = relationOf(context, rangeVar);
  const inherit = inherits(rangeVar);
  const alias = child(rangeVar, 'alias');
  const name = (alias && text(alias, 'aliasname')) ?? text(rangeVar, 'relname') ?? '';
  const shape = relation === undefined ? OPEN_SHAPE : targetShape(context, relation, inherit);
  const item = { alias: name, columns: shape.columns, open: shape.open, system: true };
  return { relation, shape, inherit, item: alias === undefined && relation !== undefined ? { ...item, schema: relation.schema } : item };
}

function targetShape(context: Context, relation: Relation, inherit: boolean): Shape {
  if (relation.kind === 'table' || relation.kind === 'partitioned' || relation.kind === 'foreign') {
    return { columns: baseColumns(context, relation, inherit), open: false, rows: relation.estimatedRows, unfiltered: true };
  }
  return readRelation(context, relation, inherit);
}

export function columnNamed(target: WriteTarget, name: string): ScopeColumn | undefined {
  return target.shape.columns.find((column) => column.name === name);
}

/** Fields that are read; another one would be `unknown`. */
function refuseOthers(context: Context, kind: string, node: Tree, known: ReadonlySet<string>): void {
  for (const key in node) if (!known.has(key)) context.unknown(`${kind} with ${key}`);
}

const INSERT_FIELDS: ReadonlySet<string> = new Set([
  'cols',
  'onConflictClause',
  'override',
  'relation',
  'returningClause',
  'returningList',
  'selectStmt',
  'withClause',
]);

export function readInsert(context: Context, node: Tree, outer: Scope): Shape {
  refuseOthers(context, 'INSERT', node, INSERT_FIELDS);
  const scope = emptyScope(outer, readWith(context, child(node, 'withClause'), outer));
  const target = writeTarget(context, child(node, 'relation') ?? {});
  const listed = items(node, 'cols').map((entry) => {
    const column = bodyOf(entry, 'ResTarget');
    readExpression(context, scope, column['indirection'], 'INSERT column');
    return columnNamed(target, text(column, 'name') ?? '') ?? missing(context, text(column, 'name') ?? '');
  });
  const columns = listed.length > 0 ? listed : target.shape.columns;
  readSource(context, scope, columns, node['selectStmt']);
  if (target.relation !== undefined) {
    writeRelation(
      context,
      target.relation,
      'insert',
      columns.map((column) => column?.name ?? ''),
      false,
    );
  }
  readOnConflict(context, scope, target, child(node, 'onConflictClause'));
  return readReturning(context, { ...scope, items: [target.item], parts: [target.shape] }, target, node);
}

export function missing(context: Context, name: string): undefined {
  context.unknown(`column ${name}`);
  return undefined;
}

/** VALUES rows are matched with their columns; any other query's output is stored as a whole. */
function readSource(context: Context, scope: Scope, columns: readonly (ScopeColumn | undefined)[], source: unknown): void {
  const select = as(source, 'SelectStmt');
  if (select === undefined) return;
  const plain = ['valuesLists', 'limitOption', 'op'];
  if (items(select, 'valuesLists').length > 0 && Object.keys(select).every((key) => plain.includes(key))) {
    for (const row of items(select, 'valuesLists')) {
      for (const [i, value] of items(bodyOf(row, 'List'), 'items').entries()) writeValue(context, scope, columns[i], value, 'VALUES');
    }
    return;
  }
  const shape = context.walkers.query(context, source, scope);
  context.useAll(shape.columns, 'stored by INSERT');
  const targets = items(select, 'targetList');
  for (const [i, column] of columns.entries()) {
    if (column === undefined || column.carries.length === 0) continue;
    noteWrite(context, column, targets.length === columns.length ? bodyOf(targets[i], 'ResTarget')['val'] : source);
  }
}

function readOnConflict(context: Context, scope: Scope, target: WriteTarget, clause: Tree | undefined): void {
  if (clause === undefined) return;
  const own: Scope = { ...scope, items: [target.item], parts: [target.shape] };
  const infer = child(clause, 'infer');
  for (const element of infer === undefined ? [] : items(infer, 'indexElems')) {
    const index = bodyOf(element, 'IndexElem');
    const name = text(index, 'name');
    const column = name === undefined ? undefined : columnNamed(target, name);
    if (column !== undefined) {
      readColumn(context, column);
      context.useAll([column], 'ON CONFLICT');
    }
    readExpression(context, own, element, 'ON CONFLICT');
  }
  readExpression(context, own, infer?.['whereClause'], 'ON CONFLICT');
  if (text(clause, 'action') === 'ONCONFLICT_NOTHING') return;
  if (text(clause, 'action') !== 'ONCONFLICT_UPDATE') context.unknown(`ON CONFLICT ${text(clause, 'action') ?? ''}`);
  const excluded: RangeItem = { alias: 'excluded', columns: target.shape.columns, open: target.shape.open, system: true };
  const both: Scope = { ...own, items: [target.item, excluded] };
  assign(context, both, target, items(clause, 'targetList'));
  readExpression(context, both, clause['whereClause'], 'ON CONFLICT');
}

/** Reads `SET column = value, …` and reports the update; values may be sensitive only where they came from the client. */
export function assign(context: Context, scope: Scope, target: WriteTarget, list: readonly unknown[]): void {
  const names: string[] = [];
  for (const entry of list) {
    const assignment = bodyOf(entry, 'ResTarget');
    const name = text(assignment, 'name') ?? '';
    names.push(name);
    const column = columnNamed(target, name) ?? missing(context, name);
    readExpression(context, scope, assignment['indirection'], 'SET');
    const value = assignment['val'];
    const multiple = as(value, 'MultiAssignRef');
    if (multiple !== undefined) assignOneOf(context, scope, column, multiple);
    else if (isSameOfExcluded(value, name)) noteWrite(context, column, undefined);
    else writeValue(context, scope, column, value, 'SET');
  }
  if (target.relation !== undefined) writeRelation(context, target.relation, 'update', names, target.inherit);
}

function assignOneOf(context: Context, scope: Scope, column: ScopeColumn | undefined, multiple: Tree): void {
  const source = multiple['source'];
  const number = Number(multiple['colno'] ?? 1);
  const row = as(source, 'RowExpr');
  if (row !== undefined) {
    writeValue(context, scope, column, items(row, 'args')[number - 1], 'SET');
    return;
  }
  // The same source stands in every column's assignment: it is read once.
  if (number === 1) readExpression(context, scope, source, 'SET');
  noteWrite(context, column, source);
}

/** `ssn = excluded.ssn` stores what the client itself proposed. */
function isSameOfExcluded(value: unknown, name: string): boolean {
  const fields = items(bodyOf(value, 'ColumnRef'), 'fields');
  return fields.length === 2 && stringNode(fields[0]) === 'excluded' && stringNode(fields[1]) === name;
}

const UPDATE_FIELDS: ReadonlySet<string> = new Set([
  'fromClause',
  'relation',
  'returningClause',
  'returningList',
  'targetList',
  'usingClause',
  'whereClause',
  'withClause',
]);

export function readUpdate(context: Context, node: Tree, outer: Scope): Shape {
  return readChange(context, node, outer, 'UPDATE');
}

export function readDelete(context: Context, node: Tree, outer: Scope): Shape {
  return readChange(context, node, outer, 'DELETE');
}

function readChange(context: Context, node: Tree, outer: Scope, kind: 'UPDATE' | 'DELETE'): Shape {
  refuseOthers(context, kind, node, UPDATE_FIELDS);
  const scope = emptyScope(outer, readWith(context, child(node, 'withClause'), outer));
  const target = writeTarget(context, child(node, 'relation') ?? {});
  scope.parts.push(target.shape);
  scope.items.push(target.item);
  readFrom(context, scope, items(node, kind === 'UPDATE' ? 'fromClause' : 'usingClause'));
  readPredicate(context, scope, node['whereClause'], 'WHERE');
  if (isTriviallyTrue(node['whereClause'])) context.unbounded = true;
  if (kind === 'UPDATE') assign(context, scope, target, items(node, 'targetList'));
  else if (target.relation !== undefined) writeRelation(context, target.relation, 'delete', [], target.inherit);
  const shape = readReturning(context, scope, target, node);
  return { ...shape, rows: isTriviallyTrue(node['whereClause']) ? target.shape.rows : -1 };
}

/** RETURNING, with OLD and NEW from 18 on. */
export function readReturning(context: Context, scope: Scope, target: WriteTarget, node: Tree): Shape {
  const clause = child(node, 'returningClause');
  const list = clause === undefined ? items(node, 'returningList') : items(clause, 'exprs');
  if (list.length === 0) return { columns: [], open: false, rows: -1, unfiltered: false };
  const named = [...scope.items];
  if (context.environment.parser.major >= 18) {
    const renamed = new Map([
      ['RETURNING_OPTION_OLD', 'old'],
      ['RETURNING_OPTION_NEW', 'new'],
    ]);
    for (const entry of clause === undefined ? [] : items(clause, 'options')) {
      const option = bodyOf(entry, 'ReturningOption');
      if (tagOf(entry) !== 'ReturningOption' || !renamed.has(text(option, 'option') ?? '')) context.unknown('a RETURNING option');
      else renamed.set(text(option, 'option') ?? '', text(option, 'value') ?? '');
    }
    for (const alias of renamed.values()) named.push({ ...target.item, alias });
  }
  return closed(context, readTargets(context, { ...scope, items: named }, list));
}
