/** SELECT, VALUES and set operations: what they read, and what each output column carries. */
import { as, bodyOf, child, flag, isTree, items, stringNode, tagOf, text, type Tree } from './ast.ts';
import { isOpenReference, resolveBareColumn } from './column-refs.ts';
import type { Context, QueryOptions } from './context.ts';
import { readCall, readExpression, readPredicate, readSortOperator } from './expressions.ts';
import { hasAggregate, isTriviallyTrue, limitOf } from './facts.ts';
import { callOperator } from './functions.ts';
import { readFrom } from './from-clause.ts';
import { OPAQUE_VALUE } from './opaque-value.ts';
import { outputName } from './output-names.ts';
import { readColumn, withDescendants } from './relations.ts';
import { emptyScope, findItems, mergeCarried, OPEN_SHAPE, type Scope, type ScopeColumn, type Sensitive, type Shape } from './scope.ts';
import { readSelectInto } from './stored-queries.ts';
import { readWith } from './with-clause.ts';

/** Fields of a `SelectStmt` that are read below; another one would be `unknown`. */
const FIELDS: ReadonlySet<string> = new Set([
  'all',
  'distinctClause',
  'fromClause',
  'groupByAll',
  'groupClause',
  'groupDistinct',
  'havingClause',
  'intoClause',
  'larg',
  'limitCount',
  'limitOffset',
  'limitOption',
  'lockingClause',
  'op',
  'rarg',
  'sortClause',
  'targetList',
  'valuesLists',
  'whereClause',
  'windowClause',
  'withClause',
]);

/** Reads a tagged query: SELECT, or a data-modifying statement in a CTE. */
export function readQuery(context: Context, node: unknown, outer: Scope | undefined, options: QueryOptions = {}): Shape {
  context.enter();
  try {
    const select = as(node, 'SelectStmt');
    if (select !== undefined) return readSelect(context, select, outer, options);
    context.unknown(`a query of the kind ${tagOf(node) ?? 'nothing'}`);
    readExpression(context, outer, isTree(node) ? Object.values(node) : undefined, 'query');
    return OPEN_SHAPE;
  } finally {
    context.leave();
  }
}

function readSelect(context: Context, node: Tree, outer: Scope | undefined, options: QueryOptions): Shape {
  for (const key in node) if (!FIELDS.has(key)) context.unknown(`SELECT with ${key}`);
  const ctes = readWith(context, child(node, 'withClause'), outer);
  const scope = emptyScope(outer, ctes);
  let shape: Shape;
  if (text(node, 'op') !== undefined && text(node, 'op') !== 'SETOP_NONE') shape = readSetOperation(context, node, scope, options);
  else if (items(node, 'valuesLists').length > 0) shape = readValues(context, node, scope);
  else shape = readPlain(context, node, scope, options);
  readExpression(context, scope, node['limitCount'], 'LIMIT');
  readExpression(context, scope, node['limitOffset'], 'OFFSET');
  shape = limited(context, node, shape);
  const into = child(node, 'intoClause');
  if (into !== undefined) {
    if (options.topLevel !== true) context.unknown('INTO inside a query');
    readSelectInto(context, into, shape);
  }
  return shape;
}

function limited(context: Context, node: Tree, shape: Shape): Shape {
  const limit = limitOf(node['limitCount']);
  if (limit === 'none') return shape;
  if (limit === 'unknown') return { ...shape, unfiltered: false, rows: -1 };
  const rows = shape.rows < 0 ? limit : Math.min(shape.rows, limit);
  return { ...shape, rows, unfiltered: shape.unfiltered && limit >= context.environment.fullExportRows };
}

function readSetOperation(context: Context, node: Tree, scope: Scope, options: QueryOptions): Shape {
  const inner = emptyScope(scope.parent, scope.ctes);
  const left = readQuery(context, { SelectStmt: node['larg'] }, inner, options);
  const right = readQuery(context, { SelectStmt: node['rarg'] }, inner, options);
  const kept = text(node, 'op') === 'SETOP_UNION' && flag(node, 'all');
  if (!kept) {
    context.useAll(left.columns, 'UNION, INTERSECT or EXCEPT');
    context.useAll(right.columns, 'UNION, INTERSECT or EXCEPT');
  }
  if (!kept) callOperator(context, ['=']);
  if (leftmostInto(node) !== undefined) context.useAll(right.columns, 'stored in a table');
  const open = left.open || right.open;
  if (left.columns.length !== right.columns.length && !open) context.unknown('a set operation of different widths');
  const columns = left.columns.map((column, i): ScopeColumn => {
    const other = right.columns[i];
    const uses = [...(column.uses ?? []), ...(other?.uses ?? [])];
    const merged = { name: column.name, carries: mergeCarried(column.carries, other?.carries ?? []), reads: [] };
    return uses.length === 0 ? merged : { ...merged, uses };
  });
  for (const sort of items(node, 'sortClause'))
    readOrdering(context, emptyScope(scope.parent, scope.ctes), sort, columns, 'ORDER BY', false);
  return closed(context, {
    columns,
    open,
    rows: Math.min(left.rows, right.rows) < 0 ? -1 : left.rows + right.rows,
    unfiltered: left.unfiltered || right.unfiltered,
  });
}

