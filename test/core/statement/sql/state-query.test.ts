import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Catalog } from '../../../../core/statement/sql/catalog.ts';
import { buildSessionState, stateQuery } from '../../../../core/statement/sql/state-query.ts';
import type { SessionState } from '../../../../core/statement/sql/session-state.ts';
import { startPostgres, type TestPostgres } from '../../../support/postgres.ts';
import { readCatalog, textConnection, type TextConnection } from '../../../support/text-connection.ts';

const SCHEMA = `
create schema hostile;
create function hostile.refuse_oid(oid, oid) returns boolean language plpgsql as $$ begin raise exception 'shadowed'; end $$;
create function hostile.refuse_text(text, text) returns boolean language plpgsql as $$ begin raise exception 'shadowed'; end $$;
create function hostile.refuse_char("char", "char") returns boolean language plpgsql as $$ begin raise exception 'shadowed'; end $$;
create function hostile.refuse_int2(int2, int2) returns boolean language plpgsql as $$ begin raise exception 'shadowed'; end $$;
create operator hostile.= (leftarg = oid, rightarg = oid, function = hostile.refuse_oid);
create operator hostile.<> (leftarg = oid, rightarg = oid, function = hostile.refuse_oid);
create operator hostile.= (leftarg = text, rightarg = text, function = hostile.refuse_text);
create operator hostile.= (leftarg = "char", rightarg = "char", function = hostile.refuse_char);
create operator hostile.<> (leftarg = "char", rightarg = "char", function = hostile.refuse_char);
create operator hostile.> (leftarg = int2, rightarg = int2, function = hostile.refuse_int2);
create function hostile.current_schemas(boolean) returns name[] language plpgsql as $$ begin raise exception 'shadowed'; end $$;
create function hostile.json_build_object(variadic "any") returns json language internal as 'json_build_object';
create function hostile.current_setting(text, boolean) returns text language plpgsql as $$ begin raise exception 'shadowed'; end $$;
create view hostile.pg_namespace as select 'x'::name as nspname;
create view hostile.pg_type as select 1 as oid;
create domain hostile.text as pg_catalog.text check (false);
create domain hostile.oid as pg_catalog.oid check (false);
create function public.checked(pg_catalog.text) returns boolean language plpgsql as $$ begin return true; end $$;
create domain public.code as pg_catalog.text check (checked(value));
create table public.customers (id int primary key, ssn pg_catalog.text);
create role agent login password 'agent';
grant create, temporary on database postgres to agent;
grant usage on schema hostile to agent;
alter role agent set app.tenant = '7';
alter role agent set statement_timeout = '9s';`;

let postgres: TestPostgres;
let session: TextConnection;
let catalog: Catalog;

beforeAll(async () => {
  postgres = await startPostgres();
  await postgres.script(SCHEMA);
  const own = await textConnection(postgres);
  catalog = (await readCatalog(own)).catalog;
  await own.close();
});
afterAll(() => postgres.stop());
beforeEach(async () => {
  session = await textConnection({ ...postgres, password: 'agent' }, 'postgres', 'agent');
});
afterEach(() => session.close());

async function state(custom?: readonly string[]): Promise<SessionState> {
  const [row] = await session.query(stateQuery(custom));
  expect(row).toHaveLength(1);
  return buildSessionState(row?.[0] ?? '', catalog);
}

test('a new session has its path, its roles, and what was configured for it', async () => {
  expect(await state()).toMatchObject({
    searchPath: ['pg_catalog', 'public'],
    sessionUser: 'agent',
    currentUser: 'agent',
    tempRelations: [],
    tempCode: false,
    prepared: [],
  });
  const { settings, tempSchema } = await state();
  expect(tempSchema).toBeUndefined();
  expect(settings).toContainEqual(['app.tenant', '7']);
  expect(settings).toContainEqual(['statement_timeout', '9000']);
  expect(settings.map(([name]) => name)).toEqual(settings.map(([name]) => name).sort());
});

test('the answer is the same on a path where every operator, function and type is shadowed', async () => {
  await session.query('create temporary table mine (a int primary key, b public.code)');
  const before = await state(['app.tenant']);
  await session.query('set search_path = hostile, pg_temp, public, pg_catalog');
  const after = await state(['app.tenant']);
  expect(after.searchPath).toEqual(['hostile', after.tempSchema, 'public', 'pg_catalog']);
  expect(after.tempRelations).toEqual(before.tempRelations);
  expect(after.version).not.toBe(before.version);
});

test('reading has no effect on the session or its transaction', async () => {
  await session.query('begin');
  await session.query('set local search_path = hostile, public');
  await state();
  expect(await session.query('select pg_current_xact_id_if_assigned()')).toEqual([[null]]);
  expect((await state()).searchPath).toEqual(['pg_catalog', 'hostile', 'public']);
  await session.query('rollback');
  expect((await state()).searchPath).toEqual(['pg_catalog', 'public']);
});

