/** DDL: the object it names, the masked relations it touches, and the code in its expressions. */
import type { Action, Resource } from '../effect.ts';
import { bodyOf, child, isTree, items, nameParts, stringNode, tagOf, text, type Tree } from './ast.ts';
import type { Context } from './context.ts';
import { readExpression } from './expressions.ts';
import { baseColumns, hasSensitive, relationPath, resolveRelation } from './relations.ts';
import { emptyScope, type Scope } from './scope.ts';
import { dirtyAll } from './session-effects.ts';
import { readTypeName } from './type-names.ts';

/** Reports the action on each resource, then walks the whole definition. */
export function readDefinition(context: Context, node: Tree, action: Action, resources: readonly Resource[]): void {
  dirtyAll(context);
  for (const resource of resources) context.effect(action, resource.type, resource.path);
  const scope = definitionScope(context, child(node, 'relation') ?? child(node, 'table'));
  // A unique index cannot be made where values are equal.
  if (node['unique'] === true) {
    for (const part of items(node, 'indexParams')) useColumn(context, scope, text(bodyOf(part, 'IndexElem'), 'name'), 'unique index');
  }
  for (const key in node) walk(context, scope, node[key]);
}

/** Columns of the relation under definition, and room for those that do not exist yet. */
function definitionScope(context: Context, rangeVar: Tree | undefined): Scope {
  const scope = emptyScope();
  const name = (rangeVar && text(rangeVar, 'relname')) ?? '';
  const relation = rangeVar && resolveRelation(context, text(rangeVar, 'schemaname'), name);
  const columns = relation === undefined ? [] : baseColumns(context, relation);
  scope.parts.push({ columns, open: true, rows: -1, unfiltered: false });
  for (const alias of [name, 'new', 'old']) scope.items.push({ alias, columns, open: true, system: true });
  return scope;
}

const EXPRESSIONS: ReadonlySet<string> = new Set([
  'A_ArrayExpr',
  'A_Expr',
  'A_Indirection',
  'BoolExpr',
  'BooleanTest',
  'CaseExpr',
  'CoalesceExpr',
  'CollateClause',
  'ColumnRef',
  'FuncCall',
  'JsonArrayConstructor',
  'JsonArrayQueryConstructor',
  'JsonFuncExpr',
  'JsonIsPredicate',
  'JsonObjectConstructor',
  'JsonParseExpr',
  'JsonScalarExpr',
  'JsonSerializeExpr',
  'MinMaxExpr',
  'NullTest',
  'RowExpr',
  'SubLink',
  'TypeCast',
  'XmlExpr',
  'XmlSerialize',
]);

/** Shorthands of CREATE TABLE that are no types. */
const SERIALS: ReadonlySet<string> = new Set(['serial', 'serial2', 'serial4', 'serial8', 'bigserial', 'smallserial']);

function walk(context: Context, scope: Scope, value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  context.enter();
  if (Array.isArray(value)) for (const one of value) walk(context, scope, one);
  else if (isTree(value)) walkNode(context, scope, value);
  context.leave();
}

function walkNode(context: Context, scope: Scope, value: Tree): void {
  const tag = tagOf(value);
  const node = tag === undefined ? value : bodyOf(value, tag);
  if (tag !== undefined && EXPRESSIONS.has(tag)) {
    readExpression(context, scope, value, 'definition');
    return;
  }
  if (tag === 'SelectStmt') {
    context.useAll(context.walkers.query(context, value, scope).columns, 'stored definition');
    return;
  }
  if (tag === 'InsertStmt' || tag === 'UpdateStmt' || tag === 'DeleteStmt' || tag === 'MergeStmt') {
    context.walkers.nested(context, value, scope);
    return;
  }
  if (tag === 'DefElem') redactSecret(context, node);
  if (tag === 'Constraint') readConstraint(context, scope, node);
  if (tag === 'AlterTableCmd') readAlteration(context, scope, node);
  if (typeof node['relname'] === 'string' && (tag === undefined || tag === 'RangeVar')) touchRelation(context, node);
  else if (Array.isArray(node['names']) && (tag === undefined || tag === 'TypeName')) {
    const names = nameParts(items(node, 'names'));
    if (names === undefined || names.length !== 1 || !SERIALS.has(names[0] ?? '')) readTypeName(context, node);
  } else for (const key in node) walk(context, scope, node[key]);
}

/** Definitions on a masked relation may move, copy or reveal what is masked. */
function touchRelation(context: Context, rangeVar: Tree): void {
  const relation = resolveRelation(context, text(rangeVar, 'schemaname'), text(rangeVar, 'relname') ?? '');
  if (relation === undefined) return;
  context.reach(relation.oid, relation.definitionHash);
  if (hasSensitive(context, relation)) context.effect('alterMasked', 'Table', relationPath(relation));
}

/** Whether values are unique, or stand in another table, is told by whether the constraint can be made. */
function readConstraint(context: Context, scope: Scope, node: Tree): void {
  const own = [...items(node, 'keys'), ...items(node, 'fk_attrs')];
  for (const name of own) useColumn(context, scope, stringNode(name), 'constraint');
  for (const exclusion of items(node, 'exclusions')) {
    for (const part of items(bodyOf(exclusion, 'List'), 'items'))
      useColumn(context, scope, text(bodyOf(part, 'IndexElem'), 'name'), 'constraint');
  }
  const rangeVar = child(node, 'pktable');
  const referenced = rangeVar && resolveRelation(context, text(rangeVar, 'schemaname'), text(rangeVar, 'relname') ?? '');
  if (referenced === undefined) return;
  const names = new Set(items(node, 'pk_attrs').map((name) => stringNode(name)));
  const columns = baseColumns(context, referenced);
  // Without a list the primary key is meant, which is one of the unique keys.
  context.useAll(
    names.size === 0
      ? columns.filter(({ origin }) => referenced.uniqueKeys.some((key) => key.includes(origin?.column.attnum ?? 0)))
      : columns.filter((column) => names.has(column.name)),
    'foreign key',
  );
}

/** Another type fails on values that do not fit; a partition is checked row by row against its bounds. */
function readAlteration(context: Context, scope: Scope, node: Tree): void {
  const subtype = text(node, 'subtype');
  if (subtype === 'AT_AlterColumnType') useColumn(context, scope, text(node, 'name'), 'change of type');
  if (subtype !== 'AT_AttachPartition') return;
  const rangeVar = child(bodyOf(node['def'], 'PartitionCmd'), 'name') ?? {};
  const attached = resolveRelation(context, text(rangeVar, 'schemaname'), text(rangeVar, 'relname') ?? '');
  if (attached !== undefined) context.useAll(baseColumns(context, attached), 'ATTACH PARTITION');
}

function useColumn(context: Context, scope: Scope, name: string | undefined, use: string): void {
  if (name === undefined) return;
  for (const part of scope.parts)
    context.useAll(
      part.columns.filter((column) => column.name === name),
      use,
    );
}

/** Passwords are never recorded: from the option's name to the end of the statement. */
function redactSecret(context: Context, node: Tree): void {
  const name = text(node, 'defname') ?? '';
  const location = node['location'];
  if (name.toLowerCase().includes('password') && typeof location === 'number') {
    context.literals.push({ startByte: Math.max(0, location), endByte: context.range.endByte });
  }
}