/** INTO of a set operation stands on its first SELECT, and stores the rows of all. */
function leftmostInto(node: Tree): Tree | undefined {
  let at: Tree | undefined = node;
  while (at !== undefined && child(at, 'larg') !== undefined) at = child(at, 'larg');
  return at === undefined ? undefined : child(at, 'intoClause');
}

function readValues(context: Context, node: Tree, scope: Scope): Shape {
  const lists = items(node, 'valuesLists');
  for (const list of lists) readExpression(context, scope, list, 'VALUES');
  const width = items(bodyOf(lists[0], 'List'), 'items').length;
  const columns = Array.from({ length: width }, (_, i): ScopeColumn => ({ name: `column${i + 1}`, carries: [], reads: [] }));
  for (const sort of items(node, 'sortClause'))
    readExpression(context, { ...scope, parts: [{ ...OPEN_SHAPE, columns, open: false }] }, sort, 'ORDER BY');
  return { columns, open: false, rows: lists.length, unfiltered: false };
}

function readPlain(context: Context, node: Tree, scope: Scope, options: QueryOptions): Shape {
  readFrom(context, scope, items(node, 'fromClause'));
  readPredicate(context, scope, node['whereClause'], 'WHERE');
  const targets = readTargets(context, scope, items(node, 'targetList'), options);
  for (const item of items(node, 'groupClause')) readOrdering(context, scope, item, targets.columns, 'GROUP BY', true);
  if (flag(node, 'groupByAll')) context.useAll(targets.columns, 'GROUP BY');
  readExpression(context, scope, node['havingClause'], 'HAVING');
  readExpression(context, scope, node['windowClause'], 'window');
  for (const item of items(node, 'distinctClause')) {
    if (tagOf(item) === undefined) {
      callOperator(context, ['=']);
      context.useAll(targets.columns, 'DISTINCT');
    } else {
      readOrdering(context, scope, item, targets.columns, 'DISTINCT ON', false);
    }
  }
  for (const item of items(node, 'sortClause')) readOrdering(context, scope, item, targets.columns, 'ORDER BY', false);
  readLocking(context, scope, node);
  const grouped = items(node, 'groupClause').length > 0 || hasAggregate(items(node, 'targetList'));
  const filtered = grouped || !isTriviallyTrue(node['whereClause']);
  const rows = scope.parts.reduce((most, part) => (most < 0 || part.rows < 0 ? -1 : Math.max(most, part.rows)), 1);
  const shape = {
    columns: targets.columns,
    open: targets.open,
    rows: hasAggregate(items(node, 'targetList')) && items(node, 'groupClause').length === 0 ? 1 : filtered ? -1 : rows,
    unfiltered: !filtered && scope.parts.some((part) => part.unfiltered),
  };
  return options.outputIgnored === true ? shape : closed(context, shape);
}

/** Beside columns of unknown number, no one can tell at which position a sensitive value comes out. */
export function closed(context: Context, shape: Shape): Shape {
  if (shape.open) context.useAll(shape.columns, 'output beside columns that are not known');
  return shape;
}

/** Reads a target or RETURNING list. */
export function readTargets(context: Context, scope: Scope, list: readonly unknown[], options: QueryOptions = {}): Shape {
  const columns: ScopeColumn[] = [];
  let open = false;
  for (const entry of list) {
    const target = bodyOf(entry, 'ResTarget');
    const value = target['val'];
    const expanded = expandStar(context, scope, value);
    if (expanded !== undefined) {
      columns.push(...expanded.columns);
      open ||= expanded.open;
      for (const column of expanded.columns) readColumn(context, column);
      continue;
    }
    const name = text(target, 'name') ?? outputName(value);
    const column = resolveBareColumn(scope, value);
    if (column !== undefined) {
      readColumn(context, column);
      columns.push({ ...column, name });
      continue;
    }
    if (isStarOfExpression(value)) open = true;
    columns.push(readComputed(context, scope, value, name, options));
  }
  return { columns, open, rows: -1, unfiltered: false };
}

