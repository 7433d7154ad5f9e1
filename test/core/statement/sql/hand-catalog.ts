/** A small bank as a catalog made by hand: what the reader's tests resolve names against. */
import type {
  Catalog,
  ColumnKey,
  Oid,
  Relation,
  RelationColumn,
  SqlCast,
  SqlFunction,
  SqlOperator,
  SqlType,
} from '../../../../core/statement/sql/catalog.ts';
import { columnKey } from '../../../../core/statement/sql/catalog.ts';
import type { SessionState } from '../../../../core/statement/sql/session-state.ts';

const PLAIN_TYPES = [
  'int4',
  'int8',
  'text',
  'varchar',
  'bool',
  'date',
  'timestamptz',
  'numeric',
  'float8',
  'json',
  'jsonb',
  'uuid',
  'regclass',
  'regproc',
  'xml',
  'name',
  'oid',
] as const;

const types = new Map<Oid, SqlType>();
const typeOids = new Map<string, Oid>();

function addType(oid: Oid, schema: string, name: string, more: Partial<SqlType> = {}): Oid {
  types.set(oid, { oid, schema, name, kind: 'base', codeFunctions: [], ...more });
  typeOids.set(name, oid);
  return oid;
}
for (const [i, name] of PLAIN_TYPES.entries()) addType(20 + i, 'pg_catalog', name);
addType(80, 'pg_catalog', 'anyelement', { kind: 'pseudo' });
addType(81, 'pg_catalog', 'record', { kind: 'pseudo' });
addType(82, 'pg_catalog', 'void', { kind: 'pseudo' });
addType(90, 'public', 'checked_email', { kind: 'domain', baseType: 22, codeFunctions: [5010] });
addType(91, 'public', 'mood', { kind: 'enum' });
addType(92, 'public', 'customers', { kind: 'composite', relation: 1001 });
addType(93, 'public', 'box3', { kind: 'base', codeFunctions: [5011] });

const functions = new Map<Oid, SqlFunction>();

function addFunction(oid: Oid, schema: string, name: string, argumentCount: number, more: Partial<SqlFunction> = {}): void {
  functions.set(oid, {
    oid,
    schema,
    name,
    kind: 'function',
    language: schema === 'pg_catalog' ? 'internal' : 'plpgsql',
    volatility: 'volatile',
    securityDefiner: false,
    argumentCount,
    defaultCount: 0,
    variadic: false,
    argumentTypes: [],
    returnType: typeOids.get('text') ?? 0,
    returnsSet: false,
    settings: [],
    definitionHash: `f${oid}`,
    ...more,
  });
}

const SAFE: readonly (readonly [name: string, count: number, more?: Partial<SqlFunction>])[] = [
  ['count', 0],
  ['count', 1],
  ['sum', 1],
  ['avg', 1],
  ['min', 1],
  ['max', 1],
  ['lower', 1],
  ['upper', 1],
  ['length', 1],
  ['now', 0],
  ['version', 0],
  ['current_setting', 1],
  ['array_agg', 1],
  ['json_agg', 1],
  ['to_json', 1],
  ['row_to_json', 1],
  ['string_agg', 2],
  ['generate_series', 2, { returnsSet: true, returnType: 20 }],
  ['unnest', 1, { returnsSet: true, returnType: 80 }],
  ['json_to_record', 1, { returnType: 81 }],
  ['row_number', 0],
  ['percentile_cont', 2],
  ['format_type', 2],
  ['pg_get_viewdef', 1],
  ['substring', 3],
  ['timezone', 2],
];
for (const [i, [name, count, more]] of SAFE.entries()) addFunction(2000 + i, 'pg_catalog', name, count, more);
addFunction(2100, 'pg_catalog', 'concat', 1, { variadic: true });
const UNSAFE: readonly (readonly [string, number])[] = [
  ['nextval', 1],
  ['setval', 2],
  ['query_to_xml', 4],
  ['ts_stat', 1],
  ['table_to_xml', 4],
  ['lo_export', 2],
  ['pg_sleep', 1],
  ['set_config', 3],
  ['pg_notify', 2],
  ['pg_read_file', 1],
];
for (const [i, [name, count]] of UNSAFE.entries()) addFunction(3000 + i, 'pg_catalog', name, count);
addFunction(5000, 'public', 'purge', 0);
addFunction(5001, 'public', 'purge', 1);
addFunction(5002, 'public', 'order_total', 1, {
  language: 'sql',
  body: 'select sum(amount) from public.orders where customer_id = $1',
});
addFunction(5003, 'public', 'ssn_of', 1, { language: 'sql', body: 'select ssn from customers c where c.id = ssn_of.wanted' });
addFunction(5004, 'public', 'wipe', 0, { language: 'sql', body: 'delete from public.orders; select 1' });
addFunction(5005, 'public', 'audit_row', 0, { returnType: 82 });
addFunction(5006, 'public', 'nested', 0, { language: 'sql', body: 'BEGIN ATOMIC\n SELECT wipe();\nEND' });
addFunction(5007, 'public', 'plus_one', 1, { language: 'sql', body: 'RETURN ($1 + 1)', dependsOn: [5015] });
addFunction(5008, 'app', 'lower', 1);
addFunction(5009, 'public', 'dblink', 2, { language: 'c' });
addFunction(5010, 'public', 'valid_email', 1);
addFunction(5011, 'public', 'box3_in', 1, { language: 'c' });
addFunction(5012, 'public', 'fuzzy_eq', 2);
addFunction(5013, 'public', 'text_to_mood', 1);
addFunction(5014, 'public', 'may_see', 0);
addFunction(5015, 'public', 'next_number', 0);
addFunction(5016, 'public', 'check_amount', 1);
addFunction(5017, 'public', 'archive', 1, { kind: 'procedure' });
addFunction(5018, 'public', 'hidden_path', 0, { language: 'sql', body: 'select count(*) from orders', settings: ['search_path=app'] });
addFunction(5019, 'public', 'as_other', 0, { language: 'sql', body: 'select 1', settings: ['role=admin'] });
addFunction(5020, 'public', 'recent', 0, { language: 'sql', body: 'select id from orders', returnType: 20, returnsSet: true });
addFunction(5021, 'public', 'sql_broken', 0, { language: 'sql', body: 'selekt 1' });

