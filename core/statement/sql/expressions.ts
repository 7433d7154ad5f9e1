/**
 * Expressions. Every field of every node is walked, known or not: nothing hides in a corner. A sensitive column found
 * anywhere is a use, except in the two places where its value cannot be told: `count(column)` and `IS [NOT] NULL`.
 */
import {
  as,
  bodyOf,
  child,
  constantOf,
  flag,
  integer,
  isTree,
  items,
  nameParts,
  stringNode,
  tagOf,
  text,
  type Tree,
  withoutCasts,
} from './ast.ts';
import { readColumnRef, resolveBareColumn, wholeRow } from './column-refs.ts';
import type { Context } from './context.ts';
import { callByName, callFunction, callName, callOperator, candidates } from './functions.ts';
import { OPAQUE_VALUE } from './opaque-value.ts';
import { readColumn } from './relations.ts';
import type { Scope, Sensitive } from './scope.ts';
import { readTypeName, resolveType, touchType } from './type-names.ts';

/** Nodes that are no more than their children. What is in neither this list nor the switch below is `unknown`. */
const CONTAINERS: ReadonlyMap<string, string | undefined> = new Map([
  ['BoolExpr', undefined],
  ['List', undefined],
  ['SortBy', undefined],
  ['WindowDef', undefined],
  ['GroupingSet', undefined],
  ['IndexElem', undefined],
  ['NamedArgExpr', undefined],
  ['ResTarget', undefined],
  ['MultiAssignRef', undefined],
  ['A_Indices', 'subscript'],
  ['A_ArrayExpr', 'array'],
  ['RowExpr', 'row'],
  ['CaseWhen', 'CASE'],
  ['CoalesceExpr', 'COALESCE'],
  ['BooleanTest', 'boolean test'],
  ['CollateClause', 'COLLATE'],
  ['GroupingFunc', 'GROUPING'],
  ['XmlExpr', 'XML expression'],
  ['XmlSerialize', 'XML expression'],
  ['JsonValueExpr', 'JSON expression'],
  ['JsonFormat', undefined],
  ['JsonReturning', undefined],
  ['JsonOutput', undefined],
  ['JsonBehavior', 'JSON expression'],
  ['JsonArgument', 'JSON expression'],
  ['JsonKeyValue', 'JSON expression'],
  ['JsonFuncExpr', 'JSON expression'],
  ['JsonParseExpr', 'JSON expression'],
  ['JsonScalarExpr', 'JSON expression'],
  ['JsonSerializeExpr', 'JSON expression'],
  ['JsonIsPredicate', 'JSON expression'],
  ['JsonObjectConstructor', 'JSON expression'],
  ['JsonArrayConstructor', 'JSON expression'],
  ['JsonArrayQueryConstructor', 'JSON expression'],
  ['JsonAggConstructor', 'JSON expression'],
  ['JsonObjectAgg', 'JSON expression'],
  ['JsonArrayAgg', 'JSON expression'],
  ['JsonTablePathSpec', undefined],
  ['JsonTableColumn', 'JSON expression'],
  ['RangeTableFuncCol', 'XML expression'],
]);

const LEAVES: ReadonlySet<string> = new Set([
  'A_Const',
  'A_Star',
  'ParamRef',
  'SetToDefault',
  'SQLValueFunction',
  'CurrentOfExpr',
  'MergeSupportFunc',
  'String',
  'Integer',
  'Float',
  'Boolean',
  'BitString',
]);

/** Reads an expression (or a list, or any part of one); `use` says in words where a bare column stands. */
export function readExpression(context: Context, scope: Scope | undefined, value: unknown, use: string): void {
  if (typeof value !== 'object' || value === null) return;
  context.enter();
  if (Array.isArray(value)) {
    for (const one of value) readExpression(context, scope, one, use);
  } else if (isTree(value)) {
    const tag = tagOf(value);
    if (tag === undefined) readBare(context, scope, value, use);
    else readTagged(context, scope, tag, bodyOf(value, tag), value, use);
  }
  context.leave();
}

