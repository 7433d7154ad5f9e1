/**
 * Reads what a session's names mean on the session's own connection: one statement, one row, one column of JSON text,
 * without side effects and safe inside a transaction. It may run while the search path is hostile, so every name is
 * spelled with its schema and nothing looks an operator up by bare name.
 */
import { OWN_TEMPORARY_JSON } from './catalog-query.ts';

export { buildSessionState, TemporaryUnread } from './state-build.ts';

/**
 * Where a setting must come from to count as not at its default: by the client, by SET, by ALTER DATABASE or ALTER ROLE.
 * The server's own files and command line are the same for every session.
 */
const SOURCES = ['database', 'user', 'database user', 'client', 'interactive', 'session'];

const NO_TEMPORARY = 'pg_catalog.pg_my_temp_schema() OPERATOR(pg_catalog.=) 0::pg_catalog.oid';
const UNREAD = `pg_catalog.to_json('unread'::pg_catalog.text)`;

const TEMPORARY_CODE = `(EXISTS (SELECT FROM pg_catalog.pg_proc p WHERE p.pronamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema())
  OR EXISTS (SELECT FROM pg_catalog.pg_operator o WHERE o.oprnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema())
  OR EXISTS (SELECT FROM pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_type e ON e.oid OPERATOR(pg_catalog.=) t.typelem
      LEFT JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) COALESCE(e.typrelid, t.typrelid)
    WHERE t.typnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema() AND (c.oid IS NULL OR c.relkind OPERATOR(pg_catalog.=) 'c')))`;

/** Names in ALTER DATABASE and ALTER ROLE settings that pg_settings does not list: custom ones, as row security uses them. */
const CONFIGURED_CUSTOM = `SELECT pg_catalog.split_part(v.v, '=', 1) AS name FROM pg_catalog.pg_db_role_setting r,
  LATERAL pg_catalog.unnest(r.setconfig) AS v(v)
  WHERE (r.setdatabase OPERATOR(pg_catalog.=) 0::pg_catalog.oid OR r.setdatabase OPERATOR(pg_catalog.=)
      (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()))
    AND pg_catalog.strpos(pg_catalog.split_part(v.v, '=', 1), '.') OPERATOR(pg_catalog.>) 0`;

/**
 * The statement to run. PostgreSQL lists no custom settings (`app.tenant`): the ones that this session was seen to set
 * are passed by name, so that they count too. With `skip` it takes half the time (1 ms), and where there are temporary
 * objects `buildSessionState` throws TemporaryUnread: then it must be asked with `read`.
 */
export function stateQuery(customSettings: readonly string[] = [], temporary: 'read' | 'skip' = 'read'): string {
  const seen = customSettings.map((name) => `SELECT ${quoted(name)}::pg_catalog.text`);
  const custom = [CONFIGURED_CUSTOM, ...seen].join(' UNION ALL ');
  return `SELECT pg_catalog.json_build_object(
    'searchPath', pg_catalog.current_schemas(true), 'sessionUser', SESSION_USER, 'currentUser', CURRENT_USER,
    'tempSchema', (SELECT n.nspname FROM pg_catalog.pg_namespace n WHERE n.oid OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()),
    'tempCode', CASE WHEN ${NO_TEMPORARY} THEN false ELSE ${temporary === 'skip' ? 'true' : TEMPORARY_CODE} END,
    'temporary', CASE WHEN ${NO_TEMPORARY} THEN NULL ELSE ${temporary === 'skip' ? UNREAD : OWN_TEMPORARY_JSON} END,
    'settings', (SELECT pg_catalog.json_agg(ARRAY[s.name, s.setting]) FROM pg_catalog.pg_show_all_settings() s
      WHERE s.source OPERATOR(pg_catalog.=) ANY (ARRAY[${SOURCES.map(quoted).join(', ')}]::pg_catalog.text[])),
    'custom', (SELECT pg_catalog.json_agg(ARRAY[c.name, pg_catalog.current_setting(c.name, true)]) FROM (${custom}) AS c(name)),
    'prepared', (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(p.name, p.statement, p.from_sql)) FROM pg_catalog.pg_prepared_statement() p)
  )::pg_catalog.text`;
}

/** An escape string: it reads the same whatever standard_conforming_strings is. */
function quoted(value: string): string {
  return `E'${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
}
