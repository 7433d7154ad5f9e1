import { afterAll, beforeAll, expect, test } from 'vitest';
import { CATALOG_FINGERPRINT } from '../../../../core/statement/sql/catalog-fingerprint.ts';
import type { Catalog, Relation, SqlFunction } from '../../../../core/statement/sql/catalog.ts';
import { dataHoldingColumns } from '../../../../core/statement/sql/data-holding-columns.ts';
import { loadParser } from '../../../../core/statement/sql/parse.ts';
import { startPostgres, type TestPostgres } from '../../../support/postgres.ts';
import { readCatalog, textConnection, type TextConnection } from '../../../support/text-connection.ts';

const BANK = `
create function public.is_ssn(text) returns boolean language plpgsql immutable as $$ begin return $1 ~ '^\\d'; end $$;
create function public.next_code() returns text language sql volatile as $$ select 'c' || random() $$;
create function public.shout(text) returns text language sql immutable as $$ select upper($1) $$;
create function public.mine(text) returns boolean language plpgsql stable as $$ begin return $1 = current_user; end $$;
create function public.on_change() returns trigger language plpgsql as $$ begin return new; end $$;
create function public.wanted(int) returns boolean language plpgsql immutable as $$ begin return true; end $$;
create function public.with_default(a int, b text default next_code()) returns int language sql begin atomic select a; end;
create domain public.ssn as text check (is_ssn(value));
create type public.pair as (low ssn, high int);
create table public.customers (
  id int primary key, name text not null, ssn ssn, code text default next_code(),
  loud text generated always as (shout(name)) stored, pair pair, note text check (length(note) < 100)
);
create unique index by_ssn on public.customers (ssn);
create unique index by_name on public.customers (lower(name)) where id > 10;
create index by_shout on public.customers (shout(note));
alter table public.customers enable row level security;
create policy own on public.customers using (mine(name));
create trigger audit after insert or update on public.customers for each row when (wanted(new.id)) execute function on_change();
create table public.orders (id int primary key, customer int references customers on delete cascade on update set null, total numeric);
create table public.events (id int, at date) partition by range (at);
create table public.events_2026 partition of public.events for values from ('2026-01-01') to ('2027-01-01');
create view public.rich as select c.id, c.name from customers c join orders o on o.customer = c.id where o.total > 5;
create materialized view public.totals as select customer, sum(total) from orders group by 1;
create view public.old_orders as select * from orders;
create rule no_delete as on delete to public.old_orders do instead nothing;
create sequence public.numbers;
create function public.eq_text_int(text, int) returns boolean language plpgsql immutable as $$ begin return false; end $$;
create operator public.=== (leftarg = text, rightarg = int, function = eq_text_int);
create type public.mood as enum ('sad', 'ok');
create view public.moody as select 1 as one where 'ok'::mood > 'sad';
create function public.mood_int(mood) returns int language sql immutable as $$ select 1 $$;
create cast (mood as int) with function mood_int(mood);
create function public.on_ddl() returns event_trigger language plpgsql as $$ begin end $$;
create event trigger watch on ddl_command_end execute function public.on_ddl();
create event trigger silent on sql_drop execute function public.on_ddl();
alter event trigger silent disable;
create procedure public.clean() language sql security definer set search_path = public as $$ delete from orders $$;
create aggregate public.worst(int) (sfunc = int4larger, stype = int);
insert into orders select n, null, n from generate_series(1, 500) n;
analyze orders;`;

