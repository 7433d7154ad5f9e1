// Pipelines that nobody would think of: whatever order messages come in, the gateway answers as PostgreSQL does, and never hangs.
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTwin, type Twin } from '../support/wire-twin.ts';
import { describeMessages, wire } from '../support/wire-client.ts';

const { query, parse, bind, execute, describePortal, describeStatement, closePortal, closeStatement, sync, flush } = wire;

let twin: Twin;

beforeAll(async () => {
  twin = await startTwin(
    `
    CREATE TABLE t (id int PRIMARY KEY, v text);
    INSERT INTO t SELECT g, 'v' || g FROM generate_series(1, 20) g;
    CREATE SCHEMA a; CREATE SCHEMA b;
    CREATE TABLE a.named AS SELECT 'from a'::text AS who; CREATE TABLE b.named AS SELECT 'from b'::text AS who;
    CREATE TABLE public.named AS SELECT 'public'::text AS who;
    CREATE FUNCTION public.reader() RETURNS text LANGUAGE sql STABLE AS 'SELECT who FROM named';
  `,
    {
      policies: `
@id("connect") permit (principal, action == Action::"connect", resource);
@id("all") permit (principal, action in Action::"all", resource);
@id("unresolved") permit (principal in Group::"demo/all", action == Action::"unknown", resource);
@id("not-b") forbid (principal in Group::"demo/analysts", action, resource in Schema::"db.b");
`,
    },
  );
});

afterAll(async () => {
  await twin.stop();
});

const STATEMENTS = [
  'SELECT id FROM t ORDER BY id LIMIT 5',
  'SELECT who FROM named',
  "UPDATE t SET v = v || '.' WHERE id = 3 RETURNING v",
  'INSERT INTO t VALUES (99, NULL)',
  'DELETE FROM t WHERE id = 99',
  'SELECT 1/0',
  'BEGIN',
  'COMMIT',
  'ROLLBACK',
  'SAVEPOINT s',
  'ROLLBACK TO s',
  'SET search_path = a',
  'SET LOCAL search_path = b, public',
  'RESET search_path',
  'PREPARE two AS SELECT 2',
  'DEALLOCATE two',
  'DEALLOCATE ALL',
  'DECLARE c CURSOR FOR SELECT id FROM t ORDER BY id',
  'FETCH 2 FROM c',
  'CLOSE c',
  '',
] as const;
/** Not to be prepared: PostgreSQL would execute one that executes itself. */
const EXECUTES = ['EXECUTE one', 'EXECUTE two'] as const;
const NAMES = ['', 'one', 'two'] as const;

/** What changes which table `named` is, and what reads it, now or later. */
const MOVES = [
  ...['a', 'b', 'b, a', 'a, b', 'public'].flatMap((path) => [`SET search_path = ${path}`, `SET LOCAL search_path = ${path}`]),
  'RESET search_path',
  'RESET ALL',
  'DISCARD ALL',
  "SELECT set_config('search_path', 'b', true)",
  "SELECT set_config('search_path', 'a', false)",
  "CREATE TEMP TABLE IF NOT EXISTS named AS SELECT 'temporary'::text AS who",
  'DROP TABLE IF EXISTS pg_temp.named',
  'DISCARD TEMP',
] as const;
const READS = [
  'SELECT who FROM named',
  'SELECT public.reader()',
  'DECLARE c CURSOR FOR SELECT public.reader()',
  'DECLARE h CURSOR WITH HOLD FOR SELECT public.reader()',
  'DECLARE n CURSOR FOR SELECT who FROM named',
  'FETCH c',
  'FETCH h',
  'FETCH n',
  'PREPARE two AS SELECT who FROM named',
  'EXECUTE two',
  'EXECUTE one',
  'COPY (SELECT who FROM named) TO STDOUT',
  'COPY named TO STDOUT',
  'SELECT 1; SELECT who FROM named',
  'COMMIT; SELECT who FROM named',
  'ROLLBACK; SELECT who FROM named',
] as const;
const CONTROL = [
  'BEGIN',
  'BEGIN',
  'COMMIT',
  'ROLLBACK',
  'SAVEPOINT s',
  'ROLLBACK TO s',
  'RELEASE s',
  'SELECT 1/0',
  'COMMIT AND CHAIN',
] as const;

type Piece = readonly [shown: string, bytes: Buffer];
const name = fc.constantFrom(...NAMES);

