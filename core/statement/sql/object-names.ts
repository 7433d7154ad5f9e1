/** From the objects that DDL names to resources. */
import type { Resource } from '../effect.ts';
import { as, bodyOf, child, isTree, items, nameParts, stringNode, tagOf, text, type Tree } from './ast.ts';
import type { Context } from './context.ts';
import { hasSensitive, relationPath, resolveRelation } from './relations.ts';
import { createdPath, creationSchema } from './stored-queries.ts';

export const TARGET: Resource = { type: 'Target', path: [] };

/** The relation that a `RangeVar` names: as it resolves, else as it would be created. */
export function relationResource(context: Context, rangeVar: Tree | undefined): Resource {
  if (rangeVar === undefined) return TARGET;
  const relation = resolveRelation(context, text(rangeVar, 'schemaname'), text(rangeVar, 'relname') ?? '');
  return { type: 'Table', path: relation === undefined ? createdPath(context, rangeVar) : relationPath(relation) };
}

/** A relation that is to be created never is the one its name resolves to elsewhere on the path. */
export function createdResource(context: Context, rangeVar: Tree | undefined): Resource {
  return rangeVar === undefined ? TARGET : { type: 'Table', path: createdPath(context, rangeVar) };
}

export function schemaResource(name: string | undefined): Resource {
  return name === undefined ? TARGET : { type: 'Schema', path: [name] };
}

/** Functions by name: all on the path that have it, else where it would be created. */
export function functionResources(context: Context, parts: readonly unknown[], creating: boolean): readonly Resource[] {
  const names = nameParts(parts) ?? [];
  const name = names.at(-1) ?? '';
  if (names.length > 1) return [{ type: 'Function', path: [names.at(-2) ?? '', name] }];
  const schemas = new Set<string>();
  if (!creating) {
    for (const func of context.environment.catalog.functionsByName.get(name) ?? []) {
      if (func.schema === 'pg_catalog' || context.path.includes(func.schema)) schemas.add(func.schema);
    }
  }
  if (schemas.size === 0) schemas.add(creationSchema(context));
  return [...schemas].map((schema) => ({ type: 'Function', path: [schema, name] }));
}

const RELATIONS: ReadonlySet<string> = new Set([
  'OBJECT_TABLE',
  'OBJECT_VIEW',
  'OBJECT_MATVIEW',
  'OBJECT_SEQUENCE',
  'OBJECT_INDEX',
  'OBJECT_FOREIGN_TABLE',
]);
/** Objects that are part of a relation: the relation's name comes first, theirs last. */
const PARTS: ReadonlySet<string> = new Set(['OBJECT_COLUMN', 'OBJECT_TRIGGER', 'OBJECT_RULE', 'OBJECT_POLICY', 'OBJECT_TABCONSTRAINT']);
const FUNCTIONS: ReadonlySet<string> = new Set(['OBJECT_FUNCTION', 'OBJECT_PROCEDURE', 'OBJECT_AGGREGATE', 'OBJECT_ROUTINE']);

/** One object of DROP, COMMENT, ALTER … OWNER and the like; masked relations are reported on the way. */
export function objectResources(context: Context, type: string, object: unknown): readonly Resource[] {
  if (FUNCTIONS.has(type)) return functionResources(context, items(bodyOf(object, 'ObjectWithArgs'), 'objname'), false);
  if (type === 'OBJECT_SCHEMA') return [schemaResource(stringNode(object))];
  const parts = nameParts(items(bodyOf(object, 'List'), 'items'));
  if (parts === undefined || parts.length === 0) return [TARGET];
  if (RELATIONS.has(type)) return [namedRelation(context, parts)];
  if (PARTS.has(type)) return [namedRelation(context, parts.slice(0, -1))];
  return [TARGET];
}

function namedRelation(context: Context, parts: readonly string[]): Resource {
  const name = parts.at(-1) ?? '';
  const schema = parts.at(-2);
  const relation = resolveRelation(context, schema, name);
  if (relation === undefined) return { type: 'Table', path: [schema ?? creationSchema(context), name] };
  context.reach(relation.oid, relation.definitionHash);
  if (hasSensitive(context, relation)) context.effect('alterMasked', 'Table', relationPath(relation));
  return { type: 'Table', path: relationPath(relation) };
}

/** Objects of GRANT and REVOKE. */
export function grantResources(context: Context, node: Tree): readonly Resource[] {
  const type = text(node, 'objtype') ?? '';
  const inSchema = text(node, 'targtype') === 'ACL_TARGET_ALL_IN_SCHEMA' || type === 'OBJECT_SCHEMA';
  const found = items(node, 'objects').flatMap((object): readonly Resource[] => {
    const rangeVar = as(object, 'RangeVar');
    if (rangeVar !== undefined) return [relationResource(context, rangeVar)];
    if (inSchema) return [schemaResource(stringNode(object))];
    return objectResources(context, type, object);
  });
  return found.length === 0 ? [TARGET] : found;
}

/** RENAME, SET SCHEMA, OWNER: the relation if there is one, else the object. */
export function alteredResources(context: Context, node: Tree): readonly Resource[] {
  const rangeVar = child(node, 'relation');
  if (rangeVar !== undefined) return [relationResource(context, rangeVar)];
  const type = text(node, 'renameType') ?? text(node, 'objectType') ?? text(node, 'objtype') ?? '';
  if (type === 'OBJECT_SCHEMA' && text(node, 'subname') !== undefined) return [schemaResource(text(node, 'subname'))];
  const object = node['object'];
  return isTree(object) && tagOf(object) !== undefined ? objectResources(context, type, object) : [TARGET];
}