// Everything that an unqualified name or operator could mean instead, on a role's own path.
const HOSTILE = `
create schema hostile;
create function hostile.equals(oid, oid) returns boolean language plpgsql as $$ begin raise exception 'shadowed ='; end $$;
create operator hostile.= (leftarg = oid, rightarg = oid, function = hostile.equals);
create function hostile.differs("char", "char") returns boolean language plpgsql as $$ begin raise exception 'shadowed <>'; end $$;
create operator hostile.<> (leftarg = "char", rightarg = "char", function = hostile.differs);
create function hostile.equals(name, text) returns boolean language plpgsql as $$ begin raise exception 'shadowed ='; end $$;
create operator hostile.= (leftarg = name, rightarg = text, function = hostile.equals);
create view hostile.pg_class as select 1 as oid;
create view hostile.pg_namespace as select 1 as oid;
create function hostile.pg_get_viewdef(oid) returns text language plpgsql as $$ begin raise exception 'shadowed pg_get_viewdef'; end $$;
create function hostile.json_agg(text[]) returns json language plpgsql as $$ begin raise exception 'shadowed json_agg'; end $$;`;

let postgres: TestPostgres;
let connection: TextConnection;
let catalog: Catalog;

beforeAll(async () => {
  postgres = await startPostgres();
  await postgres.script(BANK + HOSTILE);
  await postgres.script(`alter database postgres set search_path = hostile, public, pg_catalog`);
  connection = await textConnection(postgres);
  const built = await readCatalog(connection);
  expect(built.complete).toBe(true);
  catalog = built.catalog;
});
afterAll(async () => {
  await connection.close();
  await postgres.stop();
});

function relation(name: string, schema = 'public', from = catalog): Relation {
  const found = from.relationsByName.get(schema)?.get(name);
  if (found === undefined) throw new Error(`no relation ${schema}.${name}`);
  return found;
}

function routine(name: string, from = catalog): SqlFunction {
  const found = from.functionsByName.get(name)?.find((candidate) => candidate.schema === 'public');
  if (found === undefined) throw new Error(`no function ${name}`);
  return found;
}

function names(oids: readonly number[]): string[] {
  return oids.map((oid) => catalog.functions.get(oid)?.name ?? String(oid)).sort();
}

function column(of: Relation, name: string): Relation['columns'][number] {
  const found = of.columns.find((candidate) => candidate.name === name);
  if (found === undefined) throw new Error(`no column ${name}`);
  return found;
}

test('relations have their kind, columns, keys and size', () => {
  const customers = relation('customers');
  expect(customers).toMatchObject({ kind: 'table', rowSecurity: true, temporary: false });
  expect(customers.columns.map((entry) => entry.name)).toEqual(['id', 'name', 'ssn', 'code', 'loud', 'pair', 'note']);
  expect(customers.columns.map((entry) => entry.notNull)).toEqual([true, true, false, false, false, false, false]);
  expect(customers.uniqueKeys).toEqual([[1], [3]]);
  expect(relation('orders').estimatedRows).toBe(500);
  expect(relation('customers').estimatedRows).toBe(-1);
  expect([
    relation('rich').kind,
    relation('totals').kind,
    relation('events').kind,
    relation('numbers').kind,
    relation('by_ssn').kind,
  ]).toEqual(['view', 'materialized', 'partitioned', 'sequence', 'index']);
});

test('a column under a check, a domain check, a foreign key or a partial unique index is constrained', () => {
  const constrained = relation('customers').constrained.map((attnum) => relation('customers').columns[attnum - 1]?.name);
  // by_name reads name and id; pair holds a checked domain.
  expect(constrained).toEqual(['id', 'name', 'ssn', 'pair', 'note']);
  expect(relation('orders').constrained).toEqual([2]);
});

test('code behind constraints, indexes, generated columns, triggers and types runs on writing', () => {
  expect(names(relation('customers').writeFunctions)).toEqual(['is_ssn', 'mine', 'shout', 'wanted']);
  expect(names(relation('customers').readFunctions)).toEqual(['mine']);
  expect(names(column(relation('customers'), 'code').defaultFunctions)).toEqual(['next_code']);
  expect(column(relation('customers'), 'name').defaultFunctions).toEqual([]);
});

test('a generated column names the columns it is computed from', () => {
  expect(column(relation('customers'), 'loud').generatedFrom).toEqual([2]);
  expect(column(relation('customers'), 'code').generatedFrom).toBeUndefined();
});

