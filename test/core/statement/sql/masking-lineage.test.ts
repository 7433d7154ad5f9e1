import { describe, expect, test } from 'vitest';
import { CARD_2026, EMAIL, PAN, SSN, stateWithTemporary } from './hand-catalog.ts';
import { outputOf, readOne, usesOf } from './reader.ts';

describe('a masked value leaves as a bare output column and is known by position', () => {
  test.each<readonly [string, readonly string[]]>([
    ['select ssn from customers', [`ssn=${SSN}`]],
    ['select ssn as harmless from customers', [`harmless=${SSN}`]],
    ['select c.ssn from public.customers as c', [`ssn=${SSN}`]],
    ['select (c).ssn from customers c', [`ssn=${SSN}`]],
    ['select customers.ssn, id from customers', [`ssn=${SSN}`, 'id']],
    ['select public.customers.ssn from public.customers', [`ssn=${SSN}`]],
    ['select * from customers', ['id', 'name', `ssn=${SSN}`, `email=${EMAIL}`, 'notes']],
    ['table customers', ['id', 'name', `ssn=${SSN}`, `email=${EMAIL}`, 'notes']],
    ['select x.* from customers x(a, b, c, d, e)', ['a', 'b', `c=${SSN}`, `d=${EMAIL}`, 'e']],
    ['select t.s from (select ssn as s from customers) t', [`s=${SSN}`]],
    ['select t.a from (select id, ssn from customers) t(b, a)', [`a=${SSN}`]],
    ['with w as (select ssn from customers) select * from w', [`ssn=${SSN}`]],
    ['with w(q) as (select ssn from customers), v as (select q from w) select q as z from v', [`z=${SSN}`]],
    ['with w as materialized (select ssn from customers) select w.ssn from w join orders on true', [`ssn=${SSN}`]],
    ['select name from customers union all select ssn from customers', [`name=${SSN}`]],
    ['select ssn from customers union all select email from customers', [`ssn=${SSN}+${EMAIL}`]],
    ['select * from (select id, ssn from customers union all select id, status from orders) u', ['id', `ssn=${SSN}`]],
    ['select who, social from customer_cards', ['who', `social=${SSN}`]],
    ['select * from cards_over', [`social=${SSN}`, 'who']],
    ['select * from kept', ['id', `ssn=${SSN}`]],
    ['select * from payments', ['id', `card=${CARD_2026}`, 'taken']],
    ['select * from archive.payments_2026', ['id', `card=${CARD_2026}`, 'taken']],
    ['select pan_tail from derived', [`pan_tail=${PAN}`]],
    ['select x.ssn from orders o, lateral (select c.ssn from customers c where c.id = o.customer_id) x', [`ssn=${SSN}`]],
    [
      'select * from orders o join customers c using (id)',
      ['id', 'customer_id', 'amount', 'status', 'name', `ssn=${SSN}`, `email=${EMAIL}`, 'notes'],
    ],
    ['select j.c from (customers join orders on true) as j(a, b, c)', [`c=${SSN}`]],
    [
      'select o.*, c.ssn from orders o left join customers c on c.id = o.customer_id',
      ['id', 'customer_id', 'amount', 'status', `ssn=${SSN}`],
    ],
    ['declare c cursor for select ssn from customers', [`ssn=${SSN}`]],
    ['copy customers to stdout', ['id', 'name', `ssn=${SSN}`, `email=${EMAIL}`, 'notes']],
    ['copy customers (email, id) to stdout', [`email=${EMAIL}`, 'id']],
    ['copy derived to stdout', ['id', `pan=${PAN}`]],
    ['copy (select ssn from customers) to stdout', [`ssn=${SSN}`]],
    ['delete from customers where id = 1 returning ssn', [`ssn=${SSN}`]],
    ['insert into customers (id) values (1) returning *', ['id', 'name', `ssn=${SSN}`, `email=${EMAIL}`, 'notes']],
    ["update customers c set name = 'x' where id = 1 returning c.email, id", [`email=${EMAIL}`, 'id']],
    ['with gone as (delete from customers where id = 1 returning ssn) select * from gone', [`ssn=${SSN}`]],
    ['select ssn, r.x from customers, json_to_record($1) r', [`ssn=${SSN}`, 'x']],
    ['select ssn from customers limit 1', [`ssn=${SSN}`]],
    ['select ssn from customers order by id', [`ssn=${SSN}`]],
    ['select name as ssn from customers order by ssn', ['ssn']],
  ])('%s', (text, expected) => {
    const statement = readOne(text);
    expect(usesOf(statement)).toEqual([]);
    expect(outputOf(statement)).toEqual(expected);
  });

  test('RETURNING OLD and NEW of 18 carry what their columns carry', () => {
    const statement = readOne("update customers set name = 'x' where id = 1 returning old.ssn, new.email, old.id", { major: 18 });
    expect(outputOf(statement)).toEqual([`ssn=${SSN}`, `email=${EMAIL}`, 'id']);
    const renamed = readOne('delete from customers where id = 1 returning with (old as o) o.ssn', { major: 18 });
    expect(outputOf(renamed)).toEqual([`ssn=${SSN}`]);
  });

  test('MERGE returns the columns of its source before those of its target', () => {
    const text = 'merge into orders o using customers c on o.customer_id = c.id when matched then delete returning *';
    expect(outputOf(readOne(text))).toEqual([
      'id',
      'name',
      `ssn=${SSN}`,
      `email=${EMAIL}`,
      'notes',
      'id',
      'customer_id',
      'amount',
      'status',
    ]);
  });
});

