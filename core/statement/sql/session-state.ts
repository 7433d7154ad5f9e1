/** What a session's names mean besides the catalog: read from the target after anything that may change it. */
import type { Relation } from './catalog.ts';

/** Whether unqualified names mean the same in both: code that runs by name does what it was judged to do. */
export function namesAlike(left: SessionState, right: SessionState): boolean {
  return left === right || left.version === right.version || namesOf(left) === namesOf(right);
}

function namesOf({ searchPath, sessionUser, currentUser, tempSchema, tempRelations, tempCode }: SessionState): string {
  const temporary = tempRelations.map(({ oid, definitionHash }) => [oid, definitionHash]);
  return JSON.stringify([searchPath, sessionUser, currentUser, tempSchema, temporary, tempCode]);
}

export type SessionState = {
  /** Schemas in lookup order as `current_schemas(true)` gives them: pg_temp_N and pg_catalog included. */
  readonly searchPath: readonly string[];
  readonly sessionUser: string;
  readonly currentUser: string;
  /** `pg_temp_3`, once the session has temporary objects. */
  readonly tempSchema?: string;
  /** This session's temporary relations, committed or not. */
  readonly tempRelations: readonly Relation[];
  /** Whether temporary functions, types or operators exist: then nothing in pg_temp is trusted. */
  readonly tempCode: boolean;
  /** Every setting that is not at its default, sorted by name: part of an approval's digest. */
  readonly settings: readonly (readonly [name: string, value: string])[];
  /** `name → statement text` of pg_prepared_statements: compared with our own map. */
  readonly prepared: readonly { readonly name: string; readonly text: string; readonly fromSql: boolean }[];
  /** SHA-256 (hex) over all of the above but `prepared`. */
  readonly version: string;
};