function readComputed(context: Context, scope: Scope, value: unknown, name: string, options: QueryOptions): ScopeColumn {
  if (options.usesByColumn !== true) return { name, carries: readBareValue(context, scope, value), reads: [] };
  const before = context.uses;
  const expanded = context.views.size + context.expandedFunctions.size;
  context.uses = new Map();
  const carries = readBareValue(context, scope, value);
  const found = context.uses;
  context.uses = before;
  // What a view or function read here for the first time uses belongs to every later reference too: it is reported at once.
  if (context.views.size + context.expandedFunctions.size !== expanded) for (const [key, use] of found) context.uses.set(key, use);
  const uses = [...found.values()];
  return { name, carries, reads: [], uses };
}

/** A target expression; what it can carry where it is the bare value of a call, or of a column that only its function knows. */
function readBareValue(context: Context, scope: Scope, value: unknown): readonly Sensitive[] {
  const call = as(value, 'FuncCall');
  if (call !== undefined) return readCall(context, scope, call);
  if (context.opaqueFunctions.size > 0 && isOpenReference(scope, value)) return [OPAQUE_VALUE];
  readExpression(context, scope, value, 'output expression');
  return [];
}

/** `*`, `t.*`, `s.t.*` as a target of their own. */
function expandStar(
  context: Context,
  scope: Scope,
  value: unknown,
): { readonly columns: readonly ScopeColumn[]; readonly open: boolean } | undefined {
  const fields = items(bodyOf(value, 'ColumnRef'), 'fields');
  if (fields.length === 0 || tagOf(fields[fields.length - 1]) !== 'A_Star') return undefined;
  if (fields.length === 1) {
    return { columns: scope.parts.flatMap((part) => part.columns), open: scope.parts.some((part) => part.open) };
  }
  const rows = findItems(
    scope,
    stringNode(fields[fields.length - 2]) ?? '',
    fields.length > 2 ? stringNode(fields[fields.length - 3]) : undefined,
  );
  if (rows.length === 0) {
    if (!context.inBody) context.unknown('a row that is not known');
    return { columns: [], open: true };
  }
  return { columns: rows.flatMap((row) => row.columns), open: rows.length > 1 || rows.some((row) => row.open) };
}

/** `(f(x)).*` becomes as many columns as the type has. */
function isStarOfExpression(value: unknown): boolean {
  const fields = items(bodyOf(value, 'A_Indirection'), 'indirection');
  return tagOf(fields[fields.length - 1]) === 'A_Star';
}

/** GROUP BY, ORDER BY and DISTINCT ON: a position or an output name means an output column. */
function readOrdering(
  context: Context,
  scope: Scope,
  item: unknown,
  outputs: readonly ScopeColumn[],
  use: string,
  inputFirst: boolean,
): void {
  const sort = as(item, 'SortBy');
  const value = sort === undefined ? item : sort['node'];
  callOperator(context, ['=']);
  if (sort !== undefined) readSortOperator(context, sort);
  const position = child(bodyOf(value, 'A_Const'), 'ival');
  if (position !== undefined) {
    const column = outputs[Number(position['ival'] ?? 0) - 1];
    if (column !== undefined) context.useAll([column], use);
    return;
  }
  const set = as(value, 'GroupingSet');
  if (set !== undefined) {
    context.enter();
    for (const part of items(set, 'content')) readOrdering(context, scope, part, outputs, use, inputFirst);
    context.leave();
    return;
  }
  const fields = items(bodyOf(value, 'ColumnRef'), 'fields');
  const name = fields.length === 1 ? stringNode(fields[0]) : undefined;
  const named = name === undefined ? [] : outputs.filter((column) => column.name === name);
  context.useAll(named, use);
  if (named.length > 0 && (!inputFirst || resolveBareColumn(scope, value) === undefined)) return;
  readExpression(context, scope, item, use);
}

function readLocking(context: Context, scope: Scope, node: Tree): void {
  if (items(node, 'lockingClause').length === 0) return;
  context.writing = true;
  for (const item of scope.items) {
    for (const column of item.columns) {
      const relation = column.origin?.relation;
      if (relation === undefined) continue;
      for (const member of withDescendants(context, relation)) context.effect('lock', 'Table', [member.schema, member.name]);
      break;
    }
  }
  // What a subquery or a view locks below is locked as well; the target stands for it.
  if (scope.items.some((item) => !item.system) || context.views.size > 0) context.effect('lock', 'Target', []);
}