describe('what tells nothing about a value is allowed', () => {
  test.each([
    'select count(ssn) from customers',
    'select count(*) from customers',
    'select pg_catalog.count(c.ssn) from customers c',
    'select id from customers where ssn is null',
    'select ssn is not null from customers',
    'select 1 where exists (select 1 from customers where id = 3)',
    'select 1 where exists (select * from customers where id = 3)',
    'select id, name from customers order by name',
    'select id from customer_cards',
    "insert into customers (id, ssn) values (1, '123') on conflict (id) do update set ssn = excluded.ssn",
  ])('%s', (text) => {
    expect(usesOf(readOne(text.replace('select id from customer_cards', 'select who from customer_cards')))).toEqual([]);
  });
});

describe('every other use of a masked column is found', () => {
  test.each<readonly [string, string]>([
    ["select id from customers where ssn like '1%'", 'ssn: operand of ~~'],
    ["select id from customers where ssn > '1'", 'ssn: operand of >'],
    ["select id from customers where email = 'a'", 'email: operand of ='],
    ["select id from customers where ssn = '1' or id = 1", 'ssn: operand of ='],
    ["select id from customers where not (ssn = '1')", 'ssn: operand of ='],
    ["select ssn = '1' from customers", 'ssn: operand of ='],
    ['select id from customers where ssn = name', 'ssn: operand of ='],
    ["select id from customers where ssn in ('1', '2')", 'ssn: operand of ='],
    ["select id from customers where ssn between '1' and '2'", 'ssn: operand of BETWEEN'],
    ["select id from customers where (ssn, id) = ('1', 1)", 'ssn: row'],
    ['select id from customers where ssn is distinct from $1', 'ssn: operand of ='],
    ['select lower(ssn) from customers', 'ssn: argument of lower()'],
    ['select count(distinct ssn) from customers', 'ssn: argument of count()'],
    ['select count(id) filter (where ssn > $1) from customers', 'ssn: operand of >'],
    ['select min(ssn) from customers', 'ssn: argument of min()'],
    ['select array_agg(id order by ssn) from customers', 'ssn: argument of array_agg()'],
    ["select ssn || '' from customers", 'ssn: operand of ||'],
    ['select ssn::varchar from customers', 'ssn: cast'],
    ['select ssn collate "C" from customers', 'ssn: COLLATE'],
    ['select case when id = 1 then ssn end from customers', 'ssn: CASE'],
    ['select coalesce(ssn, name) from customers', 'ssn: COALESCE'],
    ['select greatest(ssn, name) from customers', 'ssn: GREATEST or LEAST'],
    ['select nullif(ssn, $1) from customers', 'ssn: operand of ='],
    ['select array[ssn] from customers', 'ssn: array'],
    ['select row(ssn) from customers', 'ssn: row'],
    ['select distinct ssn from customers', 'ssn: DISTINCT'],
    ['select distinct on (ssn) id from customers', 'ssn: DISTINCT ON'],
    ['select id from customers order by ssn', 'ssn: ORDER BY'],
    ['select ssn as s from customers order by s', 'ssn: ORDER BY'],
    ['select id, ssn from customers order by 2', 'ssn: ORDER BY'],
    ['select count(*) from customers group by ssn', 'ssn: GROUP BY'],
    ['select ssn, count(*) from customers group by 1', 'ssn: GROUP BY'],
    ['select count(*) from customers group by rollup (id, ssn)', 'ssn: GROUP BY'],
    ["select count(*) from customers group by id having min(ssn) > '1'", 'ssn: argument of min()'],
    ['select row_number() over (order by ssn) from customers', 'ssn: window'],
    ['select count(*) over w from customers window w as (partition by ssn)', 'ssn: window'],
    ['select ssn from customers union select name from customers', 'ssn: UNION, INTERSECT or EXCEPT'],
    ['select name from customers intersect select ssn from customers', 'ssn: UNION, INTERSECT or EXCEPT'],
    ['select ssn from customers except all select name from customers', 'ssn: UNION, INTERSECT or EXCEPT'],
    ['select 1 from customers a natural join customers b', 'ssn: NATURAL JOIN or USING'],
    ['select 1 from customers a join customers b using (ssn)', 'ssn: NATURAL JOIN or USING'],
    ['select 1 from customers a join orders o on a.ssn = o.status', 'ssn: operand of ='],
    ['select (select ssn from customers limit 1)', 'ssn: scalar subquery'],
    ['select array(select ssn from customers)', 'ssn: ARRAY of a subquery'],
    ['select 1 where $1 in (select ssn from customers)', 'ssn: comparison with a subquery'],
    ['select 1 where $1 = any (select ssn from customers)', 'ssn: comparison with a subquery'],
    ['select c from customers c', 'ssn: whole row as output expression'],
    ['select to_json(c) from customers c', 'ssn: whole row as argument of to_json()'],
    ['select row_to_json(customers) from customers', 'ssn: whole row as argument of row_to_json()'],
    ['select to_json(row(c.*)) from customers c', 'ssn: whole row as row'],
    ['select customers::varchar from customers', 'ssn: whole row as cast'],
    ['select json_agg(t) from (select ssn from customers) t', 'ssn: whole row as argument of json_agg()'],
    ['select ssn(customers) from customers', 'ssn: whole row as argument of ssn()'],
    ['select c.purge from customers c', 'ssn: whole row as argument of purge()'],
    ['select x from customers c, unnest(array[c.ssn]) x', 'ssn: array'],
    ['select v.x from customers c cross join lateral (values (c.ssn)) v(x)', 'ssn: VALUES'],
    ['select id from customers limit (select length(ssn) from customers limit 1)', 'ssn: argument of length()'],
    ['with recursive r as (select ssn from customers union all select ssn from r) select * from r', 'ssn: recursive WITH'],
    ['insert into orders (status) select ssn from customers', 'ssn: stored by INSERT'],
    ['create table copied as select ssn from customers', 'ssn: stored in a table'],
    ['select ssn into copied from customers', 'ssn: stored in a table'],
    ['select 1 as a into copied union all select ssn from customers', 'ssn: stored in a table'],
    ['create materialized view mv as select ssn from customers', 'ssn: stored in a table'],
    ['create view v as select ssn from customers', 'ssn: stored in a view'],
    ['update customers set name = ssn where id = 1', 'ssn: value stored by SET'],
    ['update customers set email = ssn where id = 1', 'ssn: value stored by SET'],
    ['update orders set status = c.ssn from customers c where c.id = orders.customer_id', 'ssn: value stored by SET'],
    ['update orders set (status, id) = (select ssn, 1 from customers limit 1)', 'ssn: scalar subquery'],
    ["insert into customers (id, ssn) values (1, 'x') on conflict (ssn) do nothing", 'ssn: ON CONFLICT'],
    ['insert into customers (id, ssn) values (1, $1) on conflict (id) do update set name = excluded.ssn', 'ssn: value stored by SET'],
    ["delete from customers where ssn ~ '^1'", 'ssn: operand of ~'],
    ['delete from orders using customers c where c.ssn = orders.status', 'ssn: operand of ='],
    ['merge into orders o using customers c on o.status = c.ssn when matched then delete', 'ssn: operand of ='],
    ['select * from shouted', 'ssn: argument of upper() in view public.shouted'],
    ['select ssn_of(1)', 'ssn: result of public.ssn_of() in function public.ssn_of'],
    ['copy (select lower(ssn) from customers) to stdout', 'ssn: argument of lower()'],
    ["copy customers to '/tmp/x'", 'ssn: written outside the connection'],
    ["copy customers to program 'curl'", 'ssn: written outside the connection'],
    ['alter table customers add check (ssn > name)', 'ssn: operand of >'],
    ['create index on customers (lower(ssn))', 'ssn: argument of lower()'],
    ['prepare p as select lower(ssn) from customers', 'ssn: argument of lower()'],
    ['explain select lower(ssn) from customers', 'ssn: argument of lower()'],
    ['explain analyze select id from customers order by ssn', 'ssn: ORDER BY'],
    ['select xmlelement(name x, ssn) from customers', 'ssn: XML expression'],
    ["select json_object('a': ssn) from customers", 'ssn: JSON expression'],
    ['select json_array(select ssn from customers)', 'ssn: subquery'],
    ['select (select ssn from json_to_record($1) r limit 1) from customers', 'ssn: output expression'],
    ['select ssn, (json_to_record($1)).* from customers', 'ssn: output beside columns that are not known'],
    ['select c.ssn, r.* from customers c, json_to_record($1) r', 'ssn: output beside columns that are not known'],
  ])('%s', (text, expected) => {
    expect(usesOf(readOne(text))).toContain(expected);
  });
});

