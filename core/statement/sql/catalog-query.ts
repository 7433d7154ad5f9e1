/**
 * The SQL that reads a catalog snapshot. Every relation, function, type and operator is spelled with its schema, so that
 * the texts mean the same on a connection whose search path is hostile; IN, BETWEEN, CASE x WHEN, USING and DISTINCT are
 * avoided because they look their operators up by bare name.
 */

/** OIDs of PostgreSQL's own catalogs, as pg_depend names them (`src/include/catalog/*.h`, equal in 15 to 18). */
export const CLASS = {
  type: 1247,
  procedure: 1255,
  relation: 1259,
  default: 2604,
  constraint: 2606,
  opclass: 2616,
  operator: 2617,
  rewrite: 2618,
  trigger: 2620,
  policy: 3256,
} as const;

/** The parts of a snapshot that describe relations; a session's temporary relations are read in the same shape. */
export const RELATION_SECTIONS = [
  'relations',
  'columns',
  'views',
  'rules',
  'triggers',
  'inherits',
  'indexes',
  'constraints',
  'defaults',
  'policies',
] as const;
/** The parts that describe what is not tied to one relation. */
export const SHARED_SECTIONS = [
  'schemas',
  'functions',
  'types',
  'ranges',
  'opclasses',
  'operators',
  'casts',
  'eventTriggers',
  'dependencies',
] as const;

export type RelationSection = (typeof RELATION_SECTIONS)[number];
export type SectionName = RelationSection | (typeof SHARED_SECTIONS)[number];
/** One row of text per object, in the order of the section's columns. */
export type Rows = readonly (readonly (string | null)[])[];
export type SnapshotRows = { readonly [name in SectionName]: Rows };

type Section = { readonly columns: readonly string[]; readonly from: string };

const PERMANENT = `c.relpersistence OPERATOR(pg_catalog.<>) 't'`;
const OWN_TEMPORARY = `c.relnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()`;
const NOT_TEMPORARY_SCHEMA = `n.nspname OPERATOR(pg_catalog.!~) '^pg_(toast_)?temp_[0-9]+$'`;

/**
 * Deparsing takes a lock on every relation of the text: where another session holds one in ACCESS EXCLUSIVE mode (DDL that
 * is not committed), the text is left out rather than waited for, and the snapshot is incomplete.
 */
function unlessLocked(text: string, classOid: number, object: string, self?: string): string {
  // Asked once per statement, not once per row: nothing in it refers to the row.
  const locked = `ARRAY(SELECT l.relation FROM pg_catalog.pg_locks l WHERE l.mode OPERATOR(pg_catalog.=) 'AccessExclusiveLock' AND l.granted
    AND l.relation IS NOT NULL AND l.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid())`;
  const own = self === undefined ? '' : `${self} OPERATOR(pg_catalog.=) ANY (${locked}) OR `;
  return `CASE WHEN ${own}EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid OPERATOR(pg_catalog.=) ${classOid}::pg_catalog.oid
      AND d.objid OPERATOR(pg_catalog.=) ${object} AND d.refclassid OPERATOR(pg_catalog.=) ${CLASS.relation}::pg_catalog.oid
      AND d.refobjid OPERATOR(pg_catalog.=) ANY (${locked})) THEN NULL ELSE ${text} END`;
}

function sha256(text: string): string {
  return `pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(${text}, 'UTF8')), 'hex')`;
}

