import { afterAll, beforeAll, expect, test } from 'vitest';
import { REVIEWED_VOLATILE_FUNCTIONS, SAFE_FUNCTION_GROUPS } from '../../../../core/statement/sql/safe-function-oids.ts';
import { entriesOf, isSafeFunction, safeFunctions, safeFunctionsOf } from '../../../../core/statement/sql/safe-functions.ts';
import { startPostgres, type TestPostgres } from '../../../support/postgres.ts';
import { readCatalog, textConnection, type TextConnection } from '../../../support/text-connection.ts';

let postgres: TestPostgres;
let connection: TextConnection;
beforeAll(async () => {
  postgres = await startPostgres();
  connection = await textConnection(postgres);
});
afterAll(async () => {
  await connection.close();
  await postgres.stop();
});

/** Whatever their overloads: one of these names on the list would let a read write, run SQL, wait, or see what it may not. */
const DANGEROUS = `
query_to_xml query_to_xmlschema query_to_xml_and_xmlschema table_to_xml table_to_xmlschema table_to_xml_and_xmlschema schema_to_xml
schema_to_xmlschema schema_to_xml_and_xmlschema database_to_xml database_to_xmlschema database_to_xml_and_xmlschema cursor_to_xml
cursor_to_xmlschema ts_stat set_config nextval setval pg_sequence_last_value pg_read_file pg_read_binary_file pg_ls_dir pg_ls_logdir
pg_ls_waldir pg_ls_tmpdir pg_ls_archive_statusdir pg_stat_file pg_current_logfile lo_import lo_export lo_get lo_put lo_create lo_creat
lo_unlink lo_open lo_close lo_from_bytea lo_truncate lo_truncate64 lo_lseek lo_tell loread lowrite pg_sleep pg_sleep_for pg_sleep_until
pg_terminate_backend pg_cancel_backend pg_reload_conf pg_rotate_logfile pg_promote pg_switch_wal pg_create_restore_point
pg_backup_start pg_backup_stop pg_wal_replay_pause pg_wal_replay_resume pg_advisory_lock pg_advisory_xact_lock pg_advisory_lock_shared
pg_advisory_xact_lock_shared pg_advisory_unlock pg_advisory_unlock_all pg_advisory_unlock_shared pg_try_advisory_lock
pg_try_advisory_xact_lock pg_try_advisory_lock_shared pg_try_advisory_xact_lock_shared pg_notify pg_current_xact_id txid_current
pg_logical_emit_message pg_logical_slot_get_changes pg_logical_slot_peek_changes pg_logical_slot_get_binary_changes
pg_logical_slot_peek_binary_changes pg_create_logical_replication_slot pg_create_physical_replication_slot pg_drop_replication_slot
pg_copy_logical_replication_slot pg_copy_physical_replication_slot pg_replication_slot_advance pg_replication_origin_create
pg_replication_origin_drop pg_replication_origin_advance pg_replication_origin_session_setup pg_export_snapshot pg_stat_reset
pg_stat_reset_shared pg_stat_reset_single_table_counters pg_stat_reset_single_function_counters pg_stat_reset_slru
pg_stat_get_activity pg_stat_get_backend_activity pg_prepared_statement pg_cursor pg_get_backend_memory_contexts pg_mcv_list_items
pg_stat_get_wal_receiver pg_hba_file_rules pg_show_all_file_settings pg_ident_file_mappings brin_summarize_range
brin_summarize_new_values brin_desummarize_range gin_clean_pending_list pg_import_system_collations pg_extension_config_dump
pg_input_is_valid pg_input_error_info domain_in record_in array_in range_in multirange_in satisfies_hash_partition currtid2
pg_nextoid pg_stop_making_pinned_objects pg_log_backend_memory_contexts pg_log_standby_snapshot plpgsql_call_handler
fmgr_sql_validator plpgsql_validator pg_event_trigger_ddl_commands pg_sync_replication_slots`;

test('every OID on the list has the name it claims, in pg_catalog, and can be called', async () => {
  const rows = await connection.query(
    `select p.oid, p.proname from pg_proc p where pronamespace = 'pg_catalog'::regnamespace
       and (not 'internal'::regtype = any (proargtypes) or prorettype = 'tsm_handler'::regtype)`,
  );
  const actual = new Map(rows.map(([oid, name]) => [Number(oid), name]));
  const wrong = [...safeFunctions()].filter(([oid, name]) => actual.get(oid) !== name);
  expect(wrong).toEqual([]);
  expect(safeFunctions().size).toBeGreaterThan(2_400);
});

