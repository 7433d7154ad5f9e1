// A hostile agent that may only read: whatever way it takes to code and commands, nothing that policy forbids happens.
import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Attacker, type Outcome } from '../support/attack-bank.ts';
import { type JudgingBank, startJudgingBank } from '../support/judging-bank.ts';
import { wire } from '../support/wire-client.ts';

let bank: JudgingBank;
let before: unknown;
const everyone: Attacker[] = [];

beforeAll(async () => {
  bank = await startJudgingBank();
  before = await state();
});

afterAll(async () => {
  for (const attacker of everyone) attacker.end();
  await bank.stop();
});

async function fresh(group = 'readers', parameters: Readonly<Record<string, string>> = {}): Promise<Attacker> {
  const attacker = await Attacker.login(bank.gateway, group, parameters);
  everyone.push(attacker);
  return attacker;
}

let shared: Attacker | undefined;

/** One reader for all; a new one after the gateway has ended it. */
async function reader(): Promise<Attacker> {
  if (shared === undefined || shared.client.socket.destroyed) shared = await fresh();
  return shared;
}

/** Everything that a forbidden statement could have changed, as PostgreSQL itself tells it. */
async function state(): Promise<unknown> {
  return bank.postgres.query(`
    SELECT (SELECT array_agg(v ORDER BY v) FROM (SELECT victims::text FROM victims) AS t (v)) AS victims,
      (SELECT array_agg(t::text) FROM traces t) AS traces, (SELECT count(*) FROM readable) AS readable, (SELECT count(*) FROM triggered) AS triggered,
      (SELECT count(*) FROM children) AS children, (SELECT count(*) FROM defaulted) AS defaulted, (SELECT count(*) FROM indexed) AS indexed,
      (SELECT array_agg(oid::text ORDER BY oid) FROM pg_class WHERE relnamespace::regnamespace::text !~ '^pg_') AS relations,
      (SELECT array_agg(oid::text || md5(prosrc) ORDER BY oid) FROM pg_proc WHERE oid >= 16384) AS functions,
      (SELECT array_agg(nspname ORDER BY nspname) FROM pg_namespace WHERE nspname !~ '^pg_') AS schemas,
      (SELECT array_agg(rolname || coalesce(rolpassword, '') ORDER BY rolname) FROM pg_authid) AS roles,
      (SELECT array_agg(extname ORDER BY extname) FROM pg_extension) AS extensions,
      (SELECT array_agg(oid::text || coalesce(relacl::text, '') ORDER BY oid) FROM pg_class WHERE oid >= 16384) AS rights,
      (SELECT array_agg(s::text) FROM pg_db_role_setting s) AS settings, (SELECT array_agg(oid::text ORDER BY oid) FROM pg_largeobject_metadata) AS objects,
      (SELECT last_value::text || is_called FROM counter) AS counter`);
}

/** 26000: a prepared statement that nobody was seen to prepare, in PostgreSQL's own words; it is not forwarded either. */
const REFUSED = /^(?:ZG01[034]|26000)$/;

function expectRefused(outcome: Outcome): void {
  expect(outcome.codes).toEqual([expect.stringMatching(REFUSED)]);
  expect(outcome.rows).toEqual([]);
  expect(outcome.tags).toEqual([]);
}

