/** Which functions outside pg_catalog run behind types, operators, operator classes and expressions, as pg_depend names them. */
import type { Oid, SqlFunction } from './catalog.ts';
import { CLASS, type Rows } from './catalog-query.ts';
import { integer } from './snapshot-rows.ts';

export type CodeSources = {
  readonly functions: ReadonlyMap<Oid, SqlFunction>;
  /** Operators' functions. */
  readonly operators: ReadonlyMap<Oid, Oid>;
  /** Functions of each operator class's family. */
  readonly opclasses: ReadonlyMap<Oid, readonly Oid[]>;
  /** Functions that a value of the type runs, through elements, base types and members. */
  readonly typeCode: (type: Oid) => readonly Oid[];
};

export type Dependency = {
  readonly refClass: number;
  readonly refOid: Oid;
  readonly refColumn: number;
  readonly column: number;
};

/** Dependencies by the object that has them. */
export class Dependencies {
  readonly #byObject = new Map<string, Dependency[]>();

  constructor(rows: Rows) {
    for (const row of rows) {
      const key = `${integer(row, 0)}.${integer(row, 1)}`;
      const dependency = { column: integer(row, 2), refClass: integer(row, 3), refOid: integer(row, 4), refColumn: integer(row, 5) };
      const group = this.#byObject.get(key);
      if (group === undefined) this.#byObject.set(key, [dependency]);
      else group.push(dependency);
    }
  }

  of(classOid: number, object: Oid): readonly Dependency[] {
    return this.#byObject.get(`${classOid}.${object}`) ?? [];
  }
}

/** A function that is not PostgreSQL's own; one that the snapshot does not hold is taken for code as well. */
export function isUserCode(functions: ReadonlyMap<Oid, SqlFunction>, oid: Oid): boolean {
  return oid !== 0 && functions.get(oid)?.schema !== 'pg_catalog';
}

/** Adds what the dependencies lead to. An operator or operator class that is not known stands for itself: code that nobody has read. */
export function addCode(into: Set<Oid>, dependencies: readonly Dependency[], sources: CodeSources): void {
  const add = (oid: Oid) => {
    if (isUserCode(sources.functions, oid)) into.add(oid);
  };
  for (const { refClass, refOid } of dependencies) {
    if (refClass === CLASS.procedure) add(refOid);
    else if (refClass === CLASS.operator) add(sources.operators.get(refOid) ?? refOid);
    else if (refClass === CLASS.opclass) for (const oid of sources.opclasses.get(refOid) ?? [refOid]) add(oid);
    else if (refClass === CLASS.type) for (const oid of sources.typeCode(refOid)) into.add(oid);
  }
}

/** In order, so that equal sets hash equally. */
export function sorted(oids: Iterable<Oid>): Oid[] {
  return [...oids].sort((a, b) => a - b);
}
