// A hostile agent against the masks: nothing masked, and no bit of it, comes out in the clear by any message.
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AttackBank, Attacker, canariesIn, filesBelow, type Outcome, startAttackBank } from '../support/attack-bank.ts';
import { postgresMajor } from '../support/postgres.ts';
import { wire } from '../support/wire-client.ts';

let bank: AttackBank;
const sessions = new Map<string, Attacker>();
const everyone: Attacker[] = [];

beforeAll(async () => {
  bank = await startAttackBank();
  const ops = await session('ops');
  for (const sql of PREPARED) expect((await ops.run(sql)).codes, sql).toEqual([]);
});

afterAll(async () => {
  for (const attacker of everyone) attacker.end();
  await bank.stop();
});

async function fresh(group: string): Promise<Attacker> {
  const attacker = await Attacker.login(bank.gateway, group);
  everyone.push(attacker);
  return attacker;
}

/** One session for each group; a new one after the gateway has ended it. */
async function session(group: string): Promise<Attacker> {
  const known = sessions.get(group);
  if (known !== undefined && !known.client.socket.destroyed) return known;
  const made = await fresh(group);
  sessions.set(group, made);
  return made;
}

const REFUSED = /^ZG01[034]$/;

/** What a session has been sent holds nothing of what is hidden from it. */
function expectNothingIn(attacker: Attacker, sees: readonly string[] = []): void {
  expect(canariesIn(attacker.bytes).filter((canary) => !sees.includes(canary))).toEqual([]);
}

function text(outcome: Outcome): string {
  return JSON.stringify(outcome.rows);
}

/** Code that the agent brings along itself, which is read whenever it is called. */
const PREPARED = [
  `CREATE FUNCTION f9() RETURNS SETOF text LANGUAGE sql AS 'SELECT ssn FROM customers'`,
  `CREATE FUNCTION f11() RETURNS void LANGUAGE sql AS 'INSERT INTO scratch (txt) SELECT ssn FROM customers'`,
  `CREATE FUNCTION f12(customers) RETURNS text LANGUAGE sql AS 'SELECT ($1).ssn::text'`,
  `CREATE FUNCTION public.lower(varchar) RETURNS text LANGUAGE sql AS 'SELECT ssn FROM customers LIMIT 1'`,
];