/** A node without its tag: the field it stands in knows the type, we tell it by its fields. */
function readBare(context: Context, scope: Scope | undefined, node: Tree, use: string): void {
  if (Array.isArray(node['names'])) readTypeName(context, node);
  else if ('limitOption' in node) context.useAll(context.walkers.query(context, { SelectStmt: node }, scope).columns, 'subquery');
  else if ('relname' in node) context.unknown('a relation name in an expression');
  else readFields(context, scope, node, use);
}

function readFields(context: Context, scope: Scope | undefined, node: Tree, use: string): void {
  for (const key in node) {
    const value = node[key];
    if (typeof value === 'object' && value !== null) readExpression(context, scope, value, use);
  }
}

function readTagged(context: Context, scope: Scope | undefined, tag: string, node: Tree, tagged: Tree, use: string): void {
  switch (tag) {
    case 'ColumnRef':
      readColumnRef(context, scope, node, use);
      return;
    case 'A_Expr':
      readOperator(context, scope, node);
      return;
    case 'FuncCall':
      for (const sensitive of readCall(context, scope, node)) context.use(sensitive, use);
      return;
    case 'TypeCast':
      readFields(context, scope, node, 'cast');
      return;
    case 'TypeName':
      readTypeName(context, node);
      return;
    case 'NullTest':
      readNullTest(context, scope, node);
      return;
    case 'SubLink':
      readSubLink(context, scope, node);
      return;
    case 'CaseExpr':
      if (node['arg'] !== undefined) callOperator(context, ['=']);
      readFields(context, scope, node, 'CASE');
      return;
    case 'MinMaxExpr':
      callOperator(context, ['<']);
      callOperator(context, ['>']);
      readFields(context, scope, node, 'GREATEST or LEAST');
      return;
    case 'SelectStmt':
      context.useAll(context.walkers.query(context, tagged, scope).columns, 'subquery');
      return;
    case 'A_Indirection':
      callFields(context, node);
      readFields(context, scope, node, 'subscript or field');
      return;
    default:
      break;
  }
  if (LEAVES.has(tag)) return;
  const label = CONTAINERS.get(tag);
  if (label === undefined && !CONTAINERS.has(tag)) context.unknown(`the node ${tag}`);
  if (tag === 'SortBy') readSortOperator(context, node);
  readFields(context, scope, node, label ?? use);
}

/** `(row).f` calls f(row) where the row has no such field (`ParseFuncOrColumn`). */
function callFields(context: Context, node: Tree): void {
  for (const field of items(node, 'indirection')) {
    const name = stringNode(field);
    if (name === undefined) continue;
    for (const func of candidates(context, [name], 1)) {
      const [argument] = func.argumentTypes;
      const kind = argument === undefined ? undefined : context.environment.catalog.types.get(argument)?.kind;
      if (kind !== 'composite' && kind !== 'domain' && kind !== 'pseudo' && kind !== undefined) continue;
      if (callFunction(context, func) !== 'known') context.use(OPAQUE_VALUE, `call of ${name}()`);
    }
  }
}

/** ORDER BY runs an operator of the type, or the one that USING names. */
export function readSortOperator(context: Context, node: Tree): void {
  const names = nameParts(items(node, 'useOp'));
  callOperator(context, names !== undefined && names.length > 0 ? names : ['<']);
}

/** Operators that some A_Expr kinds stand for besides the one they name. */
const IMPLIED: ReadonlyMap<string, readonly string[]> = new Map([
  ['AEXPR_BETWEEN', ['>=', '<=']],
  ['AEXPR_NOT_BETWEEN', ['<', '>']],
  ['AEXPR_BETWEEN_SYM', ['>=', '<=']],
  ['AEXPR_NOT_BETWEEN_SYM', ['<', '>']],
  ['AEXPR_DISTINCT', ['=']],
  ['AEXPR_NOT_DISTINCT', ['=']],
  ['AEXPR_NULLIF', ['=']],
]);

const OPERATOR_KINDS: ReadonlySet<string> = new Set([
  ...IMPLIED.keys(),
  'AEXPR_OP',
  'AEXPR_OP_ANY',
  'AEXPR_OP_ALL',
  'AEXPR_IN',
  'AEXPR_LIKE',
  'AEXPR_ILIKE',
  'AEXPR_SIMILAR',
]);