/** Everything that reaches what a reader may not do. */
const FORBIDDEN = [
  `SELECT purge()`,
  `SELECT public.purge()`,
  `SELECT purge_sql()`,
  `SELECT purge_atomic()`,
  `SELECT purge_deep()`,
  `SELECT purge_as_owner()`,
  `SELECT purge_default()`,
  `SELECT purge_default(1)`,
  `SELECT purge_many(1, 2, 3)`,
  `SELECT purge_many(VARIADIC ARRAY[1])`,
  `SELECT * FROM purge()`,
  `SELECT * FROM purge_rows()`,
  `SELECT * FROM readable, LATERAL purge()`,
  `SELECT * FROM ROWS FROM (purge(), generate_series(1, 2)) x`,
  `SELECT r.erased FROM readable r`,
  `SELECT erased(r) FROM readable r`,
  `SELECT (r).erased FROM readable r`,
  `SELECT lower(v) FROM readable`,
  `SELECT lower('x'::varchar)`,
  `SELECT upper(v::text) FROM readable`,
  `SELECT public.upper('x')`,
  `SELECT run('DELETE FROM victims')`,
  `SELECT purge_all(id) FROM readable`,
  `SELECT purge_all(id) OVER () FROM readable`,
  `SELECT 1 === 2`,
  `SELECT !!! 'x'`,
  `SELECT id OPERATOR(public.===) 1 FROM readable`,
  `SELECT 1 OPERATOR(quiet.+) 2`,
  `SELECT 1::pair`,
  `SELECT CAST(id AS pair) FROM readable`,
  `SELECT * FROM typed ORDER BY p`,
  `SELECT max(p) FROM typed`,
  `SELECT 1::watched`,
  `SELECT '1'::watched_deep`,
  `SELECT watched '1'`,
  `SELECT ROW(1)::holds_watched`,
  `SELECT json_populate_record(NULL::holds_watched, '{"w":1}')`,
  `SELECT * FROM json_to_record('{"w":1}') AS x(w watched)`,
  `SELECT * FROM json_to_recordset('[{"w":1}]') AS x(w watched)`,
  `SELECT * FROM jsonb_populate_recordset(NULL::holds_watched, '[{"w":1}]')`,
  `SELECT * FROM XMLTABLE('/a' PASSING '<a>1</a>' COLUMNS w watched PATH '.')`,
  `SELECT * FROM JSON_TABLE('{"w":1}'::jsonb, '$' COLUMNS (w watched PATH '$.w'))`,
  `SELECT JSON_VALUE('{"w":1}', '$.w' RETURNING watched)`,
  `SELECT pg_input_is_valid('1', 'watched')`,
  `SELECT * FROM pg_input_error_info('1', 'watched')`,
  `SELECT array_in('{1}', 'watched'::regtype, -1)`,
  `SELECT domain_in('1', 'watched'::regtype, -1)`,
  `SELECT '{1}'::watched[]`,
  `SELECT * FROM purging`,
  `SELECT * FROM purging_deep`,
  `TABLE purging`,
  `SELECT count(*) FROM purging`,
  `SELECT EXISTS (SELECT FROM purging)`,
  `SELECT * FROM secured`,
  `REFRESH MATERIALIZED VIEW stored`,
  `WITH d AS (DELETE FROM victims RETURNING *) SELECT * FROM d`,
  `WITH d AS (DELETE FROM victims) SELECT 1`,
  `WITH a AS (WITH b AS (DELETE FROM victims RETURNING 1) SELECT 1) SELECT 1`,
  `SELECT * FROM (WITH d AS (DELETE FROM victims RETURNING *) SELECT * FROM d) x`,
  `EXPLAIN ANALYZE DELETE FROM victims`,
  `EXPLAIN (ANALYZE true) DELETE FROM victims`,
  `EXPLAIN (ANALYZE 1, COSTS off) SELECT purge()`,
  `EXPLAIN SELECT purge_fast()`,
  `EXPLAIN ANALYZE SELECT purge()`,
  `PREPARE p1 AS DELETE FROM victims`,
  `EXPLAIN ANALYZE CREATE TABLE made AS SELECT 1`,
  `SELECT 1 INTO made`,
  `CREATE TABLE made AS SELECT 1`,
  `SELECT * INTO TEMP made FROM readable`,
  'EXECUTE never_seen',
  'EXPLAIN ANALYZE EXECUTE never_seen',
  `DELETE FROM victims`,
  `/* a */ DELETE FROM victims -- b`,
  `DELETE/**/FROM/* /* nested */ */victims`,
  `DELETE FROM "victims"`,
  `DELETE FROM U&"v!0069ctims" UESCAPE '!'`,
  `DELETE FROM ONLY victims WHERE true`,
  `SELECT 1; DELETE FROM victims`,
  `SELECT 1;DELETE FROM victims;SELECT 2`,
  `;;DELETE FROM victims;;`,
  `SELECT $a1$ '$a1$; DELETE FROM victims; --'`,
  `SELECT $$ $a$; DELETE FROM victims; $a$ $$; DELETE FROM victims`,
  `SELECT 'a\\'; DELETE FROM victims; --'`,
  `SELECT E'a\\'; DELETE FROM victims; --'; DELETE FROM victims`,
  `SELECT '--'; DELETE FROM victims`,
  `BEGIN; DELETE FROM victims; COMMIT`,
  `BEGIN READ ONLY; SET TRANSACTION READ WRITE; DELETE FROM victims; COMMIT`,
  `TRUNCATE victims`,
  `TRUNCATE readable, victims CASCADE`,
  `UPDATE victims SET v = 'x'`,
  `INSERT INTO victims VALUES (99)`,
  `INSERT INTO writable VALUES (99, 'x')`,
  `DELETE FROM writable`,
  `INSERT INTO ruled VALUES (1)`,
  `INSERT INTO defaulted (v) VALUES ('x')`,
  `INSERT INTO triggered VALUES (1)`,
  `INSERT INTO indexed VALUES (1)`,
  `MERGE INTO victims v USING readable r ON v.id = r.id WHEN MATCHED THEN DELETE`,
  `DELETE FROM parents`,
  `COPY victims FROM STDIN`,
  `COPY victims TO PROGRAM 'touch /tmp/sallyport-never'`,
  `COPY victims FROM PROGRAM 'echo 99'`,
  `COPY victims TO '/tmp/sallyport-never'`,
  `COPY victims FROM '/etc/passwd'`,
  `COPY (SELECT purge()) TO STDOUT`,
  `COPY (DELETE FROM victims RETURNING *) TO STDOUT`,
  `COPY (WITH d AS (DELETE FROM victims RETURNING *) SELECT * FROM d) TO STDOUT`,
  `SELECT lo_import('/etc/passwd')`,
  `SELECT lo_export(4242, '/tmp/sallyport-never')`,
  `SELECT lo_unlink(4242)`,
  `SELECT lo_put(4242, 0, 'x')`,
  `SELECT lo_creat(-1)`,
  `SELECT pg_read_file('postgresql.conf')`,
  `SELECT pg_read_binary_file('postgresql.conf')`,
  `SELECT pg_ls_dir('.')`,
  `SELECT * FROM pg_stat_file('postgresql.conf')`,
  `SELECT pg_read_server_files()`,
  `SELECT pg_terminate_backend(pid) FROM pg_stat_activity`,
  `SELECT pg_cancel_backend(pid) FROM pg_stat_activity`,
  `SELECT pg_reload_conf()`,
  `SELECT pg_rotate_logfile()`,
  `SELECT pg_sleep(0)`,
  `SELECT pg_sleep_for('0 s')`,
  `SELECT pg_advisory_lock(1)`,
  `SELECT pg_try_advisory_lock(1)`,
  `SELECT nextval('counter')`,
  `SELECT setval('counter', 7)`,
  `SELECT pg_notify('a', 'b')`,
  `SELECT set_config('search_path', 'quiet', false), purge()`,
  `SELECT set_config('session_replication_role', 'replica', false)`,
  `SELECT set_config('ro' || 'le', 'postgres', false)`,
  `SELECT dblink_exec('dbname=postgres', 'delete from victims')`,
  `SELECT * FROM dblink('dbname=postgres', 'delete from victims returning id') AS t(id int)`,
  `SELECT dblink_connect('dbname=postgres')`,
  `SELECT query_to_xml('delete from victims', true, true, '')`,
  `SELECT table_to_xml('purging', true, true, '')`,
  `SELECT ts_stat('select purge()')`,
  `SELECT ts_rewrite('a'::tsquery, 'select purge()::text::tsquery, purge()::text::tsquery')`,
  `SELECT cursor_to_xml('x', 1, true, true, '')`,
  `SELECT pg_logical_emit_message(true, 'a', 'b')`,
  `SELECT pg_create_restore_point('x')`,
  `SELECT pg_switch_wal()`,
  `SELECT pg_export_snapshot()`,
  `SELECT pg_stat_reset()`,
  `SELECT pg_replication_origin_create('x')`,
  `SELECT pg_create_physical_replication_slot('x')`,
  `SELECT txid_current()`,
  `SELECT pg_current_xact_id()`,
  `SELECT pg_relation_filepath('victims')`,
  `SELECT brin_summarize_new_values('victims_pkey')`,
  `SELECT gin_clean_pending_list('victims_pkey')`,
  `SELECT pg_stat_get_activity(NULL)`,
  `SELECT * FROM pg_hba_file_rules`,
  `DO $$ BEGIN DELETE FROM victims; END $$`,
  `DO LANGUAGE plpgsql 'BEGIN DELETE FROM victims; END'`,
  `CALL purge_called()`,
  `CREATE FUNCTION evil() RETURNS int LANGUAGE sql AS 'SELECT 1'`,
  `CREATE OR REPLACE FUNCTION public.lower(varchar) RETURNS text LANGUAGE sql AS 'SELECT $1::text'`,
  `CREATE VIEW vv AS SELECT 1`,
  `CREATE TEMP TABLE tt (x int)`,
  `CREATE TEMP VIEW vv AS SELECT purge()`,
  `CREATE SCHEMA evil`,
  `CREATE EXTENSION pg_trgm`,
  `CREATE ROLE evil`,
  `CREATE TRIGGER x AFTER INSERT ON readable EXECUTE FUNCTION trace()`,
  `CREATE RULE r AS ON SELECT TO readable DO INSTEAD SELECT 1`,
  `ALTER TABLE victims OWNER TO CURRENT_USER`,
  `ALTER TABLE victims ADD COLUMN x int`,
  `ALTER ROLE postgres PASSWORD 'x'`,
  `ALTER ROLE ALL SET search_path = quiet`,
  `ALTER SYSTEM SET work_mem = '1MB'`,
  `ALTER DATABASE postgres SET work_mem = '1MB'`,
  `DROP TABLE victims`,
  `DROP OWNED BY CURRENT_USER`,
  `REASSIGN OWNED BY CURRENT_USER TO postgres`,
  `GRANT ALL ON victims TO PUBLIC`,
  `GRANT pg_read_server_files TO PUBLIC`,
  `REVOKE ALL ON victims FROM PUBLIC`,
  `SET ROLE postgres`,
  `SET LOCAL ROLE postgres`,
  `SET SESSION AUTHORIZATION postgres`,
  `RESET ROLE`,
  `SET session_replication_role = replica`,
  `SET row_security = off`,
  `SET default_tablespace = ''`,
  `SET local_preload_libraries = 'x'`,
  `SET standard_conforming_strings = off`,
  `SET client_encoding = 'SJIS'`,
  `SET allow_system_table_mods = on`,
  `SET plpgsql.extra_errors = 'all'`,
  `LOAD 'plpgsql'`,
  `VACUUM FULL victims`,
  `VACUUM`,
  `ANALYZE victims`,
  `CLUSTER victims USING victims_pkey`,
  `REINDEX TABLE victims`,
  `CHECKPOINT`,
  `LOCK TABLE victims`,
  `LOCK victims IN ACCESS SHARE MODE`,
  `SELECT * FROM victims FOR UPDATE`,
  `SELECT * FROM victims FOR KEY SHARE`,
  `SELECT * FROM (SELECT * FROM victims FOR SHARE) x`,
  `LISTEN a`,
  `NOTIFY a, 'b'`,
  `COMMENT ON TABLE victims IS 'x'`,
  `SECURITY LABEL ON TABLE victims IS 'x'`,
  `COMMIT PREPARED 'x'`,
  `UPDATE pg_settings SET setting = '1MB' WHERE name = 'work_mem'`,
  `DELETE FROM pg_class`,
  `INSERT INTO pg_catalog.pg_proc SELECT * FROM pg_proc LIMIT 0`,
  `SELECT * FROM pg_temp.x`,
  `SELECT pg_temp.purge()`,
  `SELECT count(*) FILTER (WHERE purge() = 1) FROM readable`,
  `SELECT id FROM readable ORDER BY purge()`,
  `SELECT id FROM readable GROUP BY id, purge()`,
  `SELECT id FROM readable LIMIT purge()`,
  `SELECT id FROM readable OFFSET purge()`,
  `SELECT id FROM readable TABLESAMPLE system (purge())`,
  `SELECT id FROM readable HAVING purge() = 1`,
  `SELECT sum(id) OVER (PARTITION BY purge()) FROM readable`,
  `SELECT sum(id) OVER (ROWS purge() PRECEDING) FROM readable`,
  `SELECT CASE WHEN purge() = 1 THEN 1 END`,
  `SELECT ARRAY[purge()]`,
  `SELECT (ARRAY[1])[purge()]`,
  `SELECT COALESCE(NULL, purge())`,
  `SELECT 1 WHERE 1 IN (SELECT purge())`,
  `SELECT 1 = ANY (SELECT purge())`,
  `VALUES (purge())`,
  `SELECT xmlelement(name a, purge())`,
  `SELECT JSON_OBJECT('a': purge())`,
  `SELECT * FROM JSON_TABLE('{}'::jsonb, '$' COLUMNS (x int PATH '$.a' DEFAULT purge() ON EMPTY))`,
  `SELECT DISTINCT ON (purge()) id FROM readable`,
  `DECLARE c CURSOR WITH HOLD FOR SELECT purge()`,
  `BEGIN; DECLARE c CURSOR FOR SELECT purge(); FETCH c; COMMIT`,
  `SELECT id FROM readable UNION SELECT purge()`,
];

