import { describe, expect, test } from 'vitest';
import { OPAQUE_COLUMN } from '../../../../core/statement/sql/opaque-value.ts';
import { effectsOf, outputOf, readOne } from './reader.ts';

/** Uses of values that code makes which cannot be read, in words. */
function opaqueUses(text: string): readonly string[] {
  return readOne(text)
    .uses.filter(({ column }) => column === OPAQUE_COLUMN)
    .map(({ use }) => use);
}

describe('the value of code that cannot be read', () => {
  test.each<readonly [string, readonly string[]]>([
    ['select purge()', [`purge=${OPAQUE_COLUMN}`]],
    ['select x from (select purge() as x) t', [`x=${OPAQUE_COLUMN}`]],
    ['select id from orders union all select purge()', [`id=${OPAQUE_COLUMN}`]],
    ['select p from purge() p', [`p=${OPAQUE_COLUMN}`]],
  ])('is carried by the column that it is: %s', (text, output) => {
    expect(outputOf(readOne(text))).toEqual(output);
    expect(opaqueUses(text)).toEqual([]);
  });

  test.each<readonly [string, string]>([
    ['select purge() + 1', 'operand of +'],
    ['select id from orders where purge() = 1', 'operand of ='],
    ['select id from orders order by purge()', 'ORDER BY'],
    ['create table kept2 as select purge()', 'stored in a table'],
    ['insert into orders (id) values (purge())', 'value stored by VALUES'],
    ['update orders set status = purge()', 'value stored by SET'],
    ['create table defaulted (x int default purge())', 'definition'],
    ["select query_to_xml('select 1', true, true, '')", 'call of query_to_xml()'],
  ])('may not be used: %s', (text, use) => {
    expect(opaqueUses(text)).toContain(use);
  });
});

test('a DO block, a function in another language and a trigger on a masked table are code that nobody reads', () => {
  expect(readOne('do $$ begin end $$').control.plantsCode).toBeDefined();
  expect(readOne("create function f() returns int language plpgsql as 'begin return 1; end'").control.plantsCode).toBeDefined();
  expect(readOne("create function f() returns int language sql as 'select 1'").control.plantsCode).toBeUndefined();
  expect(readOne('create trigger t after insert on customers execute function purge()').control.plantsCode).toBeDefined();
  expect(readOne('create trigger t after insert on orders execute function purge()').control.plantsCode).toBeUndefined();
});

test('what a constraint, a unique index, a change of type or CLUSTER would tell about a masked column is a use', () => {
  for (const text of [
    'alter table customers add unique (ssn)',
    'create unique index on customers (ssn)',
    'alter table customers alter column ssn type varchar(3)',
    'alter table orders add foreign key (status) references customers (ssn)',
    'cluster customers',
  ]) {
    expect(
      readOne(text).uses.map(({ columnName }) => columnName),
      text,
    ).toContain('public.customers.ssn');
  }
  expect(readOne('create index on customers (ssn)').uses).toEqual([]);
});

test('a prepared transaction is not understood', () => {
  expect(effectsOf(readOne("prepare transaction 'x'"))).toContain('unknown');
});