/** Uses of masked values: refused, and not executed. */
const USES = [
  `SELECT * FROM lowered`,
  `SELECT * FROM vip`,
  `SELECT ssn_of(1)`,
  `SELECT * FROM rows_by_code() f WHERE f.tax LIKE 'q7%'`,
  `SELECT f FROM rows_by_code() f ORDER BY 1`,
  `SELECT id FROM accounts WHERE ssn_by_code(1) LIKE 'q7%'`,
  `SELECT upper(ssn_by_code(1))`,
  `CREATE TABLE copy9 AS SELECT ssn_by_code(1) AS v`,
  `INSERT INTO scratch (txt) SELECT ssn_by_code(1)`,
  `INSERT INTO scratch (txt) VALUES (ssn_by_code(2))`,
  `UPDATE accounts SET note = ssn_by_code(3) WHERE id = 3`,
  `DO $$ BEGIN INSERT INTO scratch (txt) SELECT ssn FROM customers; END $$`,
  `DO $$ BEGIN RAISE EXCEPTION '%', (SELECT ssn FROM customers LIMIT 1); END $$`,
  `SELECT query_to_xml('select ssn from customers', true, true, '')`,
  `SELECT * FROM ts_stat('select to_tsvector(ssn) from customers')`,
  `EXPLAIN VERBOSE SELECT id FROM accounts WHERE note = ssn_constant()`,
  `SELECT c.ssn_field FROM customers c`,
  `SELECT c.ssn_field_by_code FROM customers c`,
  `SELECT id FROM accounts WHERE note @=@ 'q7%'`,
  `SELECT note @=@ 'q7%' FROM accounts`,
  `CREATE TEMP VIEW tv2 AS SELECT ssn FROM customers`,
  `CLUSTER customers USING customers_ssn_key`,
  `CREATE UNIQUE INDEX ON customers (card_number)`,
  `ALTER TABLE customers ADD CONSTRAINT u9 UNIQUE (card_number)`,
  `ALTER TABLE customers ADD CHECK (card_number > 'q')`,
  `ALTER TABLE scratch ADD FOREIGN KEY (txt) REFERENCES customers (email)`,
  `ALTER TABLE customers ALTER COLUMN card_number TYPE varchar(3)`,
  `ALTER TABLE customers ALTER COLUMN full_name TYPE text USING ssn`,
  `ALTER TABLE payments ATTACH PARTITION history DEFAULT`,
  `UPDATE customers SET nick = 'guess' WHERE id = 1`,
  `UPDATE customers SET branch = 2 WHERE id = 1`,
  `INSERT INTO contacts VALUES (5, 'guess')`,
  `UPDATE contacts SET mail = 'guess' WHERE id = 1`,
  `CREATE FUNCTION f13() RETURNS void LANGUAGE plpgsql AS 'BEGIN END'`,
  `CREATE FUNCTION f13() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'`,
  `CREATE EXTENSION dblink`,
  `SELECT ssn || '' FROM customers`,
  `SELECT ssn::text FROM customers`,
  `SELECT CAST(ssn AS varchar(6)) FROM customers`,
  `SELECT pin::int8 FROM customers`,
  `SELECT salary + 0 FROM customers`,
  `SELECT -pin FROM customers`,
  `SELECT (SELECT ssn FROM customers WHERE id = 1)`,
  `SELECT ARRAY(SELECT ssn::text FROM customers)`,
  `SELECT ARRAY[ssn] FROM customers`,
  `SELECT unnest(ARRAY[ssn]) FROM customers`,
  `SELECT u FROM customers, unnest(ARRAY[ssn]) u`,
  `SELECT v.s FROM customers c, LATERAL (VALUES (c.ssn)) v(s)`,
  `WITH RECURSIVE r AS (SELECT ssn::text AS s, 1 AS n FROM customers UNION ALL SELECT s, n + 1 FROM r WHERE n < 2) SELECT * FROM r`,
  `WITH RECURSIVE r(n, s) AS (SELECT 1, ssn FROM customers UNION ALL SELECT n + 1, s FROM r WHERE n < 2) SELECT n, s FROM r`,
  `WITH RECURSIVE r(n, s) AS (SELECT 1, 'x'::text UNION ALL SELECT n + 1, (SELECT ssn FROM customers WHERE id = n) FROM r WHERE n < 3) SELECT s FROM r`,
  `SELECT full_name FROM customers UNION SELECT ssn FROM customers`,
  `SELECT full_name FROM customers UNION ALL SELECT card_number FROM customers ORDER BY 1`,
  `SELECT ssn FROM customers INTERSECT SELECT 'x'`,
  `SELECT ssn FROM customers EXCEPT SELECT 'x'`,
  `SELECT ssn FROM customers EXCEPT ALL SELECT 'x'`,
  `SELECT DISTINCT card_number FROM customers`,
  `SELECT DISTINCT ON (ssn) id FROM customers`,
  `SELECT id FROM customers ORDER BY ssn`,
  `SELECT id, ssn FROM customers ORDER BY 2`,
  `SELECT id, ssn AS z FROM customers ORDER BY z`,
  `SELECT id FROM customers ORDER BY ssn LIMIT 1`,
  `SELECT id FROM customers ORDER BY ssn USING <`,
  `SELECT count(*) FROM customers GROUP BY ssn`,
  `SELECT count(*) FROM customers GROUP BY GROUPING SETS ((ssn), ())`,
  `SELECT count(*) FROM customers GROUP BY ROLLUP (ssn)`,
  `SELECT grouping(ssn) FROM customers GROUP BY CUBE (ssn)`,
  `SELECT count(DISTINCT ssn) FROM customers`,
  `SELECT count(ssn) FILTER (WHERE ssn > 'a') FROM customers`,
  `SELECT min(ssn) FROM customers`,
  `SELECT string_agg(ssn, ',') FROM customers`,
  `SELECT array_agg(ssn) FROM customers`,
  `SELECT array_agg(id ORDER BY ssn) FROM customers`,
  `SELECT mode() WITHIN GROUP (ORDER BY ssn) FROM customers`,
  `SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY salary) FROM customers`,
  `SELECT first_value(ssn) OVER (ORDER BY id) FROM customers`,
  `SELECT rank() OVER (ORDER BY ssn) FROM customers`,
  `SELECT row_number() OVER w FROM customers WINDOW w AS (ORDER BY salary)`,
  `SELECT lag(ssn) OVER () FROM customers`,
  `SELECT json_agg(c) FROM customers c`,
  `SELECT row_to_json(c) FROM customers c`,
  `SELECT to_jsonb(c) FROM customers c`,
  `SELECT to_jsonb(c.*) FROM customers c`,
  `SELECT json_build_object('x', ssn) FROM customers`,
  `SELECT jsonb_object_agg(id, ssn) FROM customers`,
  `SELECT json_object('a': ssn) FROM customers`,
  `SELECT json_array(ssn) FROM customers`,
  `SELECT json_arrayagg(ssn) FROM customers`,
  `SELECT JSON_SERIALIZE(to_json(ssn)) FROM customers`,
  `SELECT * FROM customers c, JSON_TABLE(jsonb_build_array(c.ssn), '$[*]' COLUMNS (x text PATH '$')) j`,
  `SELECT xmlelement(name a, ssn) FROM customers`,
  `SELECT xmlforest(ssn) FROM customers`,
  `SELECT xmlagg(xmlelement(name x, c)) FROM customers c`,
  `SELECT x FROM customers c, XMLTABLE('/a' PASSING xmlelement(name a, c.ssn) COLUMNS x text PATH '.')`,
  `SELECT c FROM customers c`,
  `SELECT customers FROM customers`,
  `SELECT customers::text FROM customers`,
  `SELECT (c).* FROM customers c`,
  `SELECT (c.*)::text FROM customers c`,
  `SELECT ROW(c.*) FROM customers c`,
  `SELECT ROW(ssn, 1) FROM customers`,
  `SELECT (ROW(ssn, 1)).f1 FROM customers`,
  `SELECT (x).ssn FROM (SELECT c AS x FROM customers c) y`,
  `SELECT x.c FROM (SELECT c FROM customers c) x`,
  `SELECT ((SELECT c FROM customers c LIMIT 1)).ssn`,
  `SELECT (SELECT c FROM customers c LIMIT 1).ssn`,
  `SELECT x FROM (SELECT ssn FROM customers) x`,
  `SELECT j FROM (customers c JOIN accounts a ON c.id = a.customer_id) AS j`,
  `SELECT * FROM customers c NATURAL JOIN (SELECT 'guess'::tax_id AS ssn) g`,
  `SELECT * FROM customers JOIN (SELECT 'x' AS ssn) g USING (ssn)`,
  `SELECT * FROM customers a JOIN customers b ON a.ssn = b.ssn`,
  `SELECT CASE WHEN ssn LIKE 'q%' THEN 1 ELSE 0 END FROM customers`,
  `SELECT CASE ssn WHEN 'x' THEN 1 END FROM customers`,
  `SELECT COALESCE(ssn, 'x') FROM customers`,
  `SELECT NULLIF(ssn, 'x') FROM customers`,
  `SELECT GREATEST(ssn, 'x') FROM customers`,
  `SELECT ssn IS DISTINCT FROM 'x' FROM customers`,
  `SELECT ssn IN ('x') FROM customers`,
  `SELECT ssn = ANY (ARRAY['x']) FROM customers`,
  `SELECT ssn BETWEEN 'a' AND 'z' FROM customers`,
  `SELECT ssn SIMILAR TO 'q%' FROM customers`,
  `SELECT ssn COLLATE "C" FROM customers`,
  `SELECT substr(ssn, 1, 3) FROM customers`,
  `SELECT substring(ssn FROM 1 FOR 3) FROM customers`,
  `SELECT overlay(ssn PLACING 'x' FROM 1) FROM customers`,
  `SELECT position('q' IN ssn) FROM customers`,
  `SELECT length(ssn), md5(ssn), ascii(ssn) FROM customers`,
  `SELECT 1 / (pin - pin) FROM customers`,
  `SELECT ssn::int FROM customers`,
  `SELECT ssn::date FROM customers`,
  `SELECT ssn::json FROM customers`,
  `SELECT ssn::regclass FROM customers`,
  `SELECT ssn::xml FROM customers`,
  `SELECT id FROM customers WHERE ssn = 'x'`,
  `SELECT id FROM customers WHERE ssn::int = 1`,
  `SELECT id FROM customers WHERE EXISTS (SELECT 1 WHERE customers.ssn LIKE 'q%')`,
  `SELECT id FROM accounts a WHERE (SELECT ssn FROM customers c WHERE c.id = a.id) LIKE 'q%'`,
  `SELECT id FROM customers LIMIT (SELECT pin FROM customers WHERE id = 1)`,
  `SELECT id FROM customers OFFSET (SELECT length(ssn) FROM customers WHERE id = 1)`,
  `SELECT generate_series(1, length(ssn)) FROM customers`,
  `SELECT pg_typeof(ssn), pg_column_size(ssn) FROM customers`,
  `SELECT upper(iban) FROM payments_2026`,
  `SELECT upper(secret) FROM staff_notes`,
  `SELECT upper(t) FROM people_again`,
  `SELECT upper(x) FROM kept`,
  `COPY (SELECT upper(ssn) FROM customers) TO STDOUT`,
  `COPY (SELECT c FROM customers c) TO STDOUT`,
  `COPY (UPDATE accounts SET note = note WHERE id = 1 RETURNING (SELECT ssn FROM customers WHERE id = 1)) TO STDOUT`,
  `EXPLAIN ANALYZE SELECT * FROM customers WHERE ssn LIKE 'q%'`,
  `SELECT s FROM pg_stats s`,
  `SELECT array_to_string(histogram_bounds::text::text[], ',') FROM pg_stats`,
  `SELECT pg_stat_get_backend_activity(1)`,
  `SELECT * FROM pg_stat_get_activity(NULL)`,
  `SELECT * FROM pg_prepared_statement()`,
  `SELECT * FROM pg_cursor()`,
  `SELECT lo_from_bytea(0, ssn::bytea) FROM customers`,
  `SELECT table_to_xml('customers', true, true, '')`,
  `SELECT schema_to_xml('public', true, true, '')`,
  `SELECT database_to_xml(true, true, '')`,
  `SELECT cursor_to_xml('c', 1, true, true, '')`,
  `SELECT query_to_xmlschema('select ssn from customers', true, true, '')`,
  `SELECT ts_rewrite('a'::tsquery, 'select ssn::tsquery, ssn::tsquery from customers')`,
  `SELECT * FROM crosstab('select id::text, ssn::text, ssn::text from customers') AS t (a text, b text)`,
  `SELECT set_config('application_name', ssn, false) FROM customers`,
  `SELECT set_config('x.y', (SELECT ssn FROM customers WHERE id = 1), false)`,
  `SELECT pg_notify('changes', ssn) FROM customers`,
  `SELECT pg_sleep(length(ssn)) FROM customers`,
  `SELECT nextval(ssn) FROM customers`,
  `SELECT setval('scratch_id_seq', pin) FROM customers`,
  `SELECT to_tsvector(ssn) FROM customers`,
  `SELECT encode(ssn::bytea, 'hex') FROM customers`,
  `SELECT pg_input_is_valid(ssn, 'int') FROM customers`,
  `SELECT has_table_privilege(ssn, 'x') FROM customers`,
  `SELECT to_regclass(ssn) FROM customers`,
  `SELECT format('%s', ssn) FROM customers`,
  `SELECT concat(ssn) FROM customers`,
  `SELECT ssn(customers) FROM customers`,
  `SELECT text(ssn) FROM customers`,
  `SELECT c.text FROM customers c`,
  `SELECT c.row_to_json FROM customers c`,
  `SELECT c.to_json FROM customers c`,
  `SELECT 1 FROM customers c HAVING max(ssn) > 'a'`,
  `VALUES ((SELECT ssn FROM customers WHERE id = 1))`,
  `SELECT * FROM ROWS FROM (unnest(ARRAY(SELECT ssn::text FROM customers)), generate_series(1, 5)) AS t (a, b)`,
  `MERGE INTO scratch s USING customers c ON s.id = c.id WHEN NOT MATCHED THEN INSERT (txt) VALUES (c.ssn)`,
  `MERGE INTO accounts a USING customers c ON a.id = c.id AND c.ssn LIKE 'q%' WHEN MATCHED THEN DO NOTHING`,
  `MERGE INTO accounts a USING customers c ON a.id = c.id WHEN MATCHED AND c.pin > 5 THEN DELETE`,
  `INSERT INTO scratch (txt) SELECT ssn FROM customers`,
  `INSERT INTO scratch (txt) TABLE history`,
  `INSERT INTO scratch (txt) VALUES ((SELECT ssn FROM customers LIMIT 1))`,
  `UPDATE accounts SET note = c.ssn FROM customers c WHERE c.id = accounts.id`,
  `UPDATE accounts SET (note) = (SELECT ssn FROM customers WHERE id = 1)`,
  `UPDATE accounts SET note = 'x' FROM customers c WHERE c.ssn LIKE 'q%' AND c.id = accounts.id`,
  `DELETE FROM accounts USING customers c WHERE c.ssn LIKE 'zz%'`,
  `UPDATE customers SET full_name = full_name WHERE id = 1 RETURNING upper(ssn)`,
  `UPDATE customers SET full_name = ssn WHERE id = 1`,
  `UPDATE customers SET (full_name, nick) = (ssn, email) WHERE id = 1`,
  `UPDATE customers SET card_number = 'x' WHERE id = 1`,
  `UPDATE customers SET salary = salary + 1 WHERE id = 1`,
  `UPDATE history SET old = '[masked]' WHERE id = 1`,
  `INSERT INTO customers (id, full_name, ssn) VALUES (1, 'x', 'guess')`,
  `INSERT INTO customers (id, full_name, ssn) VALUES (9, 'x', 'guess') ON CONFLICT DO NOTHING`,
  `INSERT INTO customers (id, full_name, ssn) VALUES (1, 'x', 'guess') ON CONFLICT (id) DO UPDATE SET full_name = customers.ssn`,
  `INSERT INTO accounts VALUES (77, 1, 1, 'x') RETURNING (SELECT ssn FROM customers WHERE id = 1)`,
  `WITH w AS (UPDATE customers SET full_name = full_name WHERE id = 1 RETURNING ssn) SELECT upper(ssn) FROM w`,
  `SELECT ssn INTO copy9 FROM customers`,
  `CREATE TABLE copy9 AS SELECT ssn FROM customers`,
  `CREATE TEMP TABLE copy9 AS TABLE customers`,
  `CREATE TABLE copy9 AS SELECT c FROM customers c`,
  `CREATE MATERIALIZED VIEW copy9 AS SELECT ssn FROM customers`,
  `CREATE VIEW copy9 AS SELECT ssn FROM customers`,
  `CREATE VIEW copy9 AS SELECT c FROM customers c`,
  `CREATE RECURSIVE VIEW copy9 (n) AS SELECT ssn FROM customers`,
  `SELECT f9()`,
  `SELECT * FROM f9()`,
  `CREATE FUNCTION f10() RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT ssn FROM customers LIMIT 1; END`,
  `SELECT f11()`,
  `SELECT f12(c) FROM customers c`,
  `SELECT c.f12 FROM customers c`,
  `SELECT lower(note) FROM accounts`,
  `SELECT lower('a'::varchar)`,
  `CREATE TABLE d9 (x text DEFAULT ssn_by_code(1))`,
  `CREATE TABLE d9 (x text DEFAULT ssn_of(1))`,
  `CREATE DOMAIN dom9 AS text CHECK (peek_eq(VALUE, VALUE))`,
  `ALTER TABLE scratch ALTER txt SET DEFAULT ssn_by_code(1)`,
  `CREATE INDEX ON scratch (ssn_by_code(1))`,
  `ALTER TABLE accounts ADD COLUMN y text DEFAULT ssn_by_code(1)`,
  `CREATE POLICY p9 ON accounts USING (ssn_by_code(1) LIKE 'q%')`,
  `CREATE POLICY p9 ON accounts USING (EXISTS (SELECT FROM customers WHERE ssn LIKE 'q%'))`,
  `CREATE TRIGGER t9 AFTER UPDATE ON customers FOR EACH ROW EXECUTE FUNCTION tell_change()`,
  `CREATE RULE r9 AS ON INSERT TO scratch DO ALSO INSERT INTO accounts SELECT 99, 1, 1, ssn FROM customers`,
  `CREATE CAST (text AS int) WITH INOUT`,
];

