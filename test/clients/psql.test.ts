// psql, unchanged: what it prints through the gateway is what it prints straight from PostgreSQL.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startClientBank, UNMASKED, type ClientBank } from '../support/client-bank.ts';
import { runProgram, type Finished, type Way } from './run-program.ts';

let bank: ClientBank;
let folder: string;

beforeAll(async () => {
  bank = await startClientBank();
  folder = mkdtempSync(join(tmpdir(), 'sallyport-test-psql-'));
});

afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await bank.stop();
});

/** Runs a script from standard input, without a .psqlrc. */
const psql = (way: Way, script: string, ...args: string[]): Promise<Finished> => runProgram(bank, way, 'psql', ['-X', ...args], script);

/** Commands that only read, and say the same whoever asks. */
const DESCRIBING = String.raw`
\d
\d+
\dt
\dt+
\dt public.*
\d orders
\d+ orders
\d+ customers
\d+ customer_names
\d orders_customer
\d+ orders_id_seq
\df
\df+
\df add
\da
\dn
\dn+
\du
\du+
\dg
\dx
\dx+
\dT
\dT+
\dv+
\di+
\ds+
\dm
\dp
\ddp
\dD
\dC
\do
\db
\db+
\dc
\dd
\dF+
\dL
\dy
\des
\dew
\deu
\det
\dRp
\dRs
\dX
\dA+
\dP
\dl
\drds
\z orders
\sf add
\sv customer_names
\encoding
`
  .trim()
  .split('\n');

describe.each(['all', 'analysts'] as const)('psql’s descriptions for one of group %s', (group) => {
  test('are the same through the gateway, command by command', async () => {
    const script = DESCRIBING.map((command) => `\\echo == ${command.slice(1)}\n${command}\n`).join('');
    const direct = await psql('direct', script);
    const through = await psql(group, script);
    expect(through.stderr).toBe(direct.stderr);
    expect(through.stdout.split('\n')).toEqual(direct.stdout.split('\n'));
    expect(through.stdout.match(/^== /gmu)).toHaveLength(DESCRIBING.length);
    // The commands did describe something.
    for (const told of ['orders_customer_id_fkey', 'what was bought', 'plpgsql', 'customers_id_seq'])
      expect(through.stdout).toContain(told);
  });

  test('list the databases, with the columns that each major version asks for', async () => {
    // `\l` of psql 17 and 18; older ones ask for a column that this server does not have, directly as well.
    const listing = `SELECT d.datname as "Name", pg_catalog.pg_get_userbyid(d.datdba) as "Owner",
      pg_catalog.pg_encoding_to_char(d.encoding) as "Encoding",
      CASE d.datlocprovider WHEN 'b' THEN 'builtin' WHEN 'c' THEN 'libc' WHEN 'i' THEN 'icu' END AS "Locale Provider",
      d.datcollate as "Collate", d.datctype as "Ctype", d.datlocale as "Locale", d.daticurules as "ICU Rules",
      CASE WHEN pg_catalog.array_length(d.datacl, 1) = 0 THEN '(none)' ELSE pg_catalog.array_to_string(d.datacl, E'\\n') END AS "Access privileges"
      FROM pg_catalog.pg_database d ORDER BY 1;`;
    const direct = await psql('direct', `${listing}\n\\l\n`);
    const through = await psql(group, `${listing}\n\\l\n`);
    expect(through.stdout).toBe(direct.stdout);
    expect(through.stdout).toContain('template1');
    expect(through.status).toBe(direct.status);
  });
});

