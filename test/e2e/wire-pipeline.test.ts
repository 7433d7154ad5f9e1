import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTwin, type Step, type Twin } from '../support/wire-twin.ts';
import { wire } from '../support/wire-client.ts';

const { query, parse, bind, execute, describePortal, describeStatement, closePortal, closeStatement, sync, flush } = wire;

let twin: Twin;

beforeAll(async () => {
  twin = await startTwin(`
    CREATE TABLE t (id int PRIMARY KEY, v text);
    INSERT INTO t SELECT g, 'v' || g FROM generate_series(1, 100) g;
    CREATE TABLE d (id int PRIMARY KEY, other int REFERENCES d (id) DEFERRABLE INITIALLY DEFERRED);
    CREATE TABLE copied (id int, v text);
    CREATE SCHEMA a; CREATE SCHEMA b;
    CREATE TABLE a.named AS SELECT 'from a' AS who; CREATE TABLE b.named AS SELECT 'from b' AS who;
    CREATE TABLE shadowed AS SELECT 'permanent' AS who;
  `);
});

afterAll(async () => {
  await twin.stop();
});

/** One send and its answer. */
const at = (...send: Buffer[]): Step => ({ send });
const upTo = (until: string, ...send: Buffer[]): Step => ({ send, until });
const q = (sql: string): Step => at(query(sql));

