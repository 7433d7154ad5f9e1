/** MERGE: each WHEN clause is an insert, update or delete of its own. */
import { bodyOf, child, items, tagOf, text, type Tree } from './ast.ts';
import type { Context } from './context.ts';
import { assign, columnNamed, missing, readReturning, writeTarget } from './dml.ts';
import { readExpression } from './expressions.ts';
import { readFrom } from './from-clause.ts';
import { relationPath, withDescendants } from './relations.ts';
import { emptyScope, type Scope, type Shape } from './scope.ts';
import { readWith } from './with-clause.ts';
import { writeRelation, writeValue } from './writes.ts';

const FIELDS: ReadonlySet<string> = new Set([
  'joinCondition',
  'mergeWhenClauses',
  'relation',
  'returningClause',
  'returningList',
  'sourceRelation',
  'withClause',
]);

export function readMerge(context: Context, node: Tree, outer: Scope): Shape {
  for (const key in node) if (!FIELDS.has(key)) context.unknown(`MERGE with ${key}`);
  const scope = emptyScope(outer, readWith(context, child(node, 'withClause'), outer));
  const target = writeTarget(context, child(node, 'relation') ?? {});
  // RETURNING * gives the source's columns before the target's.
  readFrom(context, scope, [node['sourceRelation']]);
  scope.parts.push(target.shape);
  scope.items.push(target.item);
  if (target.relation !== undefined) {
    const family = target.inherit ? withDescendants(context, target.relation) : [target.relation];
    for (const member of family) context.effect('merge', 'Table', relationPath(member));
  }
  readExpression(context, scope, node['joinCondition'], 'MERGE condition');
  for (const entry of items(node, 'mergeWhenClauses')) {
    const clause = bodyOf(entry, 'MergeWhenClause');
    if (tagOf(entry) !== 'MergeWhenClause') context.unknown('a MERGE clause');
    readExpression(context, scope, clause['condition'], 'MERGE condition');
    readAction(context, scope, target, clause);
  }
  return readReturning(context, scope, target, node);
}

function readAction(context: Context, scope: Scope, target: ReturnType<typeof writeTarget>, clause: Tree): void {
  const relation = target.relation;
  switch (text(clause, 'commandType')) {
    case 'CMD_UPDATE':
      assign(context, scope, target, items(clause, 'targetList'));
      return;
    case 'CMD_DELETE':
      if (relation !== undefined) writeRelation(context, relation, 'delete', [], target.inherit);
      return;
    case 'CMD_INSERT': {
      const listed = items(clause, 'targetList').map((one) => {
        const name = text(bodyOf(one, 'ResTarget'), 'name') ?? '';
        return columnNamed(target, name) ?? missing(context, name);
      });
      const columns = listed.length > 0 ? listed : target.shape.columns;
      for (const [i, value] of items(clause, 'values').entries()) writeValue(context, scope, columns[i], value, 'MERGE');
      if (relation !== undefined)
        writeRelation(
          context,
          relation,
          'insert',
          columns.map((column) => column?.name ?? ''),
          false,
        );
      return;
    }
    case 'CMD_NOTHING':
      return;
    case undefined:
    default:
      context.unknown('a MERGE action');
  }
}