describe('a script', () => {
  const SCRIPT = String.raw`
\set ON_ERROR_STOP on
\set who 'name 7'
BEGIN;
CREATE TEMP TABLE scratch (id int, v text) ON COMMIT DROP;
INSERT INTO scratch SELECT g, 'v' || g FROM generate_series(1, 3) g;
SELECT * FROM scratch JOIN orders USING (id) ORDER BY id;
COMMIT;
BEGIN;
INSERT INTO orders (customer_id, total, note) VALUES (7, 70.5, 'script') RETURNING customer_id, total;
SELECT id, name FROM customers WHERE name = :'who';
SAVEPOINT a;
UPDATE orders SET note = 'undone' WHERE note = 'script';
ROLLBACK TO a;
RELEASE a;
COMMIT;
SELECT count(*) AS found FROM orders WHERE note = 'script' \gset
\echo :found
SELECT 1 AS a, 'x'::text AS b, now() AS c \gdesc
SELECT id, ssn, feels FROM customers \gdesc
SELECT id FROM customers WHERE id < 3 ORDER BY id \gx
SELECT format('SELECT %s AS n', g) FROM generate_series(1, 3) g \gexec
\x auto
SELECT * FROM customer_names WHERE id < 3;
\set FETCH_COUNT 7
SELECT id FROM customers ORDER BY id LIMIT 20;
\unset FETCH_COUNT
SELECT 1; SELECT 2\; SELECT 3;
SELECT add(1, 2);
CREATE TABLE made (id int);
DROP TABLE made;
SET statement_timeout = '5s';
SHOW statement_timeout;
RESET statement_timeout;
PREPARE by_id (int) AS SELECT name FROM customers WHERE id = $1;
EXECUTE by_id (3);
DEALLOCATE by_id;
EXPLAIN (COSTS OFF) SELECT name FROM customers WHERE id = 3;
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM customers ORDER BY id;
FETCH 2 FROM c;
MOVE 3 FROM c;
FETCH BACKWARD 1 FROM c;
CLOSE c;
ROLLBACK;
DELETE FROM orders WHERE note = 'script';
`;

  test('with transactions, variables, cursors and errors has the same answers, from -f and from standard input', async () => {
    const file = join(folder, 'script.sql');
    writeFileSync(file, SCRIPT);
    const direct = await psql('direct', SCRIPT);
    const piped = await psql('all', SCRIPT);
    const named = await psql('all', '', '-f', file);
    expect(direct.stderr).toBe('');
    expect(direct.status).toBe(0);
    expect(piped).toEqual(direct);
    expect(named).toEqual(direct);
  });

  test('stops at the first error under ON_ERROR_STOP, in one transaction that leaves nothing', async () => {
    const script = "INSERT INTO orders (customer_id, total, note) VALUES (1, 1, 'stopped');\nSELECT 1/0;\nSELECT 'not reached';\n";
    for (const way of ['direct', 'all'] as const) {
      const { status, stdout, stderr } = await psql(way, '', '-v', 'ON_ERROR_STOP=1', '-1', '-f', fileOf(script));
      expect(status).toBe(3);
      expect(stderr).toContain('division by zero');
      expect(stdout).not.toContain('not reached');
    }
    expect(await bank.postgres.query(`SELECT count(*)::int AS n FROM orders WHERE note = 'stopped'`)).toEqual([{ n: 0 }]);
  });

  test('of an agent that may only read goes on after what is refused, and a refusal fails its transaction', async () => {
    const { status, stdout, stderr } = await psql(
      'analysts',
      'SELECT 1 AS before;\nDROP TABLE orders;\nSELECT 2 AS after;\nBEGIN;\nDROP TABLE orders;\nSELECT 3 AS never;\nCOMMIT;\n',
      '-At',
    );
    expect(status).toBe(0);
    expect(stdout.trim().split('\n')).toEqual(['1', '2', 'BEGIN', 'ROLLBACK']);
    expect(stderr.match(/blocked by policy/gu)?.length).toBeGreaterThanOrEqual(2);
    expect(stderr).toContain('current transaction is aborted');
    expect(bank.postgres.log()).not.toContain('DROP TABLE orders');
  });

  function fileOf(script: string): string {
    const file = join(folder, 'stops.sql');
    writeFileSync(file, script);
    return file;
  }
});

describe('\\copy', () => {
  test('takes a file in, and writes the same rows out', async () => {
    const [incoming, outgoing] = [join(folder, 'in.csv'), join(folder, 'out.csv')];
    const rows = Array.from({ length: 2000 }, (_, at) => `${1 + (at % 50)},${at}.25,"copied, ${at}"`);
    writeFileSync(incoming, `${rows.join('\n')}\n`);
    const { status, stdout, stderr } = await psql(
      'all',
      [
        String.raw`\copy orders (customer_id, total, note) from '${incoming}' csv`,
        String.raw`\copy (SELECT customer_id, total, note FROM orders WHERE note LIKE 'copied%' ORDER BY id) to '${outgoing}' csv`,
      ].join('\n'),
    );
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toBe('COPY 2000\nCOPY 2000\n');
    expect(readFileSync(outgoing, 'utf8').trim().split('\n')).toEqual(rows);
  });

  test('of bad data fails as PostgreSQL does, and the session goes on', async () => {
    const { stdout, stderr } = await psql(
      'all',
      "COPY orders (customer_id, total) FROM STDIN;\nnot a number\t1\n\\.\nSELECT 'on' AS goes;\n",
      '-At',
    );
    expect(stderr).toContain('ERROR:');
    expect(stdout).toContain('on');
  });
});

describe('masked columns in psql', () => {
  test('are masked in tables, cursors, COPY, \\copy and \\gdesc, for those who may do all and those who may read', async () => {
    const outgoing = join(folder, 'masked.csv');
    for (const group of ['all', 'analysts'] as const) {
      const { status, stdout, stderr } = await psql(
        group,
        String.raw`
\set ON_ERROR_STOP on
SELECT id, ssn FROM customers ORDER BY id;
\set FETCH_COUNT 20
SELECT ssn, id FROM customers;
\unset FETCH_COUNT
BEGIN;
DECLARE c CURSOR FOR SELECT ssn FROM customers;
FETCH 10 FROM c;
FETCH ALL FROM c;
COMMIT;
TABLE customers;
COPY customers TO STDOUT;
COPY (SELECT ssn FROM customers) TO STDOUT CSV;
\copy customers to '${outgoing}' csv
`,
      );
      expect([status, stderr]).toEqual([0, '']);
      const shown = stdout + readFileSync(outgoing, 'utf8');
      expect(shown).not.toMatch(UNMASKED);
      expect(shown.match(/\*\*\*-\*\*-10\d\d/gu)).toHaveLength(7 * 50);
    }
  });
});