test('triggers are the ones that do something, and cascades name the table they write to', () => {
  expect(relation('customers').triggers.filter((trigger) => trigger.name === 'audit')).toEqual([
    { name: 'audit', functionOid: routine('on_change').oid, events: ['insert', 'update'], enabled: true },
  ]);
  const internal = relation('customers').triggers.filter((trigger) => trigger.name !== 'audit');
  expect(names(internal.map((trigger) => trigger.functionOid))).toEqual(['RI_FKey_cascade_del', 'RI_FKey_setnull_upd']);
  expect(relation('customers').cascades).toEqual([
    { on: 'update', relation: relation('orders').oid, effect: 'update' },
    { on: 'delete', relation: relation('orders').oid, effect: 'delete' },
  ]);
  expect(relation('orders').triggers).toEqual([]);
});

test('partitions and their parents know each other', () => {
  expect(relation('events').children).toEqual([relation('events_2026').oid]);
  expect(relation('events_2026').parents).toEqual([relation('events').oid]);
});

test('view definitions are fully qualified although the path of the database is hostile', () => {
  expect(relation('rich').viewDefinition).toContain('public.customers');
  expect(relation('totals').viewDefinition).toContain('public.orders');
  expect(relation('old_orders').rules).toEqual([{ name: 'no_delete', event: 'delete' }]);
  expect(relation('rich').rules).toEqual([]);
});

test('a type carries the code of its parts', () => {
  const code = (name: string) => {
    const type = [...catalog.types.values()].find((candidate) => candidate.name === name && candidate.schema === 'public');
    return names(type?.codeFunctions ?? []);
  };
  expect(code('ssn')).toEqual(['is_ssn']);
  expect(code('_ssn')).toEqual(['is_ssn']);
  expect(code('pair')).toEqual(['is_ssn']);
  expect(code('customers')).toEqual(['is_ssn']);
  expect(code('mood')).toEqual([]);
  const domain = [...catalog.types.values()].find((type) => type.name === 'ssn');
  expect(domain).toMatchObject({ kind: 'domain', baseType: 25 });
  expect(catalog.types.get(1009)).toMatchObject({ name: '_text', elementType: 25 });
});

test('functions have what a call depends on', () => {
  expect(routine('clean')).toMatchObject({
    kind: 'procedure',
    securityDefiner: true,
    settings: ['search_path=public'],
    body: ' delete from orders ',
  });
  expect(routine('on_change').body).toBeUndefined();
  expect(routine('with_default').body).toContain('SELECT');
  expect(routine('with_default')).toMatchObject({ defaultCount: 1, dependsOn: [routine('next_code').oid] });
  expect(routine('worst').kind).toBe('aggregate');
  expect(catalog.functionsByName.get('lower')?.every((entry) => entry.schema === 'pg_catalog')).toBe(true);
});

test('operators and casts of users are listed, those of pg_catalog are not', () => {
  expect(catalog.userOperatorsByName.get('===')?.map((operator) => names([operator.functionOid]))).toEqual([['eq_text_int']]);
  expect(catalog.userOperatorsByName.get('=')?.every((operator) => operator.schema === 'hostile')).toBe(true);
  expect(catalog.userCasts.map((cast) => ({ ...cast, functionOid: names([cast.functionOid ?? 0]) }))).toEqual([
    expect.objectContaining({ targetType: 23, context: 'explicit', functionOid: ['mood_int'] }),
  ]);
});

test('event triggers that are enabled are listed with the code that DDL runs', () => {
  expect(catalog.eventTriggers).toEqual([{ name: 'watch', event: 'ddl_command_end', functionOid: routine('on_ddl').oid }]);
});

test('every view of PostgreSQL itself has a definition that its own grammar parses', async () => {
  const parser = await loadParser(catalog.major);
  const views = [...catalog.relations.values()].filter((entry) => entry.kind === 'view');
  expect(views.length).toBeGreaterThan(140);
  const unread = views.filter((view) => parser.parse(view.viewDefinition ?? 'missing').kind !== 'parsed');
  expect(unread.map((view) => view.name)).toEqual([]);
});