function relationSections(which: string): { readonly [name in RelationSection]: Section } {
  const of = (table: string, column: string, more = '') =>
    `${table} JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) ${column} WHERE ${which}${more === '' ? '' : ` AND ${more}`}`;
  return {
    relations: {
      columns: ['c.oid', 'c.relname', 'n.nspname', 'c.relkind', 'c.relpersistence', 'c.reltuples', 'c.relrowsecurity'],
      from: `pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace WHERE ${which}`,
    },
    columns: {
      columns: ['a.attrelid', 'a.attnum', 'a.attname', 'a.atttypid', 'a.attnotnull', 'a.attgenerated'],
      from: of(
        'pg_catalog.pg_attribute a',
        'a.attrelid',
        `a.attnum OPERATOR(pg_catalog.>) 0::pg_catalog.int2 AND NOT a.attisdropped AND c.relkind OPERATOR(pg_catalog.<>) 'i' AND c.relkind OPERATOR(pg_catalog.<>) 'I'`,
      ),
    },
    views: {
      columns: ['c.oid', unlessLocked('pg_catalog.pg_get_viewdef(c.oid)', CLASS.rewrite, 'r.oid', 'c.oid'), 'c.reloptions'],
      from: of('pg_catalog.pg_rewrite r', 'r.ev_class', `r.rulename OPERATOR(pg_catalog.=) '_RETURN'`),
    },
    rules: {
      columns: ['r.ev_class', 'r.rulename', 'r.ev_type', 'r.xmin'],
      from: of(
        'pg_catalog.pg_rewrite r',
        'r.ev_class',
        `r.rulename OPERATOR(pg_catalog.<>) '_RETURN' AND r.ev_enabled OPERATOR(pg_catalog.<>) 'D'`,
      ),
    },
    triggers: {
      columns: ['t.oid', 't.tgrelid', 't.tgname', 't.tgfoid', 't.tgtype', 't.tgenabled', 't.tgisinternal', 't.xmin'],
      from: of('pg_catalog.pg_trigger t', 't.tgrelid'),
    },
    inherits: { columns: ['i.inhrelid', 'i.inhparent'], from: of('pg_catalog.pg_inherits i', 'i.inhrelid') },
    indexes: {
      columns: [
        'i.indexrelid',
        'i.indrelid',
        'i.indkey',
        'i.indnkeyatts',
        'i.indisunique',
        'i.indisexclusion',
        'i.indisvalid AND i.indisready AND i.indislive AND i.indpred IS NULL AND i.indexprs IS NULL',
        'i.xmin',
      ],
      from: of('pg_catalog.pg_index i', 'i.indrelid'),
    },
    constraints: {
      columns: [
        'k.oid',
        'k.conrelid',
        'k.contypid',
        'k.contype',
        'k.conkey',
        'k.confrelid',
        'k.confupdtype',
        'k.confdeltype',
        'k.confkey',
        'k.xmin',
      ],
      from: `pg_catalog.pg_constraint k LEFT JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) k.conrelid WHERE ${
        which === PERMANENT ? `k.conrelid OPERATOR(pg_catalog.=) 0::pg_catalog.oid OR ${which}` : which
      }`,
    },
    defaults: { columns: ['d.oid', 'd.adrelid', 'd.adnum', 'd.xmin'], from: of('pg_catalog.pg_attrdef d', 'd.adrelid') },
    policies: { columns: ['p.oid', 'p.polrelid', 'p.polcmd', 'p.xmin'], from: of('pg_catalog.pg_policy p', 'p.polrelid') },
  };
}

const DEPENDENCIES: Section = {
  columns: ['d.classid', 'd.objid', 'd.objsubid', 'd.refclassid', 'd.refobjid', 'd.refobjsubid'],
  from: `pg_catalog.pg_depend d WHERE
    (d.refclassid OPERATOR(pg_catalog.=) ANY (ARRAY[${CLASS.procedure}, ${CLASS.operator}, ${CLASS.opclass}]::pg_catalog.oid[])
      AND d.classid OPERATOR(pg_catalog.=) ANY (ARRAY[${CLASS.type}, ${CLASS.procedure}, ${CLASS.relation}, ${CLASS.default}, ${CLASS.constraint}, ${CLASS.trigger}, ${CLASS.policy}]::pg_catalog.oid[]))
    OR (d.refclassid OPERATOR(pg_catalog.=) ${CLASS.type}::pg_catalog.oid
      AND d.classid OPERATOR(pg_catalog.=) ANY (ARRAY[${CLASS.procedure}, ${CLASS.relation}, ${CLASS.default}, ${CLASS.constraint}, ${CLASS.trigger}, ${CLASS.policy}]::pg_catalog.oid[]))
    OR (d.refclassid OPERATOR(pg_catalog.=) ${CLASS.relation}::pg_catalog.oid AND d.refobjsubid OPERATOR(pg_catalog.>) 0
      AND d.classid OPERATOR(pg_catalog.=) ANY (ARRAY[${CLASS.relation}, ${CLASS.default}]::pg_catalog.oid[]))`,
};