/** A message or a few, as drivers send them. */
const pieces = (statement: fc.Arbitrary<string>, executes: readonly string[]): fc.Arbitrary<Piece> =>
  fc.oneof(
    { weight: 4, arbitrary: fc.oneof(statement, fc.constantFrom(...executes)).map((sql): Piece => [`Q(${sql})`, query(sql)]) },
    { weight: 4, arbitrary: fc.tuple(name, statement).map(([to, sql]): Piece => [`P(${to}: ${sql})`, parse(to, sql)]) },
    { weight: 4, arbitrary: fc.tuple(name, name).map(([portal, from]): Piece => [`B(${portal} < ${from})`, bind(portal, from)]) },
    {
      weight: 4,
      arbitrary: fc.tuple(name, fc.constantFrom(0, 2)).map(([portal, rows]): Piece => [`E(${portal} ${rows})`, execute(portal, rows)]),
    },
    {
      weight: 8,
      arbitrary: fc
        .tuple(name, statement)
        .map(([to, sql]): Piece => [`PBE(${to}: ${sql})`, Buffer.concat([parse(to, sql), bind('', to), execute()])]),
    },
    { weight: 1, arbitrary: name.map((of): Piece => [`DS(${of})`, describeStatement(of)]) },
    { weight: 1, arbitrary: name.map((of): Piece => [`DP(${of})`, describePortal(of)]) },
    { weight: 1, arbitrary: name.map((of): Piece => [`CS(${of})`, closeStatement(of)]) },
    { weight: 1, arbitrary: name.map((of): Piece => [`CP(${of})`, closePortal(of)]) },
    { weight: 6, arbitrary: fc.constant<Piece>(['S', sync()]) },
    { weight: 1, arbitrary: fc.constant<Piece>(['H', flush()]) },
  );

/** Marks the end of a script, whatever became of it. */
const END = Buffer.concat([sync(), query('ROLLBACK'), query("SELECT 'the end'")]);

async function told(open: Twin['direct'], script: readonly Piece[]): Promise<readonly string[]> {
  const client = await open();
  client.send(...script.map(([, bytes]) => bytes), END);
  const lines: string[] = [];
  while (!lines.includes('D the end')) {
    const more = describeMessages(await client.until('Z'));
    lines.push(...more);
    if (more.at(-1)?.startsWith('Z') !== true) break;
  }
  client.destroy();
  return lines.map((line, index) => {
    // In a failed transaction nothing runs, whichever of the two is the reason that is given.
    if (lines[index + 1] === 'Z E' && /^E S=ERROR C=(?:25P02|34000) /.test(line)) return 'E nothing runs';
    // A name that does not exist is told in PostgreSQL's words, with what the gateway always says of its own errors.
    return line.replace(/^(E .*) D=\{"executed":"no"\}$/, '$1');
  });
}

/** `from b` as COPY shows it. */
const COPIED = Buffer.from('from b').toString('hex');

/** More of them, or others: `WIRE_RUNS=5000 WIRE_SEED=7`. */
const RUNS = Number(process.env['WIRE_RUNS'] ?? 100);
const SEED = Number(process.env['WIRE_SEED'] ?? 1);

test('any pipeline of these messages is answered as by PostgreSQL', async () => {
  const scripts = fc.sample(fc.array(pieces(fc.constantFrom(...STATEMENTS), EXECUTES), { minLength: 3, maxLength: 14 }), {
    numRuns: RUNS,
    seed: SEED,
  });
  for (const script of scripts) {
    const direct = await told(twin.direct, script);
    const through = await told(async () => twin.through(), script);
    // The one thing of these that is refused here: EXECUTE of what only the protocol can prepare.
    if (through.some((line) => line.includes('EXECUTE runs only'))) expect(through).toContain('D the end');
    else
      expect({ script: script.map(([shown]) => shown), told: through }).toEqual({ script: script.map(([shown]) => shown), told: direct });
  }
});

test('no pipeline shows a table that policy forbids, whatever its name means meanwhile', async () => {
  const statement = fc.oneof(fc.constantFrom(...MOVES), fc.constantFrom(...READS), fc.constantFrom(...CONTROL));
  const whole = statement.map((sql): Piece => [`PBES(${sql})`, Buffer.concat([parse('', sql), bind('', ''), execute(), sync()])]);
  const open = statement.map((sql): Piece => [`PBE(${sql})`, Buffer.concat([parse('', sql), bind('', ''), execute()])]);
  const simple = statement.map((sql): Piece => [`Q(${sql})`, query(sql)]);
  const later = fc
    .tuple(name, fc.constantFrom(...READS))
    .map(([to, sql]): Piece => [`PB(${to}: ${sql})`, Buffer.concat([parse(to, sql), bind(to, to)])]);
  const part = fc.oneof(
    { weight: 6, arbitrary: simple },
    { weight: 6, arbitrary: whole },
    { weight: 4, arbitrary: open },
    { weight: 2, arbitrary: later },
    { weight: 3, arbitrary: pieces(statement, READS) },
  );
  const scripts = fc.sample(fc.array(part, { minLength: 6, maxLength: 24 }), { numRuns: RUNS, seed: SEED });
  let shown = 0;
  for (const script of scripts) {
    const begun: readonly Piece[] = [['Q(SET)', query('SET search_path = a')], ['Q(BEGIN)', query('BEGIN')], ...script];
    const lines = await told(async () => twin.through({ groups: ['analysts'] }), begun);
    expect({
      script: script.map(([text]) => text),
      told: lines.filter((line) => line.includes('from b') || line.includes(COPIED)),
    }).toEqual({
      script: script.map(([text]) => text),
      told: [],
    });
    expect(lines).toContain('D the end');
    if (lines.some((line) => /^D (?:from a|public|temporary)/.test(line))) shown += 1;
  }
  // The scripts do read what they may.
  expect(shown).toBeGreaterThan(RUNS / 20);
});