function readOperator(context: Context, scope: Scope | undefined, node: Tree): void {
  const kind = text(node, 'kind') ?? '';
  if (!OPERATOR_KINDS.has(kind)) context.unknown(`the operator kind ${kind}`);
  const names = nameParts(items(node, 'name')) ?? [];
  callOperator(context, names);
  for (const implied of IMPLIED.get(kind) ?? []) callOperator(context, [implied]);
  const before = context.uses.size;
  const use = `operand of ${names[names.length - 1] ?? 'an operator'}`;
  readFields(context, scope, node, use);
  if (context.environment.sensitive.size > 0 && (context.uses.size > before || touchesSensitive(scope, node))) {
    markLiterals(context, node);
  }
}

function touchesSensitive(scope: Scope | undefined, node: Tree): boolean {
  for (const side of [node['lexpr'], node['rexpr']]) {
    const column = resolveBareColumn(scope, withoutCasts(side));
    if (column !== undefined && column.carries.length > 0) return true;
  }
  return false;
}

/** Constants beside a sensitive column are what its values are compared with: recordings redact them. */
export function markLiterals(context: Context, node: unknown): void {
  if (typeof node !== 'object' || node === null) return;
  if (Array.isArray(node)) {
    for (const one of node) markLiterals(context, one);
    return;
  }
  if (!isTree(node)) return;
  const constant = as(node, 'A_Const');
  if (constant !== undefined) {
    // Inside a view or function the constant is not part of the statement's text.
    if (context.via === undefined && constantOf(node) !== null) context.redact(integer(constant, 'location') ?? 0);
    return;
  }
  context.enter();
  for (const key in node) markLiterals(context, node[key]);
  context.leave();
}

function readNullTest(context: Context, scope: Scope | undefined, node: Tree): void {
  const column = resolveBareColumn(scope, node['arg']);
  if (column === undefined) readFields(context, scope, node, 'IS NULL of an expression');
  else readColumn(context, column);
}

/** Reads a call: its effects, its arguments, and what its bare value can carry. */
export function readCall(context: Context, scope: Scope | undefined, node: Tree): readonly Sensitive[] {
  const names = callName(node);
  const name = names[names.length - 1] ?? '';
  const args = items(node, 'args');
  const called = callByName(context, names, node);
  const resolved = called !== undefined;
  if (!resolved) readOtherCall(context, scope, names, args);
  else if (args.length === 1) touchUserTypes(context, names);
  const counted = resolved && isPlainCount(context, names, node) ? resolveBareColumn(scope, args[0]) : undefined;
  for (const key in node) {
    const value = node[key];
    if (typeof value !== 'object' || value === null || key === 'funcname') continue;
    if (key === 'args' && counted !== undefined) readColumn(context, counted);
    else readExpression(context, scope, value, key === 'agg_filter' ? 'FILTER' : key === 'over' ? 'window' : `argument of ${name}()`);
  }
  // What the caller's own arguments may ask for is no bare value: it could be stored by the call itself.
  if (called === 'dynamic') context.use(OPAQUE_VALUE, `call of ${name}()`);
  return called === 'opaque' ? [OPAQUE_VALUE] : [];
}

/** `f(x)` can also be a cast to a type named f, where no function f takes x. */
function touchUserTypes(context: Context, names: readonly string[]): void {
  for (const type of resolveType(context, names)) if (type.schema !== 'pg_catalog') touchType(context, type.oid);
}

/** count(column) tells how many values there are, not which. */
function isPlainCount(context: Context, names: readonly string[], node: Tree): boolean {
  if (names[names.length - 1] !== 'count' || items(node, 'args').length !== 1) return false;
  if (names.length > 1 && names[names.length - 2] !== 'pg_catalog') return false;
  if (flag(node, 'agg_distinct') || flag(node, 'func_variadic') || node['agg_order'] !== undefined) return false;
  const all = context.environment.catalog.functionsByName.get('count') ?? [];
  return all.every((func) => func.schema === 'pg_catalog' || !context.path.includes(func.schema));
}

