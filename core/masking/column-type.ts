/** What a mask or a detector must know of a column's type: `src/include/catalog/pg_type.dat` for the numbers. */
import type { Oid, SqlType } from '../statement/sql/catalog.ts';

/** A result column as RowDescription gives it. `typeOid` 0 stands for a type that is not known (COPY of an expression). */
export type ColumnFormat = {
  readonly typeOid: Oid;
  readonly typmod: number;
  /** 0 text, 1 binary. */
  readonly format: 0 | 1;
};

export type TypeKind =
  | 'text'
  | 'bpchar'
  | 'singleChar'
  | 'bool'
  | 'int2'
  | 'int4'
  | 'int8'
  | 'oid'
  | 'float4'
  | 'float8'
  | 'numeric'
  | 'date'
  | 'time'
  | 'timetz'
  | 'timestamp'
  | 'timestamptz'
  | 'interval'
  | 'uuid'
  | 'bytea'
  | 'json'
  | 'jsonb'
  | 'inet'
  | 'cidr'
  | 'macaddr'
  | 'macaddr8'
  | 'money'
  | 'bit'
  | 'varbit'
  | 'xml'
  | 'tsvector'
  | 'point'
  | 'range'
  | 'multirange'
  | 'array'
  | 'composite'
  | 'unknown';

export type ColumnType = {
  readonly kind: TypeKind;
  /** Most characters of varchar(n) and name, exact characters of char(n), exact bits of bit(n). */
  readonly length?: number;
  /** Digits after the point of numeric(p,s). */
  readonly scale?: number;
  readonly element?: { readonly oid: Oid; readonly type: ColumnType };
};

const VARHDRSZ = 4;
/** NAMEDATALEN - 1. */
const NAME_BYTES = 63;
/** Domains over domains end somewhere; a longer chain is treated as unknown. */
const MAX_DOMAIN_DEPTH = 32;

const KIND_BY_OID: ReadonlyMap<Oid, TypeKind> = new Map<Oid, TypeKind>([
  [16, 'bool'],
  [17, 'bytea'],
  [18, 'singleChar'],
  [19, 'text'],
  [20, 'int8'],
  [21, 'int2'],
  [23, 'int4'],
  [25, 'text'],
  [26, 'oid'],
  [114, 'json'],
  [142, 'xml'],
  [600, 'point'],
  [650, 'cidr'],
  [700, 'float4'],
  [701, 'float8'],
  [705, 'text'],
  [774, 'macaddr8'],
  [790, 'money'],
  [829, 'macaddr'],
  [869, 'inet'],
  [1042, 'bpchar'],
  [1043, 'text'],
  [1082, 'date'],
  [1083, 'time'],
  [1114, 'timestamp'],
  [1184, 'timestamptz'],
  [1186, 'interval'],
  [1266, 'timetz'],
  [1560, 'bit'],
  [1562, 'varbit'],
  [1700, 'numeric'],
  [2249, 'composite'],
  [2950, 'uuid'],
  [3614, 'tsvector'],
  [3802, 'jsonb'],
  ...([3904, 3906, 3908, 3910, 3912, 3926] as const).map((oid): [Oid, TypeKind] => [oid, 'range']),
  ...([4451, 4532, 4533, 4534, 4535, 4536] as const).map((oid): [Oid, TypeKind] => [oid, 'multirange']),
]);

/** Array type → element type, for the types above. */
const ELEMENT_BY_ARRAY_OID: ReadonlyMap<Oid, Oid> = new Map([
  [143, 142],
  [199, 114],
  [651, 650],
  [775, 774],
  [791, 790],
  [1000, 16],
  [1001, 17],
  [1002, 18],
  [1003, 19],
  [1005, 21],
  [1007, 23],
  [1009, 25],
  [1014, 1042],
  [1015, 1043],
  [1016, 20],
  [1017, 600],
  [1021, 700],
  [1022, 701],
  [1028, 26],
  [1040, 829],
  [1041, 869],
  [1115, 1114],
  [1182, 1082],
  [1183, 1083],
  [1185, 1184],
  [1187, 1186],
  [1231, 1700],
  [1270, 1266],
  [1561, 1560],
  [1563, 1562],
  [2287, 2249],
  [2951, 2950],
  [3643, 3614],
  [3807, 3802],
]);

/**
 * What kind of type this is. `types` is the target's catalog: without it, types made by users are unknown, which masks
 * to NULL. Domains count as their base type: their checks do not hold for results.
 */
export function columnType(typeOid: Oid, typmod: number, types?: ReadonlyMap<Oid, SqlType>, depth = 0): ColumnType {
  const element = ELEMENT_BY_ARRAY_OID.get(typeOid);
  if (element !== undefined) return { kind: 'array', element: { oid: element, type: columnType(element, typmod) } };
  const kind = KIND_BY_OID.get(typeOid);
  if (kind !== undefined) return { kind, ...lengthOf(typeOid, typmod) };
  const type = types?.get(typeOid);
  if (type === undefined || depth > MAX_DOMAIN_DEPTH) return { kind: 'unknown' };
  if (type.kind === 'domain') return columnType(type.baseType ?? 0, typmod, types, depth + 1);
  if (type.kind === 'range') return { kind: 'range' };
  if (type.kind === 'multirange') return { kind: 'multirange' };
  if (type.kind === 'composite') return { kind: 'composite' };
  if (type.elementType !== undefined && type.elementType !== 0) {
    return { kind: 'array', element: { oid: type.elementType, type: columnType(type.elementType, typmod, types, depth + 1) } };
  }
  return { kind: type.kind === 'base' && type.name === 'citext' ? 'text' : 'unknown' };
}

function lengthOf(typeOid: Oid, typmod: number): { length?: number; scale?: number } {
  if (typeOid === 19) return { length: NAME_BYTES };
  if (typeOid === 1043 || typeOid === 1042) return typmod > VARHDRSZ ? { length: typmod - VARHDRSZ } : {};
  if (typeOid === 1560) return { length: typmod > 0 ? typmod : 1 };
  // The scale is signed and has 11 bits (`numeric_typmod_scale`); below zero nothing stands after the point.
  if (typeOid === 1700 && typmod > VARHDRSZ) return { scale: Math.max(0, (((typmod - VARHDRSZ) & 0x7ff) ^ 1024) - 1024) };
  return {};
}
