/** Queries whose result is kept: SELECT INTO, CREATE TABLE AS, CREATE [MATERIALIZED] VIEW. Sensitive values may not be kept. */
import { as, bodyOf, child, isTree, tagOf, text, type Tree } from './ast.ts';
import type { Context } from './context.ts';
import { dirtyAll } from './session-effects.ts';
import { emptyScope, type Shape } from './scope.ts';
import { relationLabel, resolveRelation } from './relations.ts';

/** [schema, name] of a relation that is about to be created. */
export function createdPath(context: Context, rangeVar: Tree): readonly string[] {
  const name = text(rangeVar, 'relname') ?? '';
  const { tempSchema } = context.environment.state;
  if (text(rangeVar, 'relpersistence') === 't') return [tempSchema ?? 'pg_temp', name];
  return [text(rangeVar, 'schemaname') ?? creationSchema(context), name];
}

/** Where unqualified names are created: the first schema of the path that is not implicit. */
export function creationSchema(context: Context): string {
  const { tempSchema } = context.environment.state;
  return context.path.find((schema) => schema !== 'pg_catalog' && schema !== tempSchema) ?? 'public';
}

export function readSelectInto(context: Context, into: Tree, shape: Shape): void {
  context.effect('create', 'Table', createdPath(context, child(into, 'rel') ?? {}));
  context.useAll(shape.columns, 'stored in a table');
  dirtyAll(context);
}

export function readCreateTableAs(context: Context, node: Tree): Shape | undefined {
  const into = child(node, 'into') ?? {};
  const query = node['query'];
  const execute = as(query, 'ExecuteStmt');
  if (execute !== undefined) {
    // Its rows are another statement's: no one here knows what they carry.
    context.unknown('CREATE TABLE AS EXECUTE');
    context.control.execute = { name: text(execute, 'name') ?? '' };
    context.effect('create', 'Table', createdPath(context, child(into, 'rel') ?? {}));
    dirtyAll(context);
    return undefined;
  }
  const shape = isTree(query) ? context.walkers.query(context, query, emptyScope()) : undefined;
  if (shape !== undefined) readSelectInto(context, into, shape);
  return undefined;
}

export function readCreateView(context: Context, node: Tree): Shape | undefined {
  const view = child(node, 'view') ?? {};
  const shape = context.walkers.query(context, node['query'], emptyScope());
  context.useAll(shape.columns, 'stored in a view');
  context.effect('create', 'Table', createdPath(context, view));
  if (node['replace'] === true) {
    const path = createdPath(context, view);
    const old = resolveRelation(context, path[0], path[1] ?? '');
    if (old !== undefined) context.effect('alter', 'Table', [old.schema, old.name]);
    if (old !== undefined) context.reach(old.oid, old.definitionHash);
  }
  dirtyAll(context);
  return undefined;
}

/** DECLARE: the cursor's rows are those of its query, masked when they are fetched. */
export function readDeclareCursor(context: Context, node: Tree): Shape | undefined {
  const query = node['query'];
  const hold = (Number(node['options'] ?? 0) & CURSOR_OPT_HOLD) !== 0;
  context.control.declareCursor = { name: text(node, 'portalname') ?? '', hold };
  if (tagOf(query) === 'SelectStmt' && child(bodyOf(query, 'SelectStmt'), 'intoClause') !== undefined) context.unknown('DECLARE with INTO');
  return context.walkers.query(context, query, emptyScope());
}

/** parsenodes.h */
const CURSOR_OPT_HOLD = 0x20;

/** REFRESH runs the definition again. */
export function readRefresh(context: Context, node: Tree): Shape | undefined {
  context.writing = true;
  const rangeVar = child(node, 'relation') ?? {};
  const relation = resolveRelation(context, text(rangeVar, 'schemaname'), text(rangeVar, 'relname') ?? '');
  if (relation === undefined) {
    context.unknown(`relation ${text(rangeVar, 'relname') ?? ''}`);
    return undefined;
  }
  context.reach(relation.oid, relation.definitionHash);
  context.effect('maintain', 'Table', [relation.schema, relation.name]);
  context.through(`materialized view ${relationLabel(relation)}`, () => context.walkers.view(context, { ...relation, kind: 'view' }));
  return undefined;
}