/** Bare values: rows come, with masks in them. */
const BARE = [
  'SELECT * FROM kept_names',
  'SELECT ssn_by_code(1)',
  'SELECT * FROM rows_by_code()',
  'SELECT f.tax, nr FROM rows_by_code() f',
  'CALL call_by_code(NULL)',
  'EXPLAIN SELECT ssn_constant()',
  'SELECT mail FROM contacts',
  'SELECT query FROM pg_stat_activity',
  `SELECT ssn FROM customers`,
  `SELECT c.ssn AS full_name FROM customers c`,
  `SELECT x.s FROM customers c, LATERAL (SELECT c.ssn AS s) x`,
  `SELECT v.s FROM customers c CROSS JOIN LATERAL (SELECT c.ssn UNION ALL SELECT c.card_number) v(s)`,
  `WITH x AS (SELECT ssn FROM customers) SELECT * FROM x`,
  `WITH x(full_name) AS MATERIALIZED (SELECT ssn FROM customers) SELECT full_name FROM x`,
  `SELECT full_name FROM customers UNION ALL SELECT ssn FROM customers`,
  `SELECT (c).ssn FROM customers c`,
  `SELECT x.* FROM (SELECT ssn FROM customers) x`,
  `SELECT EXISTS (SELECT ssn FROM customers)`,
  `SELECT id, ctid, tableoid FROM customers`,
  `SELECT * FROM customers TABLESAMPLE system (100) REPEATABLE (1)`,
  `SELECT * FROM ONLY customers FOR UPDATE`,
  `TABLE customers`,
  `SELECT ssn_upper FROM customers`,
  `SELECT iban FROM payments`,
  `SELECT iban FROM payments_2025`,
  `SELECT secret FROM notes`,
  `SELECT secret FROM staff_notes`,
  `SELECT * FROM ONLY notes`,
  `SELECT t FROM people_again`,
  `SELECT x FROM kept`,
  `COPY customers TO STDOUT`,
  `COPY customers (id, ssn) TO STDOUT WITH (FORMAT csv, HEADER, FORCE_QUOTE *)`,
  `COPY customers TO STDOUT WITH (FORMAT binary)`,
  `COPY (SELECT ssn AS x, id FROM customers) TO STDOUT (DELIMITER '|', NULL 'q')`,
  `COPY payments_2025 TO STDOUT`,
  `COPY notes TO STDOUT`,
  `COPY history TO STDOUT WITH CSV`,
  `COPY BINARY history TO STDOUT`,
  `COPY (TABLE kept) TO STDOUT`,
  `COPY (SELECT * FROM people) TO STDOUT`,
  `COPY (SELECT ssn_by_code(1)) TO STDOUT`,
  `COPY (SELECT ssn FROM customers UNION ALL SELECT card_number FROM customers) TO STDOUT BINARY`,
  `EXPLAIN (ANALYZE, VERBOSE) SELECT ssn FROM customers`,
  `EXPLAIN (VERBOSE, FORMAT JSON) SELECT ssn, ssn_constant() FROM customers`,
  `SELECT most_common_vals, histogram_bounds FROM pg_stats WHERE tablename = 'customers'`,
  `SELECT pg_get_viewdef('people'::regclass)`,
  `SELECT statement FROM pg_prepared_statements`,
  `SELECT * FROM pg_stat_activity`,
  `SELECT customers.full_name FROM customers`,
  `SELECT "ssn" FROM "customers"`,
  `SELECT U&"\\0073sn" FROM customers`,
  `SELECT public.customers.ssn FROM public.customers`,
  `SELECT postgres.public.customers.ssn FROM customers`,
  `SELECT * FROM (SELECT ssn FROM customers) AS t (full_name)`,
  `SELECT * FROM customers AS c (a, b, c, d, e, f)`,
  `SELECT e FROM customers AS c (a, b, c, d, e, f)`,
  `SELECT * FROM (customers c CROSS JOIN branches b) AS j (a, b, c, d, e, f)`,
  `SELECT u.id FROM customers JOIN accounts USING (id) AS u`,
  // MERGE has RETURNING from 17 on.
  ...(postgresMajor() < 17
    ? []
    : [`MERGE INTO accounts a USING customers c ON a.id = c.id WHEN MATCHED THEN UPDATE SET balance = balance RETURNING c.ssn`]),
  `UPDATE customers SET full_name = full_name WHERE id = 1 RETURNING ssn, card_number`,
  `WITH w AS (UPDATE customers SET full_name = full_name WHERE id = 1 RETURNING ssn) SELECT * FROM w`,
  `SELECT txt FROM scratch`,
];