test('columns that hold data are found in the catalog of this version, TOAST included', () => {
  const held = dataHoldingColumns(catalog);
  const key = (table: string, name: string) =>
    `${relation(table, 'pg_catalog').oid}.${column(relation(table, 'pg_catalog'), name).attnum}` as const;
  expect(held).toContain(key('pg_stats', 'most_common_vals'));
  expect(held).toContain(key('pg_stat_activity', 'query'));
  expect(held).toContain(key('pg_authid', 'rolpassword'));
  expect(held).not.toContain(key('pg_stats', 'null_frac'));
  const toast = [...catalog.relations.values()].filter((entry) => entry.kind === 'toast');
  expect(toast.every((entry) => held.has(`${entry.oid}.3`))).toBe(true);
});

test('columns of anyarray in system relations are all held to hold data', async () => {
  const held = dataHoldingColumns(catalog);
  const rows = await connection.query(`select attrelid, attnum, attname from pg_catalog.pg_attribute where atttypid = 'anyarray'::regtype
    and attnum > 0`);
  expect(rows.length).toBeGreaterThan(10);
  expect(rows.filter(([oid, attnum]) => !held.has(`${Number(oid)}.${Number(attnum)}`))).toEqual([]);
});

test('reading it again gives an equal version, and equal definitions', async () => {
  const again = (await readCatalog(connection)).catalog;
  expect(again.version).toBe(catalog.version);
  expect([...again.relations.values()].map((entry) => entry.definitionHash)).toEqual(
    [...catalog.relations.values()].map((entry) => entry.definitionHash),
  );
});

test('a snapshot is small and quick to read and build', async () => {
  const startedAt = performance.now();
  await readCatalog(connection);
  // 100 ms on two idle cores; the margin is for a busy machine.
  expect(performance.now() - startedAt).toBeLessThan(5_000);
});

const CHANGES: readonly (readonly [what: string, sql: string, relation?: string])[] = [
  ['a new column', 'alter table orders add column extra int', 'orders'],
  ['a renamed column', 'alter table orders rename column extra to more', 'orders'],
  ['a changed type', 'alter table orders alter column more type bigint', 'orders'],
  ['NOT NULL', 'alter table orders alter column total set not null', 'orders'],
  ['a dropped column', 'alter table orders drop column more', 'orders'],
  ['a new default', 'alter table orders alter column total set default 7', 'orders'],
  ['a new check', 'alter table orders add constraint positive check (total >= 0)', 'orders'],
  ['a dropped check', 'alter table orders drop constraint positive', 'orders'],
  ['a replaced view', 'create or replace view rich as select c.id, c.name from customers c', 'rich'],
  ['a view option', 'alter view rich set (security_invoker = true)', 'rich'],
  ['a disabled trigger', 'alter table customers disable trigger audit', 'customers'],
  [
    'a replaced trigger function',
    'create or replace function on_change() returns trigger language plpgsql as $$ begin return null; end $$',
    'customers',
  ],
  ['a replaced default function', `create or replace function next_code() returns text language sql as $$ select 'x' $$`, 'customers'],
  ['a changed policy', 'alter policy own on customers using (true)', 'customers'],
  ['row security switched off', 'alter table customers disable row level security', 'customers'],
  ['a new unique index', 'create unique index by_total on orders (total)', 'orders'],
  ['a dropped index', 'drop index by_total', 'orders'],
  ['a new rule', 'create rule nothing as on insert to old_orders do instead nothing', 'old_orders'],
  ['a moved table', 'alter table orders set schema hostile'],
  ['the table moved back', 'alter table hostile.orders set schema public', 'orders'],
  ['a detached partition', 'alter table events detach partition events_2026', 'events'],
  ['a dropped relation', 'drop table events_2026'],
  ['a new function', 'create function lower(varchar) returns text language sql as $$ select $1::text $$'],
  ['a renamed function', 'alter function lower(varchar) rename to lower2'],
  ['a dropped function', 'drop function lower2(varchar)'],
  ['a new domain check', 'alter domain ssn add constraint short check (length(value) < 20) not valid'],
  ['a renamed enum value', `alter type mood rename value 'ok' to 'fine'`, 'moody'],
  ['a new cast', 'create cast (mood as bigint) with inout as assignment'],
  ['a dropped cast', 'drop cast (mood as bigint)'],
  ['a dropped operator', 'drop operator === (text, int)'],
  ['an event trigger enabled', 'alter event trigger silent enable'],
  ['a new schema', 'create schema another'],
  ['a dropped schema', 'drop schema another'],
];

