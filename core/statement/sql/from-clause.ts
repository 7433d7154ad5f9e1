/** FROM: each element becomes names that columns can be found under. */
import { as, bodyOf, child, flag, isTree, items, nameParts, stringNode, tagOf, text, type Tree } from './ast.ts';
import type { Context } from './context.ts';
import { readCall, readExpression } from './expressions.ts';
import { callName, callOperator, candidates } from './functions.ts';
import { inherits, readRelation, relationItem, relationOf } from './relations.ts';
import { baseColumns } from './relations.ts';
import { emptyScope, type FromPart, findCte, mergeCarried, OPEN_SHAPE, type Scope, type ScopeColumn, type Shape } from './scope.ts';
import { touchType } from './type-names.ts';

/** Reads a FROM list into the scope, from left to right: what is lateral sees what stands before it. */
export function readFrom(context: Context, scope: Scope, list: readonly unknown[]): void {
  for (const element of list) scope.parts.push(readElement(context, scope, element));
}

function readElement(context: Context, scope: Scope, element: unknown): FromPart {
  context.enter();
  try {
    const tag = tagOf(element) ?? '';
    const node = bodyOf(element, tag);
    switch (tag) {
      case 'RangeVar':
        return readRangeVar(context, scope, node);
      case 'RangeSubselect': {
        const outer = flag(node, 'lateral') ? scope : emptyScope(scope.parent, scope.ctes);
        return addAliased(scope, context.walkers.query(context, node['subquery'], outer), child(node, 'alias'));
      }
      case 'JoinExpr':
        return readJoin(context, scope, node);
      case 'RangeFunction':
        return readRangeFunction(context, scope, node);
      case 'RangeTableSample': {
        const method = nameParts(items(node, 'method')) ?? [];
        const name = method[method.length - 1] ?? '';
        if (name !== 'system' && name !== 'bernoulli') context.unknown(`sampling method ${name}`);
        readExpression(context, scope, node['args'], 'TABLESAMPLE');
        readExpression(context, scope, node['repeatable'], 'TABLESAMPLE');
        return { ...readElement(context, scope, node['relation']), unfiltered: true };
      }
      case 'RangeTableFunc':
      case 'JsonTable':
        return readTableFunction(context, scope, node);
      default:
        context.unknown(`the FROM element ${tag}`);
        readExpression(context, scope, element, 'FROM');
        return OPEN_SHAPE;
    }
  } finally {
    context.leave();
  }
}

function readRangeVar(context: Context, scope: Scope, node: Tree): FromPart {
  const name = text(node, 'relname') ?? '';
  if (text(node, 'schemaname') === undefined) {
    const cte = findCte(scope.ctes, name);
    if (cte !== undefined) return addAliased(scope, cte.shape(), child(node, 'alias'), name);
  }
  const relation = relationOf(context, node);
  const shape = relation === undefined ? OPEN_SHAPE : readRelation(context, relation, inherits(node));
  const renamed = rename(shape, child(node, 'alias'));
  scope.items.push(relationItem(relation, node, renamed));
  return renamed;
}

/** Column aliases rename from the left. */
function rename(shape: Shape, alias: Tree | undefined): Shape {
  const names = alias === undefined ? [] : items(alias, 'colnames');
  if (names.length === 0) return shape;
  const columns = shape.columns.map((column, i) => {
    const name = stringNode(names[i]);
    return name === undefined ? column : { ...column, name };
  });
  return { ...shape, columns };
}

function addAliased(scope: Scope, shape: Shape, alias: Tree | undefined, name?: string): FromPart {
  const renamed = rename(shape, alias);
  const qualifier = (alias === undefined ? undefined : text(alias, 'aliasname')) ?? name;
  if (qualifier !== undefined) scope.items.push({ alias: qualifier, columns: renamed.columns, open: renamed.open, system: false });
  return renamed;
}

function readJoin(context: Context, scope: Scope, node: Tree): FromPart {
  const before = scope.items.length;
  const left = readElement(context, scope, node['larg']);
  scope.parts.push(left);
  const right = readElement(context, scope, node['rarg']);
  scope.parts.pop();
  const own: Scope = { parts: [left, right], items: scope.items.slice(before), parent: scope.parent, ctes: scope.ctes };
  readExpression(context, own, node['quals'], 'join condition');
  const shared = sharedNames(context, node, left, right);
  const columns = joinedColumns(context, left, right, shared, text(node, 'jointype') ?? '');
  const shape: Shape = {
    columns,
    open: left.open || right.open,
    rows: Math.min(left.rows, right.rows) < 0 ? -1 : Math.max(left.rows, right.rows),
    unfiltered: left.unfiltered || right.unfiltered,
  };
  const usingAlias = child(node, 'join_using_alias');
  if (usingAlias !== undefined) {
    const merged = columns.slice(0, shared.length);
    scope.items.push({ alias: text(usingAlias, 'aliasname') ?? '', columns: merged, open: false, system: false });
  }
  const alias = child(node, 'alias');
  if (alias === undefined) return shape;
  // An alias on a join hides the names inside it.
  const hidden = scope.items.splice(before);
  const kept = usingAlias === undefined ? [] : hidden.slice(-1);
  scope.items.push(...kept);
  return addAliased(scope, shape, alias);
}

function sharedNames(context: Context, node: Tree, left: FromPart, right: FromPart): readonly string[] {
  if (!flag(node, 'isNatural')) return (nameParts(items(node, 'usingClause')) ?? []).slice();
  if (left.open || right.open) context.unknown('a NATURAL JOIN over columns that are not known');
  const rightNames = new Set(right.columns.map((column) => column.name));
  return left.columns.map((column) => column.name).filter((name, i, all) => rightNames.has(name) && all.indexOf(name) === i);
}