type ColumnSpec = readonly [name: string, type: string, more?: Partial<RelationColumn>];
const relations = new Map<Oid, Relation>();
let nextRelation = 1001;

function addRelation(schema: string, name: string, columns: readonly ColumnSpec[], more: Partial<Relation> = {}): Relation {
  const oid = nextRelation;
  nextRelation += 1;
  const relation: Relation = {
    oid,
    schema,
    name,
    kind: 'table',
    columns: columns.map(([column, type, extra], i) => ({
      attnum: i + 1,
      name: column,
      typeOid: typeOids.get(type) ?? 0,
      notNull: false,
      defaultFunctions: [],
      ...extra,
    })),
    rules: [],
    triggers: [],
    parents: [],
    children: [],
    rowSecurity: false,
    writeFunctions: [],
    readFunctions: [],
    uniqueKeys: [],
    constrained: [],
    temporary: false,
    estimatedRows: 100,
    definitionHash: `r${oid}`,
    ...more,
  };
  if (!relation.temporary) relations.set(oid, relation);
  return relation;
}

const CUSTOMER: readonly ColumnSpec[] = [
  ['id', 'int4'],
  ['name', 'text'],
  ['ssn', 'text'],
  ['email', 'text'],
  ['notes', 'text'],
];
/** 1001 */
export const customers = addRelation('public', 'customers', CUSTOMER, { uniqueKeys: [[1], [3]], estimatedRows: 5000 });
addRelation(
  'public',
  'orders',
  [
    ['id', 'int4'],
    ['customer_id', 'int4'],
    ['amount', 'numeric'],
    ['status', 'text'],
  ],
  { uniqueKeys: [[1]], estimatedRows: 2_000_000 },
);
addRelation(
  'public',
  'audited',
  [
    ['id', 'int4'],
    ['note', 'text', { defaultFunctions: [5015] }],
  ],
  {
    triggers: [
      { name: 'on_change', functionOid: 5005, events: ['insert', 'update', 'delete'], enabled: true },
      { name: 'disabled', functionOid: 5000, events: ['insert'], enabled: false },
    ],
    cascades: [
      { on: 'delete', relation: 1014, effect: 'delete' },
      { on: 'delete', relation: 1003, effect: 'delete' },
    ],
    writeFunctions: [5016],
    readFunctions: [5014],
  },
);
const payments = addRelation(
  'public',
  'payments',
  [
    ['id', 'int4'],
    ['card', 'text'],
    ['taken', 'date'],
  ],
  { kind: 'partitioned', children: [1005, 1006], estimatedRows: -1 },
);
/** Its columns are in another order, as partitions may have them. */
addRelation(
  'public',
  'payments_2025',
  [
    ['taken', 'date'],
    ['card', 'text'],
    ['id', 'int4'],
  ],
  { parents: [payments.oid] },
);
addRelation(
  'archive',
  'payments_2026',
  [
    ['id', 'int4'],
    ['card', 'text'],
    ['taken', 'date'],
  ],
  { parents: [payments.oid] },
);
addRelation(
  'public',
  'customer_names',
  [
    ['id', 'int4'],
    ['name', 'text'],
  ],
  {
    kind: 'view',
    viewDefinition: ' SELECT customers.id, customers.name FROM public.customers;',
  },
);
addRelation(
  'public',
  'customer_cards',
  [
    ['who', 'int4'],
    ['social', 'text'],
  ],
  {
    kind: 'view',
    viewDefinition: ' SELECT c.id AS who, c.ssn AS social FROM public.customers c WHERE c.name IS NOT NULL;',
  },
);
addRelation(
  'public',
  'cards_over',
  [
    ['social', 'text'],
    ['who', 'int4'],
  ],
  {
    kind: 'view',
    viewDefinition: ' SELECT customer_cards.social, customer_cards.who FROM public.customer_cards;',
  },
);
addRelation(
  'public',
  'shouted',
  [
    ['id', 'int4'],
    ['loud', 'text'],
  ],
  {
    kind: 'view',
    viewDefinition: ' SELECT customers.id, upper(customers.ssn) AS loud FROM public.customers;',
  },
);
addRelation('public', 'ruled', [['id', 'int4']], {
  kind: 'view',
  viewDefinition: ' SELECT orders.id FROM public.orders;',
  rules: [{ name: 'ruled_delete', event: 'delete' }],
});
addRelation(
  'public',
  'kept',
  [
    ['id', 'int4'],
    ['ssn', 'text'],
  ],
  {
    kind: 'materialized',
    viewDefinition: ' SELECT customers.id, customers.ssn FROM public.customers;',
  },
);
addRelation('public', 'remote', [['id', 'int4']], { kind: 'foreign' });
addRelation('public', 'moods', [
  ['id', 'int4'],
  ['mood', 'mood'],
  ['mail', 'checked_email'],
]);
addRelation('app', 'customers', [
  ['id', 'int4'],
  ['label', 'text'],
]);
addRelation(
  'pg_catalog',
  'pg_class',
  [
    ['oid', 'oid'],
    ['relname', 'name'],
  ],
  { estimatedRows: 2_000_000 },
);
addRelation(
  'public',
  'derived',
  [
    ['id', 'int4'],
    ['pan', 'text'],
    ['pan_tail', 'text', { generatedFrom: [2] }],
  ],
  { constrained: [2] },
);
addRelation('pg_toast', 'pg_toast_1001', [['chunk_data', 'text']], { kind: 'toast' });
addRelation('public', 'order_ids', [['id', 'int4']], { kind: 'sequence' });
addRelation('public', 'broken_view', [['id', 'int4']], { kind: 'view', viewDefinition: 'selekt' });