const SHARED: { readonly [name in (typeof SHARED_SECTIONS)[number]]: Section } = {
  schemas: { columns: ['n.oid', 'n.nspname'], from: `pg_catalog.pg_namespace n WHERE ${NOT_TEMPORARY_SCHEMA}` },
  functions: {
    columns: [
      'p.oid',
      'p.proname',
      'n.nspname',
      'p.prokind',
      'l.lanname',
      'p.provolatile',
      'p.prosecdef',
      'p.pronargs',
      'p.pronargdefaults',
      'p.provariadic',
      'p.proargtypes',
      'p.prorettype',
      'p.proretset',
      `CASE WHEN l.lanname OPERATOR(pg_catalog.<>) 'sql' THEN NULL WHEN p.prosqlbody IS NULL THEN p.prosrc
        ELSE ${unlessLocked('pg_catalog.pg_get_function_sqlbody(p.oid)', CLASS.procedure, 'p.oid')} END`,
      'pg_catalog.array_to_json(p.proconfig)',
      // Everything else that a call's meaning depends on; node trees as digests.
      `CASE WHEN l.lanname OPERATOR(pg_catalog.=) 'internal' THEN p.prosrc ELSE ${sha256('p.prosrc')} END`,
      `pg_catalog.array_to_json(ARRAY[p.probin, p.proargnames::pg_catalog.text, p.proargmodes::pg_catalog.text,
        p.proallargtypes::pg_catalog.text, CASE WHEN p.proargdefaults IS NULL THEN NULL ELSE ${sha256('p.proargdefaults::pg_catalog.text')} END,
        CASE WHEN p.prosqlbody IS NULL THEN NULL ELSE ${sha256('p.prosqlbody::pg_catalog.text')} END])`,
    ],
    from: `pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace
      JOIN pg_catalog.pg_language l ON l.oid OPERATOR(pg_catalog.=) p.prolang WHERE ${NOT_TEMPORARY_SCHEMA}`,
  },
  types: {
    columns: [
      't.oid',
      't.typname',
      'n.nspname',
      't.typtype',
      't.typbasetype',
      't.typelem',
      // array_subscript_handler: what makes a type with elements a true array.
      't.typsubscript::pg_catalog.oid OPERATOR(pg_catalog.=) 6179::pg_catalog.oid',
      't.typrelid',
      'ARRAY[t.typinput, t.typoutput, t.typreceive, t.typsend, t.typmodin, t.typmodout, t.typanalyze, t.typsubscript]::pg_catalog.oid[]',
    ],
    from: `pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) t.typnamespace WHERE ${NOT_TEMPORARY_SCHEMA}`,
  },
  ranges: {
    columns: [
      'r.rngtypid',
      'r.rngmultitypid',
      'r.rngsubtype',
      'r.rngcanonical::pg_catalog.oid',
      'r.rngsubdiff::pg_catalog.oid',
      'r.rngsubopc',
    ],
    from: 'pg_catalog.pg_range r',
  },
  opclasses: {
    columns: [
      'o.oid',
      'o.opcintype',
      'o.opcdefault',
      'ARRAY(SELECT m.amproc::pg_catalog.oid FROM pg_catalog.pg_amproc m WHERE m.amprocfamily OPERATOR(pg_catalog.=) o.opcfamily)',
      `ARRAY(SELECT x.oprcode::pg_catalog.oid FROM pg_catalog.pg_amop m
        JOIN pg_catalog.pg_operator x ON x.oid OPERATOR(pg_catalog.=) m.amopopr WHERE m.amopfamily OPERATOR(pg_catalog.=) o.opcfamily)`,
    ],
    // A user's family may hold support functions for a built-in type, and the reverse: all families with an object of a user.
    from: `pg_catalog.pg_opclass o WHERE o.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid
      OR EXISTS (SELECT FROM pg_catalog.pg_amproc m WHERE m.amprocfamily OPERATOR(pg_catalog.=) o.opcfamily AND m.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid)
      OR EXISTS (SELECT FROM pg_catalog.pg_amop m WHERE m.amopfamily OPERATOR(pg_catalog.=) o.opcfamily AND m.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid)`,
  },
  operators: {
    columns: ['o.oid', 'n.nspname', 'o.oprname', 'o.oprcode::pg_catalog.oid'],
    from: `pg_catalog.pg_operator o JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) o.oprnamespace
      WHERE o.oprcode::pg_catalog.oid OPERATOR(pg_catalog.<>) 0::pg_catalog.oid AND ${NOT_TEMPORARY_SCHEMA}`,
  },
  casts: {
    columns: ['k.castsource', 'k.casttarget', 'k.castcontext', 'k.castfunc', 'k.oid'],
    from: `pg_catalog.pg_cast k WHERE k.castmethod OPERATOR(pg_catalog.<>) 'b'`,
  },
  eventTriggers: {
    columns: ['e.oid', 'e.evtfoid', 'e.evtevent', 'e.evtname'],
    from: `pg_catalog.pg_event_trigger e WHERE e.evtenabled OPERATOR(pg_catalog.<>) 'D'`,
  },
  dependencies: DEPENDENCIES,
};

