// Pipelines that nobody would think of: whatever order messages come in, the gateway answers as PostgreSQL does, and never hangs.
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTwin, type Twin } from '../support/wire-twin.ts';
import { describeMessages, wire } from '../support/wire-client.ts';

const { query, parse, bind, execute, describePortal, describeStatement, closePortal, closeStatement, sync, flush } = wire;

let twin: Twin;

beforeAll(async () => {
  twin = await startTwin(`
    CREATE TABLE t (id int PRIMARY KEY, v text);
    INSERT INTO t SELECT g, 'v' || g FROM generate_series(1, 20) g;
    CREATE SCHEMA a; CREATE SCHEMA b;
    CREATE TABLE a.named AS SELECT 'from a'::text AS who; CREATE TABLE b.named AS SELECT 'from b'::text AS who;
    CREATE TABLE public.named AS SELECT 'public'::text AS who;
  `);
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

type Piece = readonly [shown: string, bytes: Buffer];
const statement = fc.constantFrom(...STATEMENTS);
const name = fc.constantFrom(...NAMES);

/** A message or a few, as drivers send them. */
const piece: fc.Arbitrary<Piece> = fc.oneof(
  { weight: 4, arbitrary: fc.oneof(statement, fc.constantFrom(...EXECUTES)).map((sql): Piece => [`Q(${sql})`, query(sql)]) },
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

async function told(open: Twin['direct'], pieces: readonly Piece[]): Promise<readonly string[]> {
  const client = await open();
  client.send(...pieces.map(([, bytes]) => bytes), END);
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

/** More of them, or others: `WIRE_RUNS=5000 WIRE_SEED=7`. */
const RUNS = Number(process.env['WIRE_RUNS'] ?? 150);
const SEED = Number(process.env['WIRE_SEED'] ?? 1);

test('any pipeline of these messages is answered as by PostgreSQL', async () => {
  const scripts = fc.sample(fc.array(piece, { minLength: 3, maxLength: 14 }), { numRuns: RUNS, seed: SEED });
  for (const script of scripts) {
    const direct = await told(twin.direct, script);
    const through = await told(async () => twin.through(), script);
    // The one thing of these that is refused here: EXECUTE of what only the protocol can prepare.
    if (through.some((line) => line.includes('EXECUTE runs only'))) expect(through).toContain('D the end');
    else
      expect({ script: script.map(([shown]) => shown), told: through }).toEqual({ script: script.map(([shown]) => shown), told: direct });
  }
});