test('nothing on the list is volatile but what was reviewed by name', async () => {
  const reviewed = new Set(entriesOf(REVIEWED_VOLATILE_FUNCTIONS).map(([oid]) => oid));
  const rows = await connection.query(`select oid, proname from pg_proc where provolatile = 'v' and prorettype <> 'tsm_handler'::regtype`);
  expect(rows.filter(([oid]) => isSafeFunction(Number(oid)) && !reviewed.has(Number(oid)))).toEqual([]);
  const volatile = new Set(rows.map(([oid]) => Number(oid)));
  expect([...reviewed].filter((oid) => !volatile.has(oid))).toEqual([]);
});

test('no name that writes, runs SQL, waits, reads files or shows statements is on the list', () => {
  const listed = new Set(safeFunctions().values());
  expect(
    DANGEROUS.trim()
      .split(/\s+/u)
      .filter((name) => listed.has(name)),
  ).toEqual([]);
});

test('the names called dangerous exist, so that none is misspelled', async () => {
  const names = DANGEROUS.trim().split(/\s+/u);
  const rows = await connection.query('select distinct proname from pg_proc where pronamespace = 11');
  const existing = new Set(rows.map(([name]) => name));
  expect(names.filter((name) => !existing.has(name))).toEqual([]);
});

test('ts_rewrite is safe on values and unsafe on the text of a statement', async () => {
  const rows = await connection.query(
    `select 'ts_rewrite(tsquery, tsquery, tsquery)'::regprocedure::oid, 'ts_rewrite(tsquery, text)'::regprocedure::oid`,
  );
  expect(rows[0]?.map((oid) => isSafeFunction(Number(oid)))).toEqual([true, false]);
});

test('every operator, aggregate and cast of pg_catalog is safe', async () => {
  const rows = await connection.query(`
    select 'operator', oprname::text, oprcode::oid from pg_operator where oprnamespace = 11 and oprcode <> 0
    union all select 'aggregate', proname::text, oid from pg_proc where prokind in ('a', 'w') and pronamespace = 11
    union all select 'cast', castfunc::regproc::text, castfunc from pg_cast where castfunc <> 0`);
  expect(rows.length).toBeGreaterThan(1_000);
  expect(rows.filter(([, , oid]) => !isSafeFunction(Number(oid)))).toEqual([]);
});

test('SQL-language functions on the list call nothing that is not on it', async () => {
  const rows = await connection.query(`
    select p.oid, p.proname, coalesce(pg_get_function_sqlbody(p.oid), p.prosrc) from pg_proc p
    where p.pronamespace = 11 and p.prolang = 14 order by 1`);
  const safe = rows.filter(([oid]) => isSafeFunction(Number(oid)));
  expect(safe.length).toBeGreaterThan(40);
  // Words that stand before a parenthesis without being a call, and the aliases of FROM clauses.
  const words = new Set(['text', 'select', 'from', 'where', 'and', 'array', 'operator', 'overlaps', 'parse', 'tt', 'by', 'return']);
  const listed = new Set(safeFunctions().values());
  const called = safe.flatMap(([, , body]) =>
    [...(body ?? '').toLowerCase().matchAll(/([a-z_0-9]+)"?\s*\(/gu)].map((match) => match[1] ?? ''),
  );
  expect(called).toContain('ts_lexize');
  expect([...new Set(called)].filter((name) => !listed.has(name) && !words.has(name))).toEqual([]);
});

test('an OID is listed once', () => {
  const oids = SAFE_FUNCTION_GROUPS.flatMap(entriesOf).map(([oid]) => oid);
  expect(new Set(oids).size).toBe(oids.length);
  expect(oids.every((oid) => Number.isInteger(oid) && oid > 0 && oid < 10_000)).toBe(true);
});

test('a listed function that a superuser replaced is not safe on that target', async () => {
  await postgres.createDatabase('replaced');
  await postgres.script(
    `create or replace function pg_catalog.chr(int) returns text language plpgsql immutable strict as $$ begin return 'x'; end $$;`,
    'replaced',
  );
  const original = await textConnection(postgres);
  const other = await textConnection(postgres, 'replaced');
  const before = safeFunctionsOf((await readCatalog(original)).catalog);
  const after = safeFunctionsOf((await readCatalog(other)).catalog);
  const [row] = await connection.query(`select 'pg_catalog.chr(int)'::regprocedure::oid, 'pg_catalog.ascii(text)'::regprocedure::oid`);
  expect(row?.map((oid) => before(Number(oid)))).toEqual([true, true]);
  expect(row?.map((oid) => after(Number(oid)))).toEqual([false, true]);
  await original.close();
  await other.close();
});