describe.each(['ops', 'analysts'])('%s', (group) => {
  test.each(USES)('cannot use a masked value: %s', async (sql) => {
    const attacker = await session(group);
    const outcome = await attacker.run(sql);
    expect(outcome.codes).toEqual([expect.stringMatching(REFUSED)]);
    expect(outcome.rows).toEqual([]);
    expectNothingIn(attacker);
  });
});

describe('ops', () => {
  test.each(BARE)('is shown masks: %s', async (sql) => {
    const attacker = await session('ops');
    const outcome = await attacker.run(sql);
    expect(outcome.codes).toEqual([]);
    expectNothingIn(attacker);
  });

  test.each(BARE.filter((sql) => !/^(COPY|CALL)/.test(sql)))('is shown masks in binary, without asking what comes: %s', async (sql) => {
    const attacker = await session('ops');
    const outcome = await attacker.extended(sql, [], { format: 1, describe: false });
    expect(outcome.codes).toEqual([]);
    expectNothingIn(attacker);
  });

  test('is shown masks of what it has just written, and of statistics', async () => {
    const attacker = await fresh('ops');
    expect((await attacker.run("INSERT INTO history VALUES (77, 'x') RETURNING old")).rows).toEqual([['[masked]']]);
    expect((await attacker.run('UPDATE customers SET salary = 5 WHERE id = 4 RETURNING salary')).rows).toEqual([['0.00']]);
    expect((await attacker.run('SELECT * FROM pg_statistic')).codes).toEqual([]);
    expect((await attacker.run('SELECT stavalues1 FROM pg_statistic')).codes).toEqual([]);
    expectNothingIn(attacker);
  });

  test('is told which values masks stand for by none of them', async () => {
    const attacker = await session('ops');
    const { rows } = await attacker.run('SELECT ssn, card_number, email, pin, salary, ssn_upper FROM customers WHERE id = 1');
    expect(rows).toEqual([['*********il', '[masked]', expect.stringMatching(/^[0-9a-f]{32}$/), null, '0.00', '[masked]']]);
  });

  test('learns nothing from what follows its own writes: notices, notifications, checks that fail at COMMIT', async () => {
    const attacker = await fresh('ops');
    expect((await attacker.run('LISTEN changes')).codes).toEqual([]);
    expect((await attacker.run("UPDATE customers SET full_name = full_name || '!' WHERE id = 1")).tags).toEqual(['UPDATE 1']);
    expect((await attacker.run("INSERT INTO accounts VALUES (90, 4711, 1, 'x')")).codes).toEqual(['23503']);
    await attacker.run('BEGIN');
    await attacker.run("INSERT INTO accounts VALUES (91, 4712, 1, 'x')");
    const end = await attacker.run('COMMIT');
    expect(end.codes).toEqual(['23503']);
    expect(end.messages[0]).not.toContain('4712');
    expectNothingIn(attacker);
  });

  test('learns nothing from errors, notices and settings of code that is there', async () => {
    const attacker = await fresh('ops');
    expect((await attacker.run('SELECT raise_by_code()')).codes).toEqual(['P0001']);
    expect((await attacker.run('SELECT code_by_code()')).codes).toEqual(['P0001']);
    expect((await attacker.run('SELECT name_by_code()')).codes).toEqual([]);
    expectNothingIn(attacker);
  });
});