test('a role taken on shows as the current one, and takes the path with it', async () => {
  await postgres.script('create role clerk; grant clerk to agent; create schema clerk authorization clerk;');
  await session.query('set search_path = "$user", public');
  await session.query('set role clerk');
  expect(await state()).toMatchObject({ sessionUser: 'agent', currentUser: 'clerk', searchPath: ['pg_catalog', 'clerk', 'public'] });
});

test('temporary relations are read with columns, checks and views, before they are committed', async () => {
  await session.query('begin');
  await session.query('create temporary table customers (id int primary key, code public.code, n int check (n > 0))');
  await session.query('create temporary view seen as select id from customers');
  const { tempRelations, tempSchema, tempCode } = await state();
  expect(tempRelations.map((relation) => [relation.schema === tempSchema, relation.name, relation.kind])).toEqual([
    [true, 'customers', 'table'],
    [true, 'customers_pkey', 'index'],
    [true, 'seen', 'view'],
  ]);
  const [customers, , seen] = tempRelations;
  expect(customers).toMatchObject({ temporary: true, uniqueKeys: [[1]], constrained: [2, 3] });
  expect(customers?.writeFunctions.map((oid) => catalog.functions.get(oid)?.name)).toEqual(['checked']);
  expect(seen?.viewDefinition).toContain('FROM customers');
  expect(tempCode).toBe(false);
  await session.query('rollback');
  expect((await state()).tempRelations).toEqual([]);
});

test('a temporary table of a type that is not committed is written with code that nobody has read', async () => {
  await session.query('begin; create schema own; create domain own.fresh as int check (value > 0); create temporary table t (a own.fresh)');
  const [table] = (await state()).tempRelations;
  expect(table?.writeFunctions).toEqual([table?.columns[0]?.typeOid]);
  await session.query('rollback');
});

test.each([
  ['a function', 'create function pg_temp.lower(text) returns text language sql as $$ select $1 $$'],
  ['an operator', 'create operator pg_temp.=== (leftarg = int, rightarg = int, function = int4eq)'],
  ['a domain', `create domain pg_temp.d as int check (value > 0)`],
  ['an enum', `create type pg_temp.e as enum ('a')`],
  ['a composite type', 'create type pg_temp.c as (a int)'],
])('%s in pg_temp is temporary code', async (_what, ddl) => {
  await session.query('create temporary table plain (a int[], b text)');
  expect((await state()).tempCode).toBe(false);
  await session.query(ddl);
  expect((await state()).tempCode).toBe(true);
});

test('the version changes with every setting that counts, and not with the names of sessions or our own settings', async () => {
  const { version } = await state(['app.who', 'sallyport.reason']);
  await session.query(`set application_name = 'other'`);
  await session.query(`set sallyport.reason = 'x'`);
  expect((await state(['app.who', 'sallyport.reason'])).version).toBe(version);
  const versions = new Set([version]);
  for (const change of [`set work_mem = '5MB'`, `set app.who = '1'`, `set app.who = '2'`, 'set role none', 'set row_security = off']) {
    await session.query(change);
    versions.add((await state(['app.who', 'sallyport.reason'])).version);
  }
  // SET ROLE NONE changes nothing.
  expect(versions.size).toBe(5);
});

test('a name of a custom setting is a value wherever it stands', async () => {
  const names = [`a'b.c`, String.raw`a\.b`, `x'); drop table customers; --`];
  expect((await state(names)).settings.map(([name]) => name)).not.toContain(`a'b.c`);
});

test('prepared statements are told with their text and where they come from, and do not change the version', async () => {
  const { version } = await state();
  await session.query('prepare gone as delete from public.customers');
  const after = await state();
  expect(after.prepared).toEqual([{ name: 'gone', text: 'prepare gone as delete from public.customers', fromSql: true }]);
  expect(after.version).toBe(version);
});

test('the brief question answers alike until there are temporary objects, and then says that it must be asked in full', async () => {
  const brief = async () => buildSessionState((await session.query(stateQuery([], 'skip')))[0]?.[0] ?? '', catalog);
  expect(await brief()).toEqual(await state());
  await session.query('create temporary table mine (a int)');
  await expect(brief()).rejects.toMatchObject({ code: 'temporary-unread' });
  await session.query('drop table mine');
  // The schema stays, and with it what a name in it could mean next.
  await expect(brief()).rejects.toMatchObject({ code: 'temporary-unread' });
});

test('an answer of another shape is refused', () => {
  for (const answer of ['', '[]', '{}', '{"searchPath":[1]}', 'null']) {
    expect(() => buildSessionState(answer, catalog)).toThrow(expect.objectContaining({ code: 'snapshot-malformed' }));
  }
});
