/** View definitions, read as PostgreSQL expands them: names were fixed when the view was made. */
import type { Relation } from './catalog.ts';
import { Context, type Environment, type Walkers } from './context.ts';
import type { Parsed } from './parse.ts';
import { OPEN_SHAPE, type Shape } from './scope.ts';

/** A memo, not state: a definition's tree is a function of the relation in its snapshot, and goes with it. */
const trees = new WeakMap<Relation, Parsed>();

function parseDefinition(environment: Environment, relation: Relation): Parsed | undefined {
  if (relation.viewDefinition === undefined) return undefined;
  const known = trees.get(relation);
  if (known !== undefined) return known;
  const parsed = environment.parser.parse(relation.viewDefinition);
  trees.set(relation, parsed);
  return parsed;
}

/** Reads a view's definition once per statement: its effects, and what its columns carry. */
export function readView(context: Context, relation: Relation): Shape {
  const known = context.views.get(relation.oid);
  if (known !== undefined) return known;
  context.views.set(relation.oid, OPEN_SHAPE);
  // The rows of a materialized view were stored before: only what they carry matters now.
  const reader = relation.kind === 'materialized' ? detached(context.environment, context.walkers) : context;
  const shape = readDefinition(reader, relation);
  context.views.set(relation.oid, shape);
  return shape;
}

function detached(environment: Environment, walkers: Walkers): Context {
  return new Context(environment, walkers);
}

function readDefinition(context: Context, relation: Relation): Shape {
  const parsed = parseDefinition(context.environment, relation);
  const statement = parsed?.kind === 'parsed' && parsed.statements.length === 1 ? parsed.statements[0] : undefined;
  if (statement === undefined) {
    context.unknown(`the definition of ${relation.schema}.${relation.name}`);
    return OPEN_SHAPE;
  }
  const { path, tempVisible, inBody } = context;
  // A temporary view is printed by its own session, which leaves out every schema that its search path finds.
  context.path = relation.temporary ? context.environment.state.searchPath : ['pg_catalog'];
  context.tempVisible = relation.temporary;
  context.inBody = false;
  try {
    return context.through(`view ${relation.schema}.${relation.name}`, () =>
      context.walkers.query(context, statement.node, undefined, { usesByColumn: true }),
    );
  } finally {
    context.path = path;
    context.tempVisible = tempVisible;
    context.inBody = inBody;
  }
}