describe('names that change their meaning', () => {
  test('a cursor that is closed takes what was judged under its name along', async () => {
    const attacker = await fresh('ops');
    await attacker.run('BEGIN');
    await attacker.run("DECLARE c CURSOR FOR SELECT 'x' || id::text AS v FROM accounts");
    expect(text(await attacker.run('FETCH 1 FROM c'))).toBe('[["x1"]]');
    await attacker.run('CLOSE c');
    await attacker.run("SELECT open_by_code('c')");
    expect((await attacker.run('FETCH ALL FROM c')).rows).toEqual(Array.from({ length: 5 }, () => ['[masked]']));
    await attacker.run('COMMIT');
    expectNothingIn(attacker);
  });

  test('a portal that SQL has closed is not executed as it was judged', async () => {
    const attacker = await fresh('ops');
    await attacker.run('BEGIN');
    await attacker.send([
      wire.parse('', "SELECT 'x' || id::text FROM accounts"),
      wire.bind('p', ''),
      wire.describePortal('p'),
      wire.sync(),
    ]);
    await attacker.run('CLOSE p');
    await attacker.run('DECLARE p CURSOR FOR SELECT ssn FROM customers UNION ALL SELECT card_number FROM customers');
    const outcome = await attacker.send([wire.execute('p'), wire.sync()]);
    expect(outcome.codes).toEqual(['34000']);
    await attacker.run('ROLLBACK');
    expectNothingIn(attacker);
  });

  test('a cursor of the name of a closed one is read as the portal that it is', async () => {
    const attacker = await fresh('ops');
    await attacker.run('BEGIN');
    await attacker.run("DECLARE c CURSOR FOR SELECT 'x' || id::text AS v FROM accounts");
    await attacker.send([wire.closePortal('c'), wire.sync()]);
    await attacker.send([
      wire.parse('', 'SELECT ssn FROM customers UNION ALL SELECT card_number FROM customers'),
      wire.bind('c', ''),
      wire.sync(),
    ]);
    expect((await attacker.run('FETCH ALL FROM c')).rows).toHaveLength(10);
    await attacker.run('ROLLBACK');
    expectNothingIn(attacker);
  });

  test.each([
    ['text', ''],
    ['binary', 'BINARY'],
  ])('rows of a held cursor are masked after its transaction, in %s', async (_format, binary) => {
    const attacker = await fresh('ops');
    expect((await attacker.run(`DECLARE h ${binary} CURSOR WITH HOLD FOR SELECT id, ssn, pin, salary FROM customers`)).codes).toEqual([]);
    expect((await attacker.run('FETCH 2 FROM h')).rows).toHaveLength(2);
    expect((await attacker.extended('FETCH ALL FROM h', [], { format: 1 })).rows).toHaveLength(3);
    await attacker.run('CLOSE h');
    expectNothingIn(attacker);
  });

  test('described long before it is executed, fetched in parts, in binary: masked all the same', async () => {
    const attacker = await fresh('ops');
    await attacker.send([wire.parse('s', 'SELECT ssn, salary FROM customers'), wire.describeStatement('s'), wire.sync()]);
    await attacker.run('SELECT 1');
    await attacker.run('BEGIN');
    const rows = [];
    rows.push(...(await attacker.send([wire.bind('p', 's', [], [1, 0]), wire.execute('p', 2), wire.sync()])).rows);
    rows.push(...(await attacker.send([wire.execute('p', 2), wire.execute('p', 0), wire.sync()])).rows);
    expect(rows).toHaveLength(5);
    await attacker.run('COMMIT');
    expectNothingIn(attacker);
  });

  test('PREPARE and EXECUTE, with its rows kept or compared', async () => {
    const attacker = await fresh('ops');
    expect((await attacker.run('PREPARE a AS SELECT ssn FROM customers')).codes).toEqual([]);
    expect((await attacker.run('EXECUTE a')).rows).toHaveLength(5);
    expect((await attacker.run('CREATE TABLE copy8 AS EXECUTE a')).codes).toEqual(['ZG014']);
    expect((await attacker.run('PREPARE b (text) AS SELECT id FROM customers WHERE ssn = $1')).codes).toEqual(['ZG013']);
    expect((await attacker.run('EXPLAIN ANALYZE EXECUTE a')).codes).toEqual([]);
    expect((await attacker.run('DECLARE c CURSOR WITH HOLD FOR EXECUTE a')).codes[0]).toMatch(/^ZG014$/);
    expectNothingIn(attacker);
  });

  test('columns renamed under way keep their masks, and what reads them meanwhile is refused', async () => {
    const attacker = await fresh('ops');
    await attacker.run('BEGIN');
    expect((await attacker.run('ALTER TABLE notes RENAME COLUMN secret TO plain')).codes).toEqual([]);
    expect((await attacker.run('INSERT INTO scratch (txt) SELECT plain FROM notes')).codes).toEqual(['ZG014']);
    await attacker.run('ROLLBACK');
    await attacker.run('BEGIN');
    await attacker.run('ALTER TABLE notes RENAME COLUMN secret TO plain');
    expect((await attacker.run('SELECT upper(plain) FROM notes')).codes[0]).toMatch(/^ZG014$/);
    await attacker.run('ROLLBACK');
    expectNothingIn(attacker);
  });

  test('a new parent and a new child of a masked table are masked with it', async () => {
    const attacker = await fresh('ops');
    expect((await attacker.run('CREATE TABLE above (id int, old text)')).codes).toEqual([]);
    expect((await attacker.run('ALTER TABLE history INHERIT above')).codes).toEqual([]);
    expect((await attacker.run('SELECT old FROM above')).rows.length).toBeGreaterThan(3);
    expect((await attacker.run('SELECT upper(old) FROM above')).codes).toEqual(['ZG013']);
    expect((await attacker.run('CREATE TABLE below () INHERITS (history)')).codes).toEqual([]);
    expect((await attacker.run('SELECT upper(old) FROM below')).codes).toEqual(['ZG013']);
    expectNothingIn(attacker);
  });

  test('temporary tables and views that shadow, and a search path that leads elsewhere', async () => {
    const attacker = await fresh('ops');
    expect((await attacker.run('CREATE TEMP TABLE customers (id int, ssn text)')).codes).toEqual([]);
    expect((await attacker.run("INSERT INTO customers VALUES (1, 'mine')")).codes).toEqual([]);
    expect(text(await attacker.run('SELECT upper(ssn) FROM customers'))).toBe('[["MINE"]]');
    expect((await attacker.run('SELECT upper(ssn) FROM public.customers')).codes).toEqual(['ZG013']);
    await attacker.run('SET search_path = public, pg_temp');
    expect((await attacker.run('SELECT upper(ssn) FROM customers')).codes).toEqual(['ZG013']);
    await attacker.run('RESET search_path');
    await attacker.run('DROP TABLE pg_temp.customers');
    expect((await attacker.run('SELECT upper(ssn) FROM customers')).codes).toEqual(['ZG013']);
    expect((await attacker.run('CREATE TEMP VIEW seen AS SELECT id, full_name FROM customers')).codes).toEqual([]);
    expect((await attacker.run('SELECT full_name FROM seen')).rows).toHaveLength(5);
    expectNothingIn(attacker);
  });

  test('a materialized view that is refreshed keeps its masks', async () => {
    const attacker = await fresh('ops');
    expect((await attacker.run('REFRESH MATERIALIZED VIEW kept')).codes).toEqual([]);
    expect((await attacker.run('SELECT * FROM kept WHERE id = 1')).rows[0]).toEqual([
      '1',
      expect.stringContaining('person 1'),
      '*********il',
      '[masked]',
    ]);
    expectNothingIn(attacker);
  });

  test.each([
    ['SET sallyport.reason', "SET sallyport.reason = 'q'"],
    ['a custom setting', "SET my.setting = 'x'"],
    ['client_min_messages', 'SET client_min_messages = debug5'],
    ['debug_print_parse', 'SET debug_print_parse = on'],
  ])('%s shows nothing', async (_what, sql) => {
    const attacker = await fresh('ops');
    await attacker.run(sql);
    await attacker.run('SELECT ssn FROM customers');
    await attacker.run('SHOW ALL');
    expectNothingIn(attacker);
  });
});