/** USING columns come first, once; then what is left of both sides. */
function joinedColumns(context: Context, left: FromPart, right: FromPart, shared: readonly string[], kind: string): readonly ScopeColumn[] {
  if (shared.length === 0) return [...left.columns, ...right.columns];
  callOperator(context, ['=']);
  const merged: ScopeColumn[] = [];
  for (const name of shared) {
    const sides = [...left.columns, ...right.columns].filter((column) => column.name === name);
    context.useAll(sides, 'NATURAL JOIN or USING');
    const carries = sides.reduce<ScopeColumn['carries']>((sum, column) => mergeCarried(sum, column.carries), []);
    const reads = sides.flatMap((column) => column.reads);
    for (const read of reads) touchType(context, read.column.typeOid);
    for (const read of reads) context.effect('select', 'Column', [read.relation.schema, read.relation.name, read.column.name], read.via);
    const shown = kind === 'JOIN_RIGHT' ? sides[sides.length - 1] : sides[0];
    const origin = kind === 'JOIN_FULL' ? undefined : shown?.origin;
    merged.push(origin === undefined ? { name, carries, reads } : { name, carries, reads, origin });
  }
  const others = [...left.columns, ...right.columns].filter((column) => !shared.includes(column.name));
  return [...merged, ...others];
}

function readRangeFunction(context: Context, scope: Scope, node: Tree): FromPart {
  const columns: ScopeColumn[] = [];
  const alias = child(node, 'alias');
  const aliasName = alias === undefined ? undefined : text(alias, 'aliasname');
  const single = items(node, 'functions').length === 1;
  let open = false;
  let firstName: string | undefined;
  for (const entry of items(node, 'functions')) {
    const pair = items(bodyOf(entry, 'List'), 'items');
    const call = as(pair[0], 'FuncCall');
    const carries = call === undefined ? [] : readCall(context, scope, call);
    if (call === undefined) readExpression(context, scope, pair[0], 'function in FROM');
    const definitions = isTree(pair[1]) ? items(bodyOf(pair[1], 'List'), 'items') : [];
    const listed = definitions.length > 0 ? definitions : items(node, 'coldeflist');
    const name = call === undefined ? undefined : callName(call).at(-1);
    firstName ??= name;
    if (listed.length > 0) columns.push(...definedColumns(context, listed).map((column) => ({ ...column, carries })));
    else {
      const known = call === undefined ? undefined : resultColumns(context, call, (single ? aliasName : undefined) ?? name ?? '');
      if (known === undefined) open = true;
      else columns.push(...known.map((column) => ({ ...column, carries })));
    }
  }
  for (const key in node) if (!RANGE_FUNCTION_FIELDS.has(key)) context.unknown(`FROM function ${key}`);
  if (flag(node, 'ordinality')) columns.push({ name: 'ordinality', carries: [], reads: [] });
  return addAliased(scope, { columns, open, rows: -1, unfiltered: false }, alias, aliasName ?? firstName);
}

const RANGE_FUNCTION_FIELDS: ReadonlySet<string> = new Set([
  'lateral',
  'ordinality',
  'is_rowsfrom',
  'functions',
  'alias',
  'coldeflist',
  'location',
]);

function definedColumns(context: Context, definitions: readonly unknown[]): readonly ScopeColumn[] {
  return definitions.map((definition) => {
    const node = bodyOf(definition, 'ColumnDef');
    readExpression(context, undefined, node['typeName'], 'column definition');
    return { name: text(node, 'colname') ?? '', carries: [], reads: [] };
  });
}

/** Result columns of a function, where every function it can be agrees that there is one, or a known composite type. */
function resultColumns(context: Context, call: Tree, name: string): readonly ScopeColumn[] | undefined {
  const found = candidates(context, callName(call), items(call, 'args').length);
  if (found.length === 0) return undefined;
  const types = found.map((func) => context.environment.catalog.types.get(func.returnType));
  if (types.every((type) => type !== undefined && type.kind !== 'composite' && type.kind !== 'pseudo')) {
    return [{ name, carries: [], reads: [] }];
  }
  const [type] = types;
  if (found.length !== 1 || type?.kind !== 'composite' || type.relation === undefined) return undefined;
  const relation = context.relation(type.relation);
  // A function's values are its own: what it reads is judged in its body, where sensitive output is a use.
  return relation && baseColumns(context, relation).map((column) => ({ name: column.name, carries: [], reads: [] }));
}

/** XMLTABLE and JSON_TABLE: the columns are named in the text. */
function readTableFunction(context: Context, scope: Scope, node: Tree): FromPart {
  for (const key in node) if (key !== 'alias') readExpression(context, scope, node[key], 'argument of a table function');
  const columns: ScopeColumn[] = [];
  collectColumns(items(node, 'columns'), columns);
  return addAliased(scope, { columns, open: false, rows: -1, unfiltered: false }, child(node, 'alias'));
}

function collectColumns(list: readonly unknown[], columns: ScopeColumn[]): void {
  for (const entry of list) {
    const tag = tagOf(entry) ?? '';
    const node = bodyOf(entry, tag);
    const name = text(node, tag === 'RangeTableFuncCol' ? 'colname' : 'name');
    if (text(node, 'coltype') === 'JTC_NESTED') collectColumns(items(node, 'columns'), columns);
    else if (name !== undefined) columns.push({ name, carries: [], reads: [] });
  }
}