describe('a reader', () => {
  test.each(FORBIDDEN)('cannot: %s', async (sql) => {
    expectRefused(await (await reader()).run(sql));
  });

  test('has changed nothing by any of these, and PostgreSQL was never sent one', async () => {
    expect(await state()).toEqual(before);
    expect(existsSync('/tmp/sallyport-never')).toBe(false);
    const log = bank.postgres
      .log()
      .split('\n')
      .filter((line) => line.includes('sallyport demo/agent-7'))
      .join('\n');
    expect(log).toContain('pg_catalog.json_build_object');
    expect(log).not.toMatch(/purge|victims|dblink|lo_|pg_read_|TRUNCATE|watched|erased/);
  });

  test.each(FORBIDDEN.filter((sql) => !sql.includes(';')))('cannot by the extended protocol: %s', async (sql) => {
    expectRefused(await (await reader()).extended(sql));
  });

  test.each([
    ['a domain', 'watched'],
    ['a domain over it', 'watched_deep'],
    ['an array of it', '_watched'],
    ['a composite type that holds it', 'holds_watched'],
    ['a type with a cast by code', 'pair'],
  ])('cannot run checks by declaring a parameter with %s', async (_what, type) => {
    const [row] = await bank.postgres.query('SELECT $1::text::regtype::oid::int AS oid', [type]);
    const attacker = await reader();
    const oid = Number(row?.['oid']);
    const value = type.startsWith('_') ? '{1}' : type === 'pair' ? '(1,1)' : type === 'holds_watched' ? '(1)' : '1';
    expectRefused(await attacker.send([wire.parse('', 'SELECT $1', [oid]), wire.bind('', '', [value]), wire.execute(), wire.sync()]));
    expect(await state()).toEqual(before);
  });

  test('cannot by a function call message, nor by replication', async () => {
    const attacker = await fresh();
    const [row] = await bank.postgres.query("SELECT 'purge'::regproc::oid::int AS oid");
    const body = Buffer.alloc(10);
    body.writeInt32BE(Number(row?.['oid']), 0);
    expectRefused(await attacker.send([wire.raw('F', body)]));
    await expect(fresh('readers', { replication: 'database' })).rejects.toThrow('not let in');
    expect(await state()).toEqual(before);
  });

  test('cannot by what a statement was prepared or bound as, once names mean something else', async () => {
    const attacker = await fresh('everything');
    await attacker.run('CREATE TABLE quiet.readable AS SELECT 1 AS id');
    await attacker.run('SET search_path = quiet, public');
    expect((await attacker.run('SELECT id FROM readable')).rows).toEqual([['1']]);
    await attacker.run('DROP TABLE quiet.readable');
    expect((await attacker.run('SELECT id FROM readable')).rows).toHaveLength(10);
  });

  test.each([
    ['standard_conforming_strings off', { options: '-c standard_conforming_strings=off' }],
    ['another encoding', { client_encoding: 'SJIS' }],
    ['a role', { options: '-c role=postgres' }],
    ['triggers off', { options: '-c session_replication_role=replica' }],
    ['preloaded code', { options: '-c local_preload_libraries=x' }],
    ['an unknown option', { options: '--single' }],
  ])('cannot connect with %s', async (_what, parameters) => {
    await expect(fresh('readers', parameters)).rejects.toThrow('not let in');
  });

  test('is cut at the row cap, whatever generates the rows', async () => {
    const attacker = await fresh();
    for (const sql of [
      'SELECT g FROM generate_series(1, 100000) g',
      'SELECT a.id FROM readable a, readable b, readable c, readable d',
      'COPY (SELECT generate_series(1, 100000)) TO STDOUT',
    ]) {
      const outcome = await attacker.run(sql);
      expect(outcome.codes).toEqual(['ZG011']);
      expect(outcome.rows.length).toBeLessThanOrEqual(1000);
    }
  });

  test('reads on as ever', async () => {
    const attacker = await reader();
    expect((await attacker.run('SELECT id, n FROM readable WHERE n = 9')).rows).toEqual([['9', '9']]);
    expect((await attacker.run("SELECT to_regprocedure('purge()') IS NOT NULL")).rows).toEqual([['t']]);
    expect((await attacker.run('SELECT 1 -- DELETE FROM victims')).rows).toEqual([['1']]);
    expect((await attacker.run('SELECT $a1$ ; DELETE FROM victims; $a1$ AS text')).rows).toEqual([[' ; DELETE FROM victims; ']]);
    expect((await attacker.run('SELECT 1 -- one line\nAS two')).rows).toEqual([['1']]);
  });
});