const SCRIPTS: readonly (readonly [name: string, script: readonly Step[]])[] = [
  ['a simple Query', [q('SELECT id, v FROM t WHERE id < 4 ORDER BY id')]],
  [
    'an empty query',
    [q(''), q('  ;; ; '), q('-- a comment'), at(parse('', ''), describeStatement(''), bind('', ''), describePortal(''), execute(), sync())],
  ],
  ['several statements in one Query', [q("SELECT 1; UPDATE t SET v = 'x' WHERE id = 1; SELECT v FROM t WHERE id = 1")]],
  [
    'an error in the middle of several statements',
    [q("INSERT INTO t VALUES (200, 'gone'); SELECT 1/0; SELECT 2"), q('SELECT count(*) FROM t WHERE id = 200')],
  ],
  [
    'several statements with their own transaction',
    [
      q("BEGIN; INSERT INTO t VALUES (201, 'kept'); COMMIT; INSERT INTO t VALUES (202, 'gone'); SELECT 1/0"),
      q('SELECT id FROM t WHERE id > 200'),
    ],
  ],
  ['an open transaction left by several statements', [q('BEGIN; SELECT 1'), q('SELECT 2'), q('ROLLBACK')]],
  ['a failed transaction', [q('BEGIN'), q('SELECT 1/0'), q('SELECT 1'), q('COMMIT'), q('SELECT 1')]],
  ['warnings of transaction control', [q('COMMIT'), q('ROLLBACK'), q('BEGIN'), q('BEGIN'), q('END')]],
  [
    'the extended protocol',
    [at(parse('', 'SELECT id, v FROM t WHERE id = $1', [23]), bind('', '', ['7']), describePortal(''), execute(), sync())],
  ],
  [
    'Describe before and after Bind',
    [
      at(parse('s', 'SELECT id, v FROM t WHERE id < $1 ORDER BY id'), describeStatement('s'), sync()),
      at(bind('p', 's', ['3']), describePortal('p'), execute('p'), describePortal('p'), sync()),
      at(describePortal('p'), sync()),
    ],
  ],
  [
    'Describe of what returns nothing',
    [
      at(
        parse('', "UPDATE t SET v = 'y' WHERE id = $1"),
        describeStatement(''),
        bind('', '', ['2']),
        describePortal(''),
        execute(),
        sync(),
      ),
    ],
  ],
  [
    'row limits and suspended portals',
    [
      at(
        parse('s', 'SELECT id FROM t WHERE id < 8 ORDER BY id'),
        bind('p', 's'),
        execute('p', 3),
        execute('p', 3),
        execute('p', 3),
        execute('p', 3),
        sync(),
      ),
      q('BEGIN'),
      at(bind('p', 's'), execute('p', 2), sync()),
      at(execute('p', 2), sync()),
      at(execute('p', 0), sync()),
      at(execute('p', 0), sync()),
      q('COMMIT'),
      at(execute('p', 0), sync()),
    ],
  ],
  [
    'a suspended portal between other statements',
    [
      q('BEGIN'),
      at(parse('s', 'SELECT id FROM t ORDER BY id LIMIT 6'), bind('p', 's'), execute('p', 2), sync()),
      at(parse('', 'SELECT 42'), bind('', ''), execute(), sync()),
      q('SELECT 43'),
      at(execute('p', 2), sync()),
      at(closePortal('p'), sync()),
      at(execute('p', 2), sync()),
      q('ROLLBACK'),
    ],
  ],
  [
    'the unnamed statement and portal, used again',
    [
      at(parse('', 'SELECT 1'), sync()),
      at(bind('', ''), execute(), sync()),
      at(bind('', ''), bind('', ''), execute(), sync()),
      at(parse('', 'SELECT 2'), bind('', ''), execute(), parse('', 'SELECT 3'), bind('', ''), execute(), sync()),
      q('SELECT 4'),
      at(bind('', ''), execute(), sync()),
    ],
  ],
  [
    'a simple Query in the middle of a pipeline',
    [
      upTo(
        'ZZ',
        parse('', "INSERT INTO t VALUES (301, 'a')"),
        bind('', ''),
        execute(),
        query('SELECT 1'),
        parse('', 'SELECT 1/0'),
        bind('', ''),
        execute(),
        sync(),
      ),
      q('SELECT id FROM t WHERE id = 301'),
    ],
  ],
  [
    'an error before a simple Query in a pipeline',
    [
      at(parse('', 'SELECT 1/0'), bind('', ''), execute(), query("INSERT INTO t VALUES (302, 'b')"), sync()),
      q('SELECT id FROM t WHERE id = 302'),
    ],
  ],
  [
    'an error in the middle of a pipeline with several Syncs',
    [
      upTo(
        'ZZZ',
        parse('', "INSERT INTO t VALUES (311, 'a')"),
        bind('', ''),
        execute(),
        sync(),
        parse('', "INSERT INTO t VALUES (312, 'b')"),
        bind('', ''),
        execute(),
        parse('', 'SELECT 1/0'),
        bind('', ''),
        execute(),
        parse('', 'SELECT 5'),
        bind('', ''),
        execute(),
        sync(),
        parse('', 'SELECT 6'),
        bind('', ''),
        execute(),
        sync(),
      ),
      q('SELECT id FROM t WHERE id IN (311, 312)'),
    ],
  ],
  [
    'an error at Parse, at Bind, and at Describe',
    [
      at(parse('', 'SELECT no_such_column FROM t'), bind('', ''), execute(), sync()),
      at(parse('', 'SELECT $1::int'), bind('', '', ['not a number']), describePortal(''), execute(), sync()),
      at(parse('', 'SELECT $1::int'), bind('', '', []), execute(), sync()),
      at(describeStatement('nobody'), sync()),
      at(describePortal('nobody'), sync()),
      at(execute('nobody'), sync()),
      at(bind('', 'nobody'), sync()),
    ],
  ],
  [
    'Flush without Sync',
    [
      upTo('1', parse('f', 'SELECT id FROM t WHERE id = $1'), flush()),
      upTo('tT', describeStatement('f'), flush()),
      upTo('2', bind('', 'f', ['5']), flush()),
      upTo('DC', execute(), flush()),
      upTo('E', parse('', 'SELECT 1/0'), bind('', ''), execute(), flush()),
      at(parse('', 'SELECT 9'), sync()),
      at(sync()),
    ],
  ],
  ['Sync alone, many times', [upTo('ZZZ', sync(), sync(), sync()), q('BEGIN'), upTo('ZZ', sync(), sync()), q('ROLLBACK')]],
  [
    'a Parse on a taken name',
    [
      at(parse('taken', "SELECT 'old'"), sync()),
      at(parse('taken', "SELECT 'new'"), bind('', 'taken'), execute(), sync()),
      at(bind('', 'taken'), execute(), sync()),
      at(closeStatement('taken'), parse('taken', "SELECT 'new'"), bind('', 'taken'), execute(), sync()),
    ],
  ],
  [
    'a Close after an error in the pipeline',
    [
      at(parse('kept', "SELECT 'kept'"), sync()),
      at(parse('', 'SELECT 1/0'), bind('', ''), execute(), closeStatement('kept'), parse('kept', "SELECT 'new'"), sync()),
      at(bind('', 'kept'), execute(), sync()),
    ],
  ],
  [
    'PREPARE, a second PREPARE that fails, DEALLOCATE',
    [
      q("PREPARE p AS SELECT 'old'"),
      q("PREPARE p AS SELECT 'new'"),
      q('EXECUTE p'),
      at(bind('', 'p'), describePortal(''), execute(), sync()),
      q('DEALLOCATE p'),
      q('EXECUTE p'),
      at(bind('', 'p'), execute(), sync()),
    ],
  ],
  [
    'PREPARE in a transaction that is rolled back',
    [
      q('BEGIN'),
      q("PREPARE rb AS SELECT 'prepared'"),
      q('ROLLBACK'),
      q('EXECUTE rb'),
      q("PREPARE rc AS SELECT 'also'; SELECT 1/0"),
      q('EXECUTE rc'),
      q('BEGIN'),
      q('SELECT 1/0'),
      q("PREPARE rd AS SELECT 'never'"),
      q('ROLLBACK'),
      q('EXECUTE rd'),
    ],
  ],
  [
    'PREPARE with parameters by either protocol',
    [
      q('PREPARE w (int) AS SELECT id, v FROM t WHERE id = $1'),
      q('EXECUTE w (9)'),
      at(describeStatement('w'), bind('', 'w', ['10']), execute(), sync()),
      at(parse('', 'EXECUTE w (11)'), bind('', ''), describePortal(''), execute(), sync()),
      at(parse('x', 'SELECT v FROM t WHERE id = $1', [23]), sync()),
      q('EXECUTE x (12)'),
    ],
  ],
  [
    'what is bound and never executed',
    [
      at(parse('', 'PREPARE never AS SELECT 1'), bind('', ''), sync()),
      at(bind('', 'never'), execute(), sync()),
      q('EXECUTE never'),
      q("PREPARE never AS SELECT 'now'"),
      q('EXECUTE never'),
      at(parse('', 'DEALLOCATE never'), bind('', ''), sync()),
      q('EXECUTE never'),
    ],
  ],
  [
    'the unnamed statement after DEALLOCATE ALL',
    [at(parse('', 'DEALLOCATE ALL'), bind('', ''), execute(), bind('', ''), execute(), sync()), at(bind('', ''), execute(), sync())],
  ],
  [
    'DEALLOCATE ALL',
    [
      at(parse('one', 'SELECT 1'), parse('two', 'SELECT 2'), sync()),
      q('DEALLOCATE ALL'),
      at(bind('', 'one'), execute(), sync()),
      at(parse('one', 'SELECT 11'), bind('', 'one'), execute(), sync()),
    ],
  ],
  [
    'DISCARD ALL',
    [
      at(parse('one', 'SELECT 1'), sync()),
      q("SET statement_timeout = '7s'"),
      q('CREATE TEMP TABLE gone (x int)'),
      q('DISCARD ALL'),
      at(bind('', 'one'), execute(), sync()),
      q('SELECT * FROM gone'),
      q('SHOW statement_timeout'),
      q('BEGIN'),
      q('DISCARD ALL'),
      q('ROLLBACK'),
    ],
  ],
  [
    'cursors',
    [
      q('BEGIN'),
      q('DECLARE c CURSOR FOR SELECT id, v FROM t WHERE id < 6 ORDER BY id'),
      q('FETCH 2 FROM c'),
      q('MOVE 1 IN c'),
      q('FETCH NEXT FROM c'),
      q('FETCH ALL FROM c'),
      q('CLOSE c'),
      q('FETCH c'),
      q('ROLLBACK'),
      q('DECLARE h CURSOR WITH HOLD FOR SELECT id FROM t WHERE id < 3 ORDER BY id'),
      q('FETCH ALL FROM h'),
      q('CLOSE h'),
      q('FETCH h'),
      q('DECLARE c CURSOR FOR SELECT 1'),
      q('FETCH c'),
    ],
  ],
  [
    'cursors by the extended protocol',
    [
      q('BEGIN'),
      at(
        parse('', 'DECLARE c CURSOR FOR SELECT id FROM t WHERE id < 5 ORDER BY id'),
        bind('', ''),
        execute(),
        parse('', 'FETCH 2 FROM c'),
        bind('', ''),
        describePortal(''),
        execute(),
        sync(),
      ),
      at(parse('', 'FETCH ALL FROM c'), bind('', '', [], [1]), describePortal(''), execute(), sync()),
      q('COMMIT'),
    ],
  ],
  [
    'SAVEPOINT and ROLLBACK TO',
    [
      q('BEGIN'),
      q("INSERT INTO t VALUES (401, 'kept')"),
      q('SAVEPOINT one'),
      q("INSERT INTO t VALUES (402, 'gone')"),
      q('SELECT 1/0'),
      q('SELECT 1'),
      q('ROLLBACK TO one'),
      q('SELECT id FROM t WHERE id > 400 ORDER BY id'),
      q('RELEASE one'),
      q('RELEASE one'),
      q('ROLLBACK'),
      q('BEGIN'),
      q("INSERT INTO t VALUES (403, 'x')"),
      q('COMMIT AND CHAIN'),
      q('ROLLBACK'),
      q('SAVEPOINT outside'),
    ],
  ],
  [
    'a pipeline in an open transaction',
    [
      upTo(
        'ZZ',
        parse('', 'BEGIN'),
        bind('', ''),
        execute(),
        parse('', "INSERT INTO t VALUES (411, 'x')"),
        bind('', ''),
        execute(),
        sync(),
        parse('', 'SELECT id FROM t WHERE id = 411'),
        bind('', ''),
        execute(),
        sync(),
      ),
      at(parse('', 'ROLLBACK'), bind('', ''), execute(), parse('', 'SELECT id FROM t WHERE id = 411'), bind('', ''), execute(), sync()),
    ],
  ],
  [
    'a pipeline whose transaction fails and is rolled back in it',
    [
      upTo(
        'ZZZ',
        query('BEGIN'),
        parse('', 'SELECT 1/0'),
        bind('', ''),
        execute(),
        sync(),
        parse('', 'ROLLBACK'),
        bind('', ''),
        execute(),
        sync(),
      ),
      q('SELECT 1'),
    ],
  ],
  [
    'a constraint that fails at COMMIT, and at Sync',
    [
      q('BEGIN'),
      q('INSERT INTO d VALUES (1, 99)'),
      q('COMMIT'),
      at(parse('', 'INSERT INTO d VALUES (2, 98)'), bind('', ''), execute(), sync()),
      q('INSERT INTO d VALUES (3, 97)'),
      at(
        parse('', 'BEGIN'),
        bind('', ''),
        execute(),
        parse('', 'INSERT INTO d VALUES (4, 96)'),
        bind('', ''),
        execute(),
        parse('', 'COMMIT'),
        bind('', ''),
        execute(),
        parse('', 'SELECT 1'),
        bind('', ''),
        execute(),
        sync(),
      ),
    ],
  ],
  [
    'the same text under another search_path',
    [
      q('SET search_path = a'),
      q('SELECT who FROM named'),
      at(parse('s', 'SELECT who FROM named'), bind('', 's'), execute(), sync()),
      q('SET search_path = b'),
      q('SELECT who FROM named'),
      at(bind('', 's'), execute(), sync()),
      q('BEGIN'),
      q('SET LOCAL search_path = a'),
      q('SELECT who FROM named'),
      q('COMMIT'),
      q('SELECT who FROM named'),
      q('BEGIN'),
      q('SET search_path = a'),
      q('ROLLBACK'),
      q('SELECT who FROM named'),
      q('BEGIN'),
      q('SAVEPOINT s'),
      q('SET search_path = a'),
      q('SELECT who FROM named'),
      q('ROLLBACK TO s'),
      q('SELECT who FROM named'),
      q('COMMIT'),
      q('RESET search_path'),
      q('SELECT who FROM named'),
      at(parse('', 'SET search_path = a'), bind('', ''), execute(), parse('', 'SELECT who FROM named'), bind('', ''), execute(), sync()),
    ],
  ],
  [
    'temporary tables before permanent ones',
    [
      q('SELECT who FROM shadowed'),
      q("CREATE TEMP TABLE shadowed AS SELECT 'temporary' AS who"),
      q('SELECT who FROM shadowed'),
      q('SELECT who FROM public.shadowed'),
      q('DROP TABLE pg_temp.shadowed'),
      q('SELECT who FROM shadowed'),
      q('BEGIN'),
      q("CREATE TEMP TABLE shadowed ON COMMIT DROP AS SELECT 'for now' AS who"),
      q('COMMIT'),
      q('SELECT who FROM shadowed'),
    ],
  ],
  [
    'COPY OUT',
    [
      q('COPY (SELECT id, v FROM t WHERE id BETWEEN 5 AND 7 ORDER BY id) TO STDOUT'),
      q('COPY (SELECT id FROM t WHERE id = 5) TO STDOUT (FORMAT csv, HEADER)'),
      q('COPY (SELECT id FROM t WHERE id = 5) TO STDOUT (FORMAT binary)'),
      at(parse('', 'COPY (SELECT id FROM t WHERE id < 3) TO STDOUT'), bind('', ''), describePortal(''), execute(), sync()),
      q('COPY (SELECT 1/(id - 3) FROM t WHERE id < 5 ORDER BY id) TO STDOUT'),
      q('COPY (SELECT 1) TO STDOUT; SELECT 2; COPY (SELECT 3) TO STDOUT'),
    ],
  ],
  [
    'COPY IN by the simple protocol',
    [
      upTo('G', query('COPY copied FROM STDIN')),
      at(wire.raw('d', Buffer.from('1\tone\n2\tt')), wire.raw('d', Buffer.from('wo\n')), wire.raw('c', Buffer.alloc(0))),
      q('SELECT id, v FROM copied ORDER BY id'),
      upTo('G', query('COPY copied FROM STDIN')),
      at(wire.raw('d', Buffer.from('3\tthree\n')), wire.raw('f', Buffer.from('changed my mind\0'))),
      upTo('G', query('COPY copied FROM STDIN')),
      at(wire.raw('d', Buffer.from('not a number\tx\n')), wire.raw('d', Buffer.from('4\ty\n')), wire.raw('c', Buffer.alloc(0))),
      q('SELECT count(*) FROM copied'),
      // All at once, without waiting for the answer.
      at(query('COPY copied FROM STDIN'), wire.raw('d', Buffer.from('5\tfive\n')), wire.raw('c', Buffer.alloc(0))),
      upTo(
        'ZZ',
        query('COPY no_such FROM STDIN'),
        wire.raw('d', Buffer.from('5\tfive\n')),
        wire.raw('c', Buffer.alloc(0)),
        query('SELECT 1'),
      ),
      upTo(
        'GG',
        query('COPY copied FROM STDIN; COPY copied FROM STDIN; SELECT count(*) FROM copied'),
        wire.raw('d', Buffer.from('6\tsix\n')),
        wire.raw('c', Buffer.alloc(0)),
      ),
      at(flush(), sync(), wire.raw('d', Buffer.from('7\tseven\n')), wire.raw('c', Buffer.alloc(0))),
    ],
  ],
  [
    'COPY IN by the extended protocol',
    [
      upTo('G', parse('', 'COPY copied FROM STDIN'), bind('', ''), describePortal(''), execute(), flush()),
      at(wire.raw('d', Buffer.from('21\tx\n')), wire.raw('c', Buffer.alloc(0)), sync()),
      // As libpq does: a Sync with the Execute, which COPY ignores, and one after the data.
      upTo('G', parse('', 'COPY copied FROM STDIN'), bind('', ''), execute(), sync()),
      at(wire.raw('d', Buffer.from('22\ty\n')), wire.raw('c', Buffer.alloc(0)), sync()),
      upTo('G', parse('', 'COPY copied FROM STDIN'), bind('', ''), execute(), sync()),
      at(wire.raw('d', Buffer.from('23\tz\n')), wire.raw('f', Buffer.from('no\0')), sync()),
      upTo(
        'GE',
        parse('', 'COPY copied FROM STDIN'),
        bind('', ''),
        execute(),
        flush(),
        wire.raw('d', Buffer.from('bad\tz\n')),
        wire.raw('c', Buffer.alloc(0)),
      ),
      at(sync()),
      at(
        parse('', 'COPY no_such FROM STDIN'),
        bind('', ''),
        execute(),
        sync(),
        wire.raw('d', Buffer.from('1\n')),
        wire.raw('c', Buffer.alloc(0)),
      ),
      q('SELECT count(*) FROM copied WHERE id > 20'),
    ],
  ],
  [
    'LISTEN and NOTIFY to oneself',
    [q('LISTEN here'), q("NOTIFY here, 'hello'"), q('BEGIN'), q("NOTIFY here, 'later'"), q('COMMIT'), q('UNLISTEN *'), q('NOTIFY here')],
  ],
  [
    'notices',
    [q("DO $$ BEGIN RAISE NOTICE 'told'; RAISE WARNING 'warned' USING HINT = 'a hint'; END $$"), q('DROP TABLE IF EXISTS nobody')],
  ],
  [
    'binary results and parameters',
    [
      at(
        parse('', 'SELECT $1::int4, $2::text, id, v FROM t WHERE id = $1', [23, 25]),
        bind('', '', [Buffer.from([0, 0, 0, 7]), 'text'], [1]),
        describePortal(''),
        execute(),
        sync(),
      ),
      at(parse('', 'SELECT 1::int8, 2.5::float8, now() IS NULL, NULL::text'), bind('', '', [], [1, 0, 1, 1]), execute(), sync()),
    ],
  ],
  ['statement_timeout', [q("SET statement_timeout = '100ms'"), q('SELECT pg_sleep(5)'), q('SET statement_timeout = 0'), q('SELECT 1')]],
  [
    'parameters that are reported',
    [
      q("SET application_name = 'x'"),
      q("SET TimeZone = 'UTC'"),
      q("SET DateStyle = 'SQL'"),
      q('RESET TimeZone'),
      q("SET client_encoding = 'UTF8'"),
    ],
  ],
  ['a large value', [at(parse('', "SELECT repeat('x', 50 * 1024 * 1024) AS large, 1 AS small"), bind('', ''), execute(), sync())]],
  [
    'EXPLAIN, SHOW, CALL and VALUES',
    [q('EXPLAIN (COSTS OFF) SELECT * FROM t WHERE id = 1'), q('SHOW server_version'), q('VALUES (1, 2), (3, 4)'), q('TABLE d')],
  ],
  ['Close of what does not exist', [at(closeStatement('nobody'), closePortal('nobody'), sync())]],
];

describe('a client cannot tell the gateway from PostgreSQL by', () => {
  test.each(SCRIPTS)('%s', async (_name, script) => {
    const { direct, through } = await twin.both(script);
    expect(through).toEqual(direct);
  });
});