/** `f(x)` where no function is named f: a column of the composite value x, or a cast to the type f. */
function readOtherCall(context: Context, scope: Scope | undefined, names: readonly string[], args: readonly unknown[]): void {
  const name = names[names.length - 1] ?? '';
  if (args.length === 1) {
    const fields = items(bodyOf(args[0], 'ColumnRef'), 'fields');
    const alias = fields.length === 1 ? stringNode(fields[0]) : undefined;
    const rows = alias === undefined ? [] : wholeRow(scope, alias);
    if (rows.some((row) => row.columns.some((column) => column.name === name))) return;
    if (resolveType(context, names).length > 0) {
      readTypeName(context, { names: names.map((part) => ({ String: { sval: part } })) });
      return;
    }
  }
  context.unknown(`function ${names.join('.')}()`);
}

function readSubLink(context: Context, scope: Scope | undefined, node: Tree): void {
  const kind = text(node, 'subLinkType') ?? '';
  const exists = kind === 'EXISTS_SUBLINK';
  const shape = context.walkers.query(context, node['subselect'], scope, { outputIgnored: exists });
  for (const key in node) {
    const value = node[key];
    if (key === 'subselect' || key === 'operName' || typeof value !== 'object' || value === null) continue;
    readExpression(context, scope, value, 'comparison with a subquery');
  }
  if (exists) return;
  switch (kind) {
    case 'EXPR_SUBLINK':
      context.useAll(shape.columns, 'scalar subquery');
      return;
    case 'ARRAY_SUBLINK':
      context.useAll(shape.columns, 'ARRAY of a subquery');
      return;
    case 'ANY_SUBLINK':
    case 'ALL_SUBLINK':
      callOperator(context, nameParts(items(node, 'operName')) ?? ['=']);
      if (node['operName'] === undefined) callOperator(context, ['=']);
      context.useAll(shape.columns, 'comparison with a subquery');
      return;
    default:
      context.useAll(shape.columns, 'subquery');
      context.unknown(`the subquery kind ${kind}`);
  }
}

/** Reads a predicate: equality of a unique sensitive column with one parameter or constant, as a conjunct, may be a look-up. */
export function readPredicate(context: Context, scope: Scope, value: unknown, use: string): void {
  if (value === undefined) return;
  const conjunction = as(value, 'BoolExpr');
  if (conjunction !== undefined && text(conjunction, 'boolop') === 'AND_EXPR') {
    context.enter();
    for (const one of items(conjunction, 'args')) readPredicate(context, scope, one, use);
    context.leave();
    return;
  }
  if (!readLookup(context, scope, value)) readExpression(context, scope, value, use);
}

function readLookup(context: Context, scope: Scope, value: unknown): boolean {
  const operator = as(value, 'A_Expr');
  if (operator === undefined || text(operator, 'kind') !== 'AEXPR_OP') return false;
  const names = nameParts(items(operator, 'name')) ?? [];
  if (names.length !== 1 || names[0] !== '=' || context.environment.catalog.userOperatorsByName.has('=')) return false;
  const left = resolveBareColumn(scope, operator['lexpr']);
  const column = left ?? resolveBareColumn(scope, operator['rexpr']);
  const other = left === undefined ? operator['lexpr'] : operator['rexpr'];
  const sensitive = column?.carries[0];
  if (column === undefined || sensitive === undefined || column.carries.length !== 1) return false;
  if (!sensitive.unique || column.origin === undefined || !isOneValue(context, other)) return false;
  readExpression(context, undefined, other, 'look-up');
  readColumn(context, column);
  context.use(sensitive, 'equality look-up', true);
  markLiterals(context, other);
  return true;
}

/** A parameter or a constant, with casts that run no code at most. */
function isOneValue(context: Context, value: unknown): boolean {
  const cast = as(value, 'TypeCast');
  if (cast !== undefined) {
    const type = child(cast, 'typeName');
    const names = type === undefined ? undefined : nameParts(items(type, 'names'));
    if (names === undefined || !resolveType(context, names).every((one) => one.schema === 'pg_catalog')) return false;
    return isOneValue(context, cast['arg']);
  }
  return as(value, 'ParamRef') !== undefined || as(value, 'A_Const') !== undefined;
}