describe('a look-up', () => {
  test.each([
    'select id from customers where ssn = $1',
    "select id from customers where '1' = ssn and id > 2",
    'delete from customers where ssn = $1::text',
  ])('is equality of a column that is unique on its own with one value: %s', (text) => {
    expect(usesOf(readOne(text))).toEqual(['ssn: equality look-up (lookup)']);
  });

  test('marks the constant that it compares with for redaction', () => {
    const text = "select id from customers where ssn = 'é''x' and id = 1";
    const [range] = readOne(text).sensitiveLiterals;
    expect(Buffer.from(text).toString('utf8', range?.startByte, range?.endByte)).toBe("'é''x'");
  });
});

describe('writes of masked columns', () => {
  test('name the parameter or the literal, and whether the write itself tells something', () => {
    const { writes, sensitiveLiterals } = readOne("insert into customers (id, ssn, email) values (1, $2, 'a@b')");
    expect(writes).toEqual([
      { column: SSN, columnName: 'public.customers.ssn', reveals: true, parameter: 2 },
      { column: EMAIL, columnName: 'public.customers.email', reveals: false, literal: 'a@b' },
    ]);
    expect(sensitiveLiterals).toHaveLength(1);
  });

  test.each<readonly [string, number]>([
    ['insert into customers values (1, $1, $2, $3, $4)', 2],
    ['update customers set (ssn, email) = ($1, $2) where id = 3', 2],
    ['insert into customers (ssn) select $1', 1],
    ['update customer_cards set social = upper($1) where who = 1', 1],
    ['insert into derived (id, pan) values (1, $1)', 1],
    ['copy customers (id, email) from stdin', 1],
    ['merge into customers c using orders o on c.id = o.id when not matched then insert (id, ssn) values (o.id, $1)', 1],
  ])('are found in %s', (text, count) => {
    expect(readOne(text).writes).toHaveLength(count);
  });
});

test("a session's own temporary table shadows the masked one, which stays masked under its schema", () => {
  const shadowed = readOne('select ssn from customers', { state: stateWithTemporary });
  expect(outputOf(shadowed)).toEqual(['ssn']);
  expect(outputOf(readOne('select ssn from pg_temp.customers', { state: stateWithTemporary }))).toEqual(['ssn']);
  expect(outputOf(readOne('select ssn from public.customers', { state: stateWithTemporary }))).toEqual([`ssn=${SSN}`]);
  expect(outputOf(readOne('select social from customer_cards', { state: stateWithTemporary }))).toEqual([`social=${SSN}`]);
});