test('DDL of every kind changes the fingerprint and the version, and what it touches gets another definition hash', async () => {
  const ddl = await textConnection(postgres);
  await ddl.query('set search_path = public');
  let fingerprint = (await connection.query(CATALOG_FINGERPRINT))[0]?.[0];
  let before = (await readCatalog(connection)).catalog;
  for (const [what, sql, touched] of CHANGES) {
    await ddl.query(sql);
    const next = (await connection.query(CATALOG_FINGERPRINT))[0]?.[0];
    const after = (await readCatalog(connection)).catalog;
    expect(next, what).not.toBe(fingerprint);
    expect(after.version, what).not.toBe(before.version);
    if (touched !== undefined && before.relationsByName.get('public')?.has(touched)) {
      const hash = relation(touched, 'public', after).definitionHash;
      expect(hash, what).not.toBe(relation(touched, 'public', before).definitionHash);
    }
    fingerprint = next;
    before = after;
  }
  await ddl.close();
});

test('rows, rolled back DDL, VACUUM and temporary tables leave the fingerprint as it is', async () => {
  const other = await textConnection(postgres);
  await other.query('set search_path = public');
  const fingerprint = async () => (await connection.query(CATALOG_FINGERPRINT))[0]?.[0];
  const before = await fingerprint();
  await other.query('insert into orders select n + 1000, null, n from generate_series(1, 10) n');
  await other.query('begin');
  await other.query('create table never (a int)');
  expect(await fingerprint()).toBe(before);
  await other.query('rollback');
  await other.query('vacuum (freeze) pg_catalog.pg_class');
  await other.query('vacuum (freeze) pg_catalog.pg_proc');
  await other.query('create temporary table mine (a int primary key, b text default now()::text, check (a > 1))');
  expect(await fingerprint()).toBe(before);
  expect((await readCatalog(connection)).catalog.relationsByName.get('pg_temp_3')).toBeUndefined();
  await other.query('drop table mine');
  expect(await fingerprint()).toBe(before);
  await other.close();
});

test('a table that grows tenfold changes the fingerprint once it is analyzed, but not its definition', async () => {
  const before = (await connection.query(CATALOG_FINGERPRINT))[0]?.[0];
  const hash = relation('orders', 'public', (await readCatalog(connection)).catalog).definitionHash;
  await postgres.script('insert into public.orders select n + 10000, null, n from generate_series(1, 9000) n; analyze public.orders;');
  expect((await connection.query(CATALOG_FINGERPRINT))[0]?.[0]).not.toBe(before);
  const after = relation('orders', 'public', (await readCatalog(connection)).catalog);
  expect(after.definitionHash).toBe(hash);
  expect(after.estimatedRows).toBeGreaterThan(9_000);
});

test('a view whose table is being altered is left out at once instead of waited for', async () => {
  const ddl = await textConnection(postgres);
  await ddl.query('begin');
  await ddl.query('lock table public.customers in access exclusive mode');
  const built = await readCatalog(connection);
  // A wait would end in lock_timeout, and throw.
  expect(built.complete).toBe(false);
  expect(relation('rich', 'public', built.catalog).viewDefinition).toBeUndefined();
  expect(relation('old_orders', 'public', built.catalog).viewDefinition).toBeDefined();
  await ddl.query('rollback');
  expect((await readCatalog(connection)).complete).toBe(true);
  await ddl.close();
});
