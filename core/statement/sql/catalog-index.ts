/** Maps over a catalog that reading needs and the snapshot does not carry; made once per snapshot. */
import type { Catalog, Oid, SqlType } from './catalog.ts';

/** FirstNormalObjectId (`access/transam.h`). */
const FIRST_USER_OID = 16_384;

export type CatalogIndex = {
  readonly typesByName: ReadonlyMap<string, readonly SqlType[]>;
  /**
   * Type → functions of casts outside pg_catalog that start or end there. A cast between a user's type and one of
   * PostgreSQL's own stands at the user's only: it cannot run where no value of that type is.
   */
  readonly castFunctions: ReadonlyMap<Oid, readonly Oid[]>;
  /** Whether any operator outside pg_catalog exists: most targets have none. */
  readonly hasUserOperators: boolean;
};

/** A memo, not state: an index is a function of its catalog, and goes with it. */
const memo = new WeakMap<Catalog, CatalogIndex>();

/** The index of a catalog; computed at the first call for each snapshot. */
export function indexOf(catalog: Catalog): CatalogIndex {
  const known = memo.get(catalog);
  if (known !== undefined) return known;
  const made = makeIndex(catalog);
  memo.set(catalog, made);
  return made;
}

function makeIndex(catalog: Catalog): CatalogIndex {
  const typesByName = new Map<string, SqlType[]>();
  for (const type of catalog.types.values()) {
    const same = typesByName.get(type.name);
    if (same === undefined) typesByName.set(type.name, [type]);
    else same.push(type);
  }
  const castFunctions = new Map<Oid, Oid[]>();
  for (const cast of catalog.userCasts) {
    if (cast.functionOid === undefined) continue;
    const ends = [cast.sourceType, cast.targetType];
    const ofUsers = ends.filter((type) => type >= FIRST_USER_OID);
    for (const type of ofUsers.length > 0 ? ofUsers : ends) {
      const same = castFunctions.get(type);
      if (same === undefined) castFunctions.set(type, [cast.functionOid]);
      else same.push(cast.functionOid);
    }
  }
  return { typesByName, castFunctions, hasUserOperators: catalog.userOperatorsByName.size > 0 };
}
