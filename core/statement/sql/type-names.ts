/** Types that a statement names or whose values it touches: their input, output and check functions are code that runs. */
import { items, nameParts, type Tree } from './ast.ts';
import type { Catalog, Oid, SqlType } from './catalog.ts';
import { indexOf } from './catalog-index.ts';
import type { Context } from './context.ts';
import { callFunctions } from './functions.ts';

/** Reports the code that values of a type run: its own, its base, element and column types', and casts to and from it. */
export function touchType(context: Context, oid: Oid): void {
  if (context.touchedTypes.has(oid)) return;
  context.touchedTypes.add(oid);
  const casts = context.index.castFunctions.get(oid);
  if (casts !== undefined) callFunctions(context, casts, 'a cast');
  const type = context.environment.catalog.types.get(oid);
  if (type === undefined) return;
  if (type.codeFunctions.length > 0) callFunctions(context, type.codeFunctions, `type ${type.schema}.${type.name}`);
  if (type.baseType !== undefined) touchType(context, type.baseType);
  if (type.elementType !== undefined) touchType(context, type.elementType);
  if (type.kind === 'composite' && type.relation !== undefined) {
    for (const column of context.relation(type.relation)?.columns ?? []) touchType(context, column.typeOid);
  }
}

/**
 * Whether values of a type run code that a statement naming it by number would not show: in a check, through a cast. Input
 * functions in C come with an extension's type and are given no SQL.
 */
export function valuesRunCode(catalog: Catalog, oid: Oid): boolean {
  const type = catalog.types.get(oid);
  // Zero leaves it to the server to infer a type, from what was judged.
  if (type === undefined) return oid !== 0;
  const isOfExtension = (func: Oid) =>
    catalog.functions.get(func)?.language === 'c' || catalog.functions.get(func)?.language === 'internal';
  if (!type.codeFunctions.every(isOfExtension)) return true;
  const { castFunctions } = indexOf(catalog);
  for (const part of [type.oid, type.baseType, type.elementType]) {
    if (part !== undefined && castFunctions.get(part)?.every(isOfExtension) === false) return true;
  }
  return false;
}

/** Candidates of a type name over the search path; every one of them, since the first one wins only where it exists. */
export function resolveType(context: Context, names: readonly string[]): readonly SqlType[] {
  const name = names[names.length - 1] ?? '';
  const schema = names.length > 1 ? names[names.length - 2] : undefined;
  const all = context.index.typesByName.get(name) ?? [];
  if (schema !== undefined) return all.filter((type) => type.schema === schema);
  return all.filter((type) => type.schema === 'pg_catalog' || context.path.includes(type.schema));
}

/** Reads a `TypeName` node. */
export function readTypeName(context: Context, node: Tree): void {
  const names = nameParts(items(node, 'names'));
  if (names === undefined || names.length === 0) {
    context.unknown('a type name');
    return;
  }
  if (node['pct_type'] === true) {
    context.unknown(`type of ${names.join('.')}`);
    return;
  }
  const { tempCode, tempSchema } = context.environment.state;
  const qualifier = names.length > 1 ? names[names.length - 2] : undefined;
  const maybeTemporary = tempCode && (qualifier === undefined || qualifier === 'pg_temp' || qualifier === tempSchema);
  const candidates = resolveType(context, names);
  if (maybeTemporary || candidates.length === 0) {
    context.unknown(`type ${names.join('.')}`);
    return;
  }
  for (const type of candidates) touchType(context, type.oid);
}