const operators: SqlOperator[] = [{ oid: 6000, schema: 'public', name: '~~~', functionOid: 5012 }];
const casts: SqlCast[] = [{ sourceType: 22, targetType: 91, context: 'explicit', functionOid: 5013 }];

function byName<T extends { readonly name: string }>(all: Iterable<T>): Map<string, T[]> {
  const map = new Map<string, T[]>();
  for (const one of all) map.set(one.name, [...(map.get(one.name) ?? []), one]);
  return map;
}

function relationsByName(): Map<string, Map<string, Relation>> {
  const map = new Map<string, Map<string, Relation>>();
  for (const relation of relations.values()) {
    const schema = map.get(relation.schema) ?? new Map<string, Relation>();
    map.set(relation.schema, schema.set(relation.name, relation));
  }
  return map;
}

export const catalog: Catalog = {
  major: 17,
  version: 'hand',
  schemas: new Map([
    ['public', 1],
    ['app', 2],
    ['archive', 3],
    ['pg_catalog', 4],
    ['pg_toast', 5],
  ]),
  relations,
  relationsByName: relationsByName(),
  functionsByName: byName(functions.values()),
  functions,
  types,
  userOperatorsByName: byName(operators),
  userCasts: [],
};

/** The same bank with an event trigger that runs at every DDL statement. */
export const catalogWithEventTrigger: Catalog = {
  ...catalog,
  eventTriggers: [{ name: 'watch', event: 'ddl_command_end', functionOid: 5000 }],
};

/** The same bank with a cast of its own from varchar to mood. */
export const catalogWithCast: Catalog = { ...catalog, userCasts: casts };

const EMPTY_MAP: ReadonlyMap<never, never> = new Map<never, never>();

/** Nothing at all: every name is unknown. */
export const emptyCatalog: Catalog = {
  major: 17,
  version: 'empty',
  schemas: EMPTY_MAP,
  relations: EMPTY_MAP,
  relationsByName: EMPTY_MAP,
  functionsByName: EMPTY_MAP,
  functions: EMPTY_MAP,
  types: EMPTY_MAP,
  userOperatorsByName: EMPTY_MAP,
  userCasts: [],
};

export const state: SessionState = {
  searchPath: ['pg_catalog', 'public'],
  sessionUser: 'gateway',
  currentUser: 'gateway',
  tempRelations: [],
  tempCode: false,
  settings: [],
  prepared: [],
  version: 'state',
};

/** A session whose own temporary table has the name of the masked one. */
export const stateWithTemporary: SessionState = {
  ...state,
  searchPath: ['pg_temp_3', 'pg_catalog', 'public'],
  tempSchema: 'pg_temp_3',
  tempRelations: [
    addRelation(
      'pg_temp_3',
      'customers',
      [
        ['id', 'int4'],
        ['ssn', 'text'],
      ],
      { temporary: true },
    ),
  ],
};

export const SSN = columnKey(1001, 3);
export const EMAIL = columnKey(1001, 4);
export const CARD_2026 = columnKey(1006, 2);
export const PAN = columnKey(1017, 2);

export const sensitive: ReadonlySet<ColumnKey> = new Set([SSN, EMAIL, CARD_2026, PAN]);

export function isSafe(oid: Oid): boolean {
  return oid >= 2000 && oid < 3000;
}
