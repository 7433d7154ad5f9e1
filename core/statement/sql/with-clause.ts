/** WITH: each common table expression is read once, at its first reference or at the end, whichever is first. */
import { as, bodyOf, child, flag, isTree, items, stringNode, text, type Tree } from './ast.ts';
import type { Context } from './context.ts';
import { emptyScope, type CteEntry, type CteScope, OPEN_SHAPE, type Scope, type ScopeColumn, type Shape } from './scope.ts';

/** Reads a WITH list; the scope in which its names are known. */
export function readWith(context: Context, clause: Tree | undefined, outer: Scope | undefined): CteScope | undefined {
  if (clause === undefined) return outer?.ctes;
  const recursive = flag(clause, 'recursive');
  const all: CteScope = { entries: new Map(), parent: outer?.ctes };
  let visible: CteScope = all;
  for (const item of items(clause, 'ctes')) {
    const node = bodyOf(item, 'CommonTableExpr');
    const name = text(node, 'ctename') ?? '';
    // Without RECURSIVE an entry sees only those before it, and its own name means a relation.
    const inside = recursive ? all : visible;
    const entry = makeEntry(context, node, emptyScope(outer, inside), recursive);
    if (recursive) {
      all.entries.set(name, entry);
    } else {
      entry.shape();
      visible = { entries: new Map([[name, entry]]), parent: visible };
    }
  }
  if (recursive) for (const entry of all.entries.values()) entry.shape();
  return visible;
}

function makeEntry(context: Context, node: Tree, scope: Scope, recursive: boolean): CteEntry {
  let shape: Shape | undefined;
  let reading = false;
  let refersToItself = false;
  let provisional: Shape | undefined;
  return {
    shape() {
      if (shape !== undefined) return shape;
      if (reading) {
        refersToItself = true;
        // In its own definition: the columns are those of the first term, read without knowing them.
        return provisional ?? OPEN_SHAPE;
      }
      reading = true;
      if (recursive) provisional = firstTerm(context, node, scope);
      const read = named(context, node, readBody(context, node['ctequery'], scope));
      if (refersToItself) {
        context.useAll(read.columns, 'recursive WITH');
        context.useAll(provisional?.columns ?? [], 'recursive WITH');
      }
      shape = withSearch(context, node, read);
      return shape;
    },
  };
}

/** The non-recursive term of `a UNION [ALL] b`. */
function firstTerm(context: Context, node: Tree, scope: Scope): Shape | undefined {
  const select = as(node['ctequery'], 'SelectStmt');
  const left = select === undefined ? undefined : child(select, 'larg');
  if (select === undefined || left === undefined) return undefined;
  // WITH of the whole is known in its first term.
  const first =
    select['withClause'] === undefined || left['withClause'] !== undefined ? left : { ...left, withClause: select['withClause'] };
  return named(context, node, context.walkers.query(context, { SelectStmt: first }, scope));
}

function readBody(context: Context, query: unknown, scope: Scope): Shape {
  if (as(query, 'SelectStmt') !== undefined) return context.walkers.query(context, query, scope);
  if (isTree(query)) return context.walkers.nested(context, query, scope);
  return OPEN_SHAPE;
}

function named(context: Context, node: Tree, shape: Shape): Shape {
  const names = items(node, 'aliascolnames');
  if (names.length > shape.columns.length && !shape.open) context.unknown('a WITH entry of another width');
  return { ...shape, columns: shape.columns.map((column, i) => ({ ...column, name: stringNode(names[i]) ?? column.name })) };
}

/** SEARCH and CYCLE add columns that hold rows of the listed ones. */
function withSearch(context: Context, node: Tree, shape: Shape): Shape {
  const search = child(node, 'search_clause');
  const cycle = child(node, 'cycle_clause');
  if (search === undefined && cycle === undefined) return shape;
  context.useAll(shape.columns, 'SEARCH or CYCLE');
  const added: ScopeColumn[] = [];
  for (const name of [
    search && text(search, 'search_seq_column'),
    cycle && text(cycle, 'cycle_mark_column'),
    cycle && text(cycle, 'cycle_path_column'),
  ]) {
    if (name !== undefined) added.push({ name, carries: [], reads: [] });
  }
  return { ...shape, columns: [...shape.columns, ...added] };
}
