/** Rows of pg_proc → functions. */
import { hash } from 'node:crypto';
import type { Oid, SqlFunction } from './catalog.ts';
import { CLASS, type Rows } from './catalog-query.ts';
import type { Dependencies } from './code-reach.ts';
import { flag, integer, integers, SnapshotMalformed, text, textOrNull, type Row } from './snapshot-rows.ts';

const KINDS: { readonly [prokind: string]: SqlFunction['kind'] } = { f: 'function', p: 'procedure', a: 'aggregate', w: 'window' };
const VOLATILITIES: { readonly [provolatile: string]: SqlFunction['volatility'] } = { i: 'immutable', s: 'stable', v: 'volatile' };

/** All functions by OID, in the order of the rows. */
export function buildFunctions(rows: Rows, dependencies: Dependencies): ReadonlyMap<Oid, SqlFunction> {
  return new Map(rows.map((row) => [integer(row, 0), buildFunction(row, dependencies)] as const));
}

function buildFunction(row: Row, dependencies: Dependencies): SqlFunction {
  const oid = integer(row, 0);
  const kind = KINDS[text(row, 3)];
  const volatility = VOLATILITIES[text(row, 5)];
  if (kind === undefined || volatility === undefined) throw new SnapshotMalformed(`function ${oid} is of an unknown kind`);
  const body = textOrNull(row, 13);
  const code = dependencies
    .of(CLASS.procedure, oid)
    .flatMap((dependency) => (dependency.refClass === CLASS.procedure ? [dependency.refOid] : []));
  return {
    oid,
    schema: text(row, 2),
    name: text(row, 1),
    kind,
    language: text(row, 4),
    volatility,
    securityDefiner: flag(row, 6),
    argumentCount: integer(row, 7),
    defaultCount: integer(row, 8),
    variadic: integer(row, 9) !== 0,
    argumentTypes: integers(row, 10),
    returnType: integer(row, 11),
    returnsSet: flag(row, 12),
    ...(body === null ? {} : { body }),
    ...(code.length === 0 ? {} : { dependsOn: code }),
    settings: settings(textOrNull(row, 14)),
    definitionHash: hash('sha256', JSON.stringify(row)),
  };
}

function settings(json: string | null): string[] {
  if (json === null) return [];
  const list: unknown = JSON.parse(json);
  if (!Array.isArray(list) || !list.every((item) => typeof item === 'string')) throw new SnapshotMalformed('proconfig is no list of texts');
  return list;
}
