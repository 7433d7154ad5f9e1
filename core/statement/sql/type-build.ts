/** Rows of pg_type and what belongs to types → types, with the code behind each. */
import type { Oid, SqlFunction, SqlType } from './catalog.ts';
import { CLASS, type SnapshotRows } from './catalog-query.ts';
import { addCode, type Dependencies, isUserCode, sorted, type CodeSources } from './code-reach.ts';
import { byOid, flag, integer, integers, SnapshotMalformed, text, type Row } from './snapshot-rows.ts';

const KINDS: { readonly [typtype: string]: SqlType['kind'] } = {
  b: 'base',
  c: 'composite',
  d: 'domain',
  e: 'enum',
  p: 'pseudo',
  r: 'range',
  m: 'multirange',
};

type RawType = { readonly row: Row; readonly direct: ReadonlySet<Oid>; readonly parts: readonly Oid[]; readonly checked: boolean };

export type BuiltTypes = {
  readonly types: ReadonlyMap<Oid, SqlType>;
  readonly typeCode: (type: Oid) => readonly Oid[];
  /** Whether a domain with a CHECK stands somewhere in the type. */
  readonly isChecked: (type: Oid) => boolean;
};

/**
 * A type's code is what its input, output, checks, comparison and range functions run, and those of its elements, base
 * type and members: a value of `a[]` runs what a value of `a` runs.
 */
export function buildTypes(
  rows: SnapshotRows,
  functions: ReadonlyMap<Oid, SqlFunction>,
  operators: ReadonlyMap<Oid, Oid>,
  opclasses: ReadonlyMap<Oid, readonly Oid[]>,
  dependencies: Dependencies,
): BuiltTypes {
  const raw = rawTypes(rows, functions, operators, opclasses, dependencies);
  const codeCache = new Map<Oid, readonly Oid[]>();
  const typeCode = (type: Oid): readonly Oid[] => {
    const known = codeCache.get(type);
    if (known !== undefined) return known;
    const code = new Set<Oid>();
    for (const part of reach(type, raw)) for (const oid of raw.get(part)?.direct ?? []) code.add(oid);
    const list = sorted(code);
    codeCache.set(type, list);
    return list;
  };
  const checkedCache = new Map<Oid, boolean>();
  const isChecked = (type: Oid): boolean => {
    const known = checkedCache.get(type) ?? [...reach(type, raw)].some((part) => raw.get(part)?.checked === true);
    checkedCache.set(type, known);
    return known;
  };
  const types = new Map<Oid, SqlType>();
  for (const [oid, { row }] of raw) types.set(oid, buildType(row, typeCode(oid)));
  return { types, typeCode, isChecked };
}

function buildType(row: Row, codeFunctions: readonly Oid[]): SqlType {
  const oid = integer(row, 0);
  const kind = KINDS[text(row, 3)];
  if (kind === undefined) throw new SnapshotMalformed(`type ${oid} is of an unknown kind`);
  const baseType = integer(row, 4);
  const relation = integer(row, 7);
  return {
    oid,
    schema: text(row, 2),
    name: text(row, 1),
    kind,
    ...(baseType === 0 ? {} : { baseType }),
    ...(flag(row, 6) ? { elementType: integer(row, 5) } : {}),
    ...(relation === 0 ? {} : { relation }),
    codeFunctions,
  };
}

function rawTypes(
  rows: SnapshotRows,
  functions: ReadonlyMap<Oid, SqlFunction>,
  operators: ReadonlyMap<Oid, Oid>,
  opclasses: ReadonlyMap<Oid, readonly Oid[]>,
  dependencies: Dependencies,
): ReadonlyMap<Oid, RawType> {
  // Types inside expressions are followed as parts, so that two types may lead to each other.
  const sources: CodeSources = { functions, operators, opclasses, typeCode: () => [] };
  const members = byOid(rows.columns, 0);
  const constraints = byOid(rows.constraints, 2);
  const ranges = new Map([...byOid(rows.ranges, 0), ...byOid(rows.ranges, 1)]);
  const classes = byOid(rows.opclasses, 1);
  const raw = new Map<Oid, RawType>();
  for (const row of rows.types) {
    const oid = integer(row, 0);
    const relation = integer(row, 7);
    const range = ranges.get(oid)?.[0];
    const checks = constraints.get(oid) ?? [];
    const behind = [
      ...dependencies.of(CLASS.type, oid),
      ...checks.flatMap((check) => dependencies.of(CLASS.constraint, integer(check, 0))),
    ];
    const direct = new Set<Oid>();
    addCode(direct, behind, sources);
    const own = [
      ...integers(row, 8),
      ...(range === undefined ? [] : [integer(range, 3), integer(range, 4), ...(opclasses.get(integer(range, 5)) ?? [])]),
      ...(classes.get(oid) ?? []).flatMap((opclass) => opclasses.get(integer(opclass, 0)) ?? []),
    ];
    for (const code of own) if (isUserCode(functions, code)) direct.add(code);
    const parts = [
      integer(row, 4),
      integer(row, 5),
      ...(relation === 0 ? [] : (members.get(relation) ?? []).map((column) => integer(column, 3))),
      ...(range === undefined ? [] : [integer(range, 0), integer(range, 2)]),
      ...behind.flatMap((dependency) => (dependency.refClass === CLASS.type ? [dependency.refOid] : [])),
    ];
    raw.set(oid, { row, direct, parts, checked: checks.some((check) => text(check, 3) === 'c') });
  }
  return raw;
}

function reach(type: Oid, raw: ReadonlyMap<Oid, RawType>): ReadonlySet<Oid> {
  const seen = new Set<Oid>([type]);
  // A set is walked in order of insertion, also what is added on the way.
  for (const oid of seen) for (const part of raw.get(oid)?.parts ?? []) if (part !== 0) seen.add(part);
  return seen;
}