describe('fraud', () => {
  test('sees the one column that policy reveals, and it alone', async () => {
    const attacker = await fresh('fraud');
    const { rows } = await attacker.run("SELECT email, ssn FROM customers WHERE email LIKE '%1@%'");
    expect(rows).toEqual([['q9pmail1@corp.example', '*********il']]);
    expect((await attacker.run('SELECT upper(email) FROM customers WHERE id = 1')).rows[0]).toEqual(['Q9PMAIL1@CORP.EXAMPLE']);
    expect((await attacker.run('SELECT email || ssn FROM customers')).codes).toEqual(['ZG013']);
    expect((await attacker.run('SELECT email FROM customers UNION ALL SELECT ssn FROM customers')).rows.flat().join()).not.toContain(
      'q9pmail',
    );
    expectNothingIn(attacker, ['q9pmail']);
  });
});

describe('names that another session changes', () => {
  const SWAP = [
    'ALTER TABLE customers RENAME COLUMN card_number TO between',
    'ALTER TABLE customers RENAME COLUMN nick TO card_number',
    'ALTER TABLE customers RENAME COLUMN between TO nick',
  ];

  async function swap(attacker: Attacker): Promise<void> {
    for (const sql of SWAP) expect((await attacker.run(sql)).codes, sql).toEqual([]);
  }

  /** Until nobody changes names any longer, statements are refused. */
  async function settled(attacker: Attacker, sql: string): Promise<Outcome> {
    for (let left = 200; ; left -= 1) {
      const outcome = await attacker.run(sql);
      if (left === 0 || !(outcome.messages[0] ?? '').includes('another session')) return outcome;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async function lockAwaited(): Promise<void> {
    for (let left = 500; left > 0; left -= 1) {
      const waiting = await bank.postgres.query("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'");
      if (waiting.length > 0) return;
    }
    throw new Error('nobody waits for a lock');
  }

  test('a statement that waits for a lock meanwhile shows nothing under the new names, and masks stay with their columns', async () => {
    const [changing, waiting] = [await fresh('ops'), await fresh('ops')];
    await changing.run('BEGIN');
    await changing.run('LOCK TABLE customers');
    const rows = waiting.run('SELECT upper(nick) FROM customers');
    await lockAwaited();
    await swap(changing);
    expect((await (await fresh('ops')).run('SELECT upper(nick) FROM customers')).codes).toEqual(['ZG014']);
    await changing.run('COMMIT');
    expect(await rows).toMatchObject({ codes: ['ZG014'], rows: [] });
    expect((await settled(waiting, 'SELECT upper(nick) FROM customers')).codes).toEqual(['ZG013']);
    const { rows: swapped } = await settled(changing, 'SELECT nick, card_number FROM customers WHERE id = 2');
    expect(swapped).toEqual([['[masked]', '[masked]']]);
    expectNothingIn(waiting);
    expectNothingIn(changing);
  });
});

test('no masked value is in the evidence, the state, or the log of the gateway', () => {
  const files = filesBelow(bank.gateway.dataDir);
  expect(files.some(({ path }) => path.startsWith(bank.gateway.evidenceDir))).toBe(true);
  expect(files.some(({ path }) => path === join(bank.gateway.dataDir, 'state.db'))).toBe(true);
  // What policy reveals is recorded as it was shown.
  const found = files.flatMap(({ path, bytes }) =>
    canariesIn(bytes).flatMap((canary) => (canary === 'q9pmail' ? [] : [`${canary} in ${path}`])),
  );
  expect(found).toEqual([]);
  expect(canariesIn(Buffer.from(bank.gateway.log.join('\n')))).toEqual([]);
});
