/**
 * A cheap statement whose one answer changes whenever DDL commits in the database, temporary objects aside. Every row of
 * every catalog that a snapshot reads is mixed in with the transaction that wrote it. VACUUM keeps `xmin` when it freezes
 * (since 9.4), a dropped row leaves the mix, and a row that comes back has another `xmin`. ANALYZE and VACUUM write
 * `reltuples` in place; the tens digit of that estimate is mixed in so that sizes stay roughly true.
 */

const USER = (column: string) => `${column} OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid`;

type Part = { readonly table: string; readonly row: string; readonly relation?: string; readonly schema?: string; readonly where?: string };

const PARTS: readonly Part[] = [
  { table: 'pg_namespace', row: 'x.oid', schema: 'x.oid' },
  { table: 'pg_class', row: 'x.oid', relation: 'x.oid' },
  { table: 'pg_attribute', row: 'x.attrelid', relation: 'x.attrelid', where: USER('x.attrelid') },
  { table: 'pg_attrdef', row: 'x.oid', relation: 'x.adrelid' },
  { table: 'pg_constraint', row: 'x.oid', relation: 'x.conrelid' },
  { table: 'pg_index', row: 'x.indexrelid', relation: 'x.indrelid' },
  { table: 'pg_trigger', row: 'x.oid', relation: 'x.tgrelid' },
  { table: 'pg_rewrite', row: 'x.oid', relation: 'x.ev_class' },
  { table: 'pg_policy', row: 'x.oid', relation: 'x.polrelid' },
  { table: 'pg_inherits', row: 'x.inhrelid', relation: 'x.inhrelid' },
  { table: 'pg_proc', row: 'x.oid', schema: 'x.pronamespace' },
  { table: 'pg_aggregate', row: 'x.aggfnoid::pg_catalog.oid' },
  { table: 'pg_type', row: 'x.oid', schema: 'x.typnamespace' },
  { table: 'pg_range', row: 'x.rngtypid' },
  { table: 'pg_enum', row: 'x.oid' },
  { table: 'pg_operator', row: 'x.oid', schema: 'x.oprnamespace' },
  { table: 'pg_opclass', row: 'x.oid' },
  { table: 'pg_amproc', row: 'x.oid' },
  { table: 'pg_amop', row: 'x.oid' },
  { table: 'pg_cast', row: 'x.oid' },
  { table: 'pg_language', row: 'x.oid' },
  { table: 'pg_extension', row: 'x.oid' },
  { table: 'pg_event_trigger', row: 'x.oid' },
];

const TEMPORARY = (column: string) => `NOT EXISTS (SELECT FROM temporary_schemas s WHERE s.oid OPERATOR(pg_catalog.=) ${column})`;

function part({ table, row, relation, schema, where }: Part): string {
  const conditions = [
    ...(where === undefined ? [] : [where]),
    ...(schema === undefined ? [] : [TEMPORARY(schema)]),
    ...(relation === undefined ? [] : [`NOT EXISTS (SELECT FROM temporary t WHERE t.oid OPERATOR(pg_catalog.=) ${relation})`]),
  ];
  // The row's address makes no difference: VACUUM FULL moves rows without changing what they say.
  return `SELECT '${table}' AS part, pg_catalog.count(*) AS rows,
    pg_catalog.bit_xor(pg_catalog.hashtextextended(x.xmin::pg_catalog.text, (${row})::pg_catalog.int8${
      table === 'pg_attribute'
        ? ` OPERATOR(pg_catalog.*) 65536::pg_catalog.int8 OPERATOR(pg_catalog.+) x.attnum::pg_catalog.int8`
        : table === 'pg_inherits'
          ? ` OPERATOR(pg_catalog.*) 65536::pg_catalog.int8 OPERATOR(pg_catalog.+) x.inhseqno::pg_catalog.int8`
          : ''
    })) AS mix FROM pg_catalog.${table} x${conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`}`;
}

const SIZES = `SELECT 'sizes', pg_catalog.count(*), pg_catalog.bit_xor(pg_catalog.hashtextextended(
    pg_catalog.length(pg_catalog.round(c.reltuples::pg_catalog.numeric)::pg_catalog.text)::pg_catalog.text, c.oid::pg_catalog.int8))
  FROM pg_catalog.pg_class c WHERE ${USER('c.oid')} AND c.relkind OPERATOR(pg_catalog.=) ANY (ARRAY['r','p','m','f']::pg_catalog."char"[])
    AND c.relpersistence OPERATOR(pg_catalog.<>) 't'`;

/** One row, one column of text. Equal answers mean equal catalogs; an unequal one means: read the catalog again. */
export const CATALOG_FINGERPRINT = `WITH
  temporary AS MATERIALIZED (SELECT c.oid FROM pg_catalog.pg_class c WHERE c.relpersistence OPERATOR(pg_catalog.=) 't'),
  temporary_schemas AS MATERIALIZED (SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname OPERATOR(pg_catalog.~) '^pg_(toast_)?temp_[0-9]+$'),
  mixed AS (${PARTS.map(part).join('\n  UNION ALL ')}
  UNION ALL ${SIZES})
SELECT pg_catalog.current_database()::pg_catalog.text OPERATOR(pg_catalog.||) ' ' OPERATOR(pg_catalog.||)
  pg_catalog.string_agg(m.part OPERATOR(pg_catalog.||) ':' OPERATOR(pg_catalog.||) m.rows::pg_catalog.text OPERATOR(pg_catalog.||) ':'
    OPERATOR(pg_catalog.||) COALESCE(m.mix, 0::pg_catalog.int8)::pg_catalog.text, ' ' ORDER BY m.part) FROM mixed m`;
