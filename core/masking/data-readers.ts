/** Which views and materialized views may read given relations, taken from the names in their definitions. */
import type { Catalog, Oid, Relation } from '../statement/sql/catalog.ts';

/**
 * Views and materialized views whose definition names one of `relations`, a view that reads one, or a function outside
 * pg_catalog whose body does or cannot be read. A name that occurs anywhere counts, also as an alias or a column: too many
 * are found, never too few. Definitions are `pg_get_viewdef`'s, which spells each name out as an identifier.
 */
export function readersOf(catalog: Catalog, relations: ReadonlySet<Oid>): readonly Relation[] {
  if (relations.size === 0) return [];
  const names = new Set<string>();
  for (const oid of relations) names.add(catalog.relations.get(oid)?.name ?? '');
  const views = [...catalog.relations.values()].filter((relation) => relation.kind === 'view' || relation.kind === 'materialized');
  const identifiers = new Map(views.map((view) => [view, identifiersOf(view.viewDefinition)]));
  const functions = [...catalog.functions.values()].filter((candidate) => !isSystem(candidate.schema));
  const bodies = new Map(
    functions.map((candidate) => [candidate, candidate.body === undefined ? undefined : identifiersOf(candidate.body)]),
  );
  const functionNames = new Set<string>();
  const readers = new Set<Relation>();
  for (let grown = true; grown;) {
    grown = false;
    const reads = (used: ReadonlySet<string> | undefined) =>
      used === undefined || intersects(used, names) || intersects(used, functionNames);
    for (const candidate of functions) {
      if (functionNames.has(candidate.name) || !reads(bodies.get(candidate))) continue;
      functionNames.add(candidate.name);
      grown = true;
    }
    for (const view of views) {
      if (readers.has(view) || isSystem(view.schema) || !reads(identifiers.get(view))) continue;
      readers.add(view);
      names.add(view.name);
      grown = true;
    }
  }
  return [...readers];
}

function isSystem(schema: string): boolean {
  return schema === 'pg_catalog' || schema === 'information_schema';
}

/** Every word and quoted identifier; undefined for an unknown text. Unquoted words count as written and in lower case. */
function identifiersOf(text: string | undefined): ReadonlySet<string> | undefined {
  if (text === undefined) return undefined;
  const found = new Set<string>();
  for (const [word, quoted] of text.matchAll(/"((?:[^"]|"")*)"|[\p{L}_][\p{L}\p{N}_$]*/gu)) {
    if (quoted !== undefined) found.add(quoted.replaceAll('""', '"'));
    else found.add(word).add(word.toLowerCase());
  }
  return found;
}

function intersects(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  for (const item of b) if (a.has(item)) return true;
  return false;
}
