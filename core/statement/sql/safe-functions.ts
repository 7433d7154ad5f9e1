/** Which functions run nothing but PostgreSQL's own, harmless code. */
import type { Catalog, Oid } from './catalog.ts';
import { SAFE_FUNCTION_GROUPS } from './safe-function-oids.ts';

const NAMES: ReadonlyMap<Oid, string> = new Map(SAFE_FUNCTION_GROUPS.flatMap(entriesOf));

/** Languages of listed functions; the SQL ones (`lpad`, `overlaps`, `obj_description` …) were read. */
const LANGUAGES: ReadonlySet<string> = new Set(['internal', 'sql']);

/** Whether the function with this OID is on the list. OIDs from 16384 on never are. */
export function isSafeFunction(oid: Oid): boolean {
  return NAMES.has(oid);
}

/** The name that the list has for an OID. */
export function safeFunctionName(oid: Oid): string | undefined {
  return NAMES.get(oid);
}

/** OIDs and names of the whole list. */
export function safeFunctions(): ReadonlyMap<Oid, string> {
  return NAMES;
}

/**
 * The list as it holds on one target: a function counts only if the catalog has it in pg_catalog under the listed name
 * and in a language of PostgreSQL's own. A superuser can replace `pg_catalog.lower`, and keeps its OID.
 */
export function safeFunctionsOf(catalog: Catalog): (oid: Oid) => boolean {
  const safe = new Set<Oid>();
  for (const [oid, name] of NAMES) {
    const found = catalog.functions.get(oid);
    if (found?.schema === 'pg_catalog' && found.name === name && LANGUAGES.has(found.language)) safe.add(oid);
  }
  return (oid) => safe.has(oid);
}

/** Reads `name oid oid, name oid` of one group. */
export function entriesOf(group: string): (readonly [Oid, string])[] {
  return group.split(',').flatMap((entry) => {
    const [name, ...oids] = entry.trim().split(/\s+/u);
    return name === undefined || name === '' ? [] : oids.map((oid) => [Number(oid), name] as const);
  });
}