/** Run once when the connection opens: names resolve in pg_catalog alone, and nothing waits for somebody's DDL. */
export const CATALOG_SESSION = [
  'SET search_path TO pg_catalog, pg_temp',
  'SET client_encoding TO UTF8',
  'SET standard_conforming_strings TO on',
  "SET lock_timeout TO '500ms'",
  "SET statement_timeout TO '20s'",
  "SET idle_in_transaction_session_timeout TO '30s'",
] as const;

/** One snapshot for all sections, and no write whatever happens. */
export const BEGIN_SNAPSHOT = 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY';
export const END_SNAPSHOT = 'COMMIT';

/** One statement per section, each a plain SELECT of text-convertible columns in a fixed order. */
export const CATALOG_SECTIONS: readonly { readonly name: SectionName; readonly sql: string }[] = [
  ...RELATION_SECTIONS.map((name) => ({ name, sql: plain(relationSections(PERMANENT)[name]) })),
  ...SHARED_SECTIONS.map((name) => ({ name, sql: plain(SHARED[name]) })),
];

/** A JSON expression over the caller's own temporary relations: the relation sections by name, as rows of text. */
export const OWN_TEMPORARY_JSON: string = json([
  ...RELATION_SECTIONS.map((name) => [name, relationSections(OWN_TEMPORARY)[name]] as const),
  ['dependencies', DEPENDENCIES] as const,
]);

function plain(section: Section): string {
  return `SELECT ${section.columns.join(', ')} FROM ${section.from} ORDER BY 1, 2`;
}

function json(sections: readonly (readonly [name: string, section: Section])[]): string {
  const parts = sections.map(([name, { columns, from }]) => {
    const row = columns.map((column) => `(${column})::pg_catalog.text`).join(', ');
    return `'${name}', (SELECT pg_catalog.json_agg(ARRAY[${row}]) FROM ${from})`;
  });
  return `pg_catalog.json_build_object(${parts.join(',\n')})`;
}
