import { columnKey, type Catalog, type ColumnKey } from './catalog.ts';

/**
 * Columns of PostgreSQL's own relations that hold other columns' values, the text of statements, or secrets (design §7):
 * masked from the start, whatever the configuration says.
 */
export type CatalogColumn = {
  readonly schema: string;
  readonly relation: string;
  readonly column: string;
};

const STATISTICS = {
  pg_statistic: ['stavalues1', 'stavalues2', 'stavalues3', 'stavalues4', 'stavalues5'],
  pg_stats: ['most_common_vals', 'histogram_bounds', 'most_common_elems', 'range_length_histogram', 'range_bounds_histogram'],
  pg_statistic_ext_data: ['stxdmcv', 'stxdexpr'],
  pg_stats_ext: ['most_common_vals'],
  pg_stats_ext_exprs: [
    'most_common_vals',
    'histogram_bounds',
    'most_common_elems',
    // PostgreSQL 19 and back-ported forks; a name that a version lacks binds to nothing.
    'range_length_histogram',
    'range_bounds_histogram',
  ],
  // The default that rows from before ADD COLUMN still read.
  pg_attribute: ['attmissingval'],
} as const;

const STATEMENTS = {
  pg_stat_activity: ['query'],
  pg_prepared_statements: ['statement'],
  pg_cursors: ['statement'],
  // Idents of plan caches are the text of their statements.
  pg_backend_memory_contexts: ['ident'],
} as const;

const SECRETS = {
  pg_authid: ['rolpassword'],
  pg_shadow: ['passwd'],
  pg_user_mapping: ['umoptions'],
  pg_user_mappings: ['umoptions'],
  pg_subscription: ['subconninfo'],
  pg_stat_wal_receiver: ['conninfo'],
  pg_hba_file_rules: ['options', 'error'],
  pg_ident_file_mappings: ['error'],
  pg_file_settings: ['setting', 'error'],
  pg_largeobject: ['data'],
} as const;

const INFORMATION_SCHEMA = {
  user_mapping_options: ['option_value'],
  _pg_user_mappings: ['umoptions'],
  foreign_server_options: ['option_value'],
  _pg_foreign_servers: ['srvoptions'],
} as const;

/** Of extensions, in whatever schema they were installed. */
const EXTENSIONS: Readonly<Record<string, readonly string[]>> = {
  pg_stat_statements: ['query'],
  pg_stat_monitor: ['query', 'query_plan', 'top_query', 'comments'],
  pg_qualstats: ['constvalue'],
};

/**
 * What to mask from the start, by name; `dataHoldingColumns` also finds extensions in other schemas and TOAST tables.
 * Names that a version does not have resolve to nothing, and that is fine here.
 */
export const DATA_HOLDING_CATALOG_COLUMNS: readonly CatalogColumn[] = [
  ...inSchema('pg_catalog', STATISTICS),
  ...inSchema('pg_catalog', STATEMENTS),
  ...inSchema('pg_catalog', SECRETS),
  ...inSchema('information_schema', INFORMATION_SCHEMA),
  ...inSchema('public', EXTENSIONS),
];

function inSchema(schema: string, relations: Readonly<Record<string, readonly string[]>>): CatalogColumn[] {
  return Object.entries(relations).flatMap(([relation, columns]) => columns.map((column) => ({ schema, relation, column })));
}

/**
 * The same bound to one target: the listed columns, and the data of every TOAST table, which is what its owner's long
 * values are made of.
 */
export function dataHoldingColumns(catalog: Catalog): ReadonlySet<ColumnKey> {
  const keys = new Set<ColumnKey>();
  const listed = new Set(DATA_HOLDING_CATALOG_COLUMNS.map(({ schema, relation, column }) => `${schema}.${relation}.${column}`));
  for (const relation of catalog.relations.values()) {
    const { oid, kind, schema, name: relationName } = relation;
    for (const { attnum, name } of relation.columns) {
      const holdsData =
        listed.has(`${schema}.${relationName}.${name}`) ||
        (Object.hasOwn(EXTENSIONS, relationName) && EXTENSIONS[relationName]?.includes(name) === true) ||
        (kind === 'toast' && name === 'chunk_data');
      if (holdsData) keys.add(columnKey(oid, attnum));
    }
  }
  return keys;
}
