import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTwin, type Step, type Twin } from '../support/wire-twin.ts';
import { type WireClient, describeMessages, firstError, wire } from '../support/wire-client.ts';

const { query, parse, bind, execute, sync } = wire;

/** What nobody of group `analysts` may see. */
const SECRET = 'top-secret-7781';

let twin: Twin;

beforeAll(async () => {
  twin = await startTwin(
    `
    CREATE SCHEMA known; CREATE SCHEMA hidden;
    CREATE TABLE known.named AS SELECT 'for everyone'::text AS who;
    CREATE TABLE hidden.named AS SELECT '${SECRET}'::text AS who;
    SET check_function_bodies = off;
    CREATE FUNCTION public.reader() RETURNS text LANGUAGE sql STABLE AS 'SELECT who FROM named';
    CREATE TABLE public.kept (id int);
    `,
    {
      policies: `
@id("connect") permit (principal, action == Action::"connect", resource);
@id("all") permit (principal, action in Action::"all", resource);
@id("hidden") @reason("hidden") forbid (principal in Group::"demo/analysts", action, resource in Schema::"db.hidden");
`,
    },
  );
});

afterAll(async () => {
  await twin.stop();
});

const at = (...send: Buffer[]): Step => ({ send });
const upTo = (until: string, ...send: Buffer[]): Step => ({ send, until });
const q = (sql: string): Step => at(query(sql));
/** One statement by the extended protocol, without Sync. */
const run = (sql: string): Buffer => Buffer.concat([parse('', sql), bind('', ''), execute()]);

const READ = 'SELECT who FROM named';
const TO_KNOWN = 'SET search_path = known';
const TO_KNOWN_FOR_NOW = 'SET LOCAL search_path = known';

async function play(client: WireClient, steps: readonly Step[]): Promise<string> {
  const told: string[] = [];
  for (const step of steps) {
    client.send(...step.send);
    told.push(...describeMessages(await client.until(step.until ?? 'Z')));
  }
  return told.join('\n');
}

/** Each begins in a session whose search_path is `hidden`, and has the same text mean one table, then the other. */
const ATTACKS: readonly (readonly [name: string, script: readonly Step[]])[] = [
  [
    'ROLLBACK of a failed transaction in a pipeline',
    [q('BEGIN'), q(TO_KNOWN), q(READ), q('SELECT 1/0'), at(run('ROLLBACK'), run(READ), sync())],
  ],
  [
    'COMMIT of a failed transaction in a pipeline',
    [q('BEGIN'), q(TO_KNOWN), q(READ), q('SELECT 1/0'), at(run('COMMIT'), run(READ), sync())],
  ],
  ['ROLLBACK in a pipeline', [q('BEGIN'), q(TO_KNOWN), q(READ), at(run('ROLLBACK'), run(READ), sync())]],
  ['COMMIT after SET LOCAL in a pipeline', [q('BEGIN'), q(TO_KNOWN_FOR_NOW), q(READ), at(run('COMMIT'), run(READ), sync())]],
  ['COMMIT after SET LOCAL in one text', [q('BEGIN'), q(TO_KNOWN_FOR_NOW), q(READ), q(`COMMIT; ${READ}`), q(READ)]],
  ['ROLLBACK in one text', [q('BEGIN'), q(TO_KNOWN), q(READ), q(`ROLLBACK; ${READ}`), q(READ)]],
  ['COMMIT of a failed transaction in one text', [q('BEGIN'), q(TO_KNOWN), q(READ), q('SELECT 1/0'), q(`COMMIT; ${READ}`), q(READ)]],
  [
    'COMMIT AND CHAIN after SET LOCAL',
    [q('BEGIN'), q(TO_KNOWN_FOR_NOW), q(READ), at(run('COMMIT AND CHAIN'), run(READ), sync()), q('ROLLBACK')],
  ],
  [
    'ROLLBACK TO in a pipeline',
    [q('BEGIN'), q('SAVEPOINT s'), q(TO_KNOWN), q(READ), at(run('ROLLBACK TO s'), run(READ), sync()), q('ROLLBACK')],
  ],
  ['the end of an implicit transaction', [upTo('ZZ', run(TO_KNOWN_FOR_NOW), run(READ), sync(), run(READ), sync())]],
  ['an implicit transaction that fails', [upTo('ZZ', run(TO_KNOWN), run(READ), run('SELECT 1/0'), sync(), run(READ), sync())]],
  [
    'an earlier answer while a later transaction has changed it',
    [upTo('ZZ', run('SELECT pg_sleep(0.2)'), sync(), run(TO_KNOWN_FOR_NOW), run(READ), sync()), q(READ)],
  ],
  ['a simple Query that ends a pipeline', [upTo('ZZ', run(TO_KNOWN_FOR_NOW), query(READ), query(READ))]],
  [
    'set_config for the transaction',
    [upTo('ZZ', run("SELECT set_config('search_path', 'known', true)"), run(READ), sync(), run(READ), sync())],
  ],
  [
    'a refused statement that rolls back',
    [q('BEGIN'), q(TO_KNOWN), q(READ), q('SELECT * FROM hidden.named'), at(run('ROLLBACK'), run(READ), sync())],
  ],
  [
    'a refused statement in a pipeline',
    [upTo('ZZ', run(TO_KNOWN), run(READ), run('SELECT * FROM hidden.named'), sync(), run(READ), sync())],
  ],
  [
    'a statement prepared before',
    [
      q(TO_KNOWN),
      at(parse('s', READ), bind('', 's'), execute(), sync()),
      q('SET search_path = hidden'),
      at(bind('', 's'), execute(), sync()),
      q('EXECUTE s'),
    ],
  ],
  [
    'PREPARE under one path, EXECUTE under the other',
    [
      q(TO_KNOWN),
      q(`PREPARE s AS ${READ}`),
      q('EXECUTE s'),
      q('SET search_path = hidden'),
      q('EXECUTE s'),
      at(bind('', 's'), execute(), sync()),
    ],
  ],
  [
    'a portal whose function reads by name',
    [
      q('BEGIN'),
      q(TO_KNOWN),
      at(parse('', 'SELECT public.reader()'), bind('p', ''), sync()),
      q('SET search_path = hidden'),
      at(execute('p'), sync()),
      q('ROLLBACK'),
    ],
  ],
  [
    'a cursor whose function reads by name',
    [q('BEGIN'), q(TO_KNOWN), q('DECLARE c CURSOR FOR SELECT public.reader()'), q('SET search_path = hidden'), q('FETCH c'), q('ROLLBACK')],
  ],
  [
    'a statement that is bound, and executed after another was prepared',
    [
      at(parse('set', 'SET search_path = hidden'), sync()),
      q(TO_KNOWN),
      at(bind('p', 'set'), parse('s', READ), execute('p'), bind('', 's'), execute(), sync()),
      q(READ),
    ],
  ],
  [
    'a FETCH that is bound, and executed later',
    [
      q('BEGIN'),
      q(TO_KNOWN),
      q('DECLARE c CURSOR FOR SELECT public.reader()'),
      at(parse('', 'FETCH c'), bind('p', ''), sync()),
      q('SET search_path = hidden'),
      at(execute('p'), sync()),
      q('ROLLBACK'),
    ],
  ],
  [
    'a cursor WITH HOLD that is filled at COMMIT',
    [
      q('BEGIN'),
      q(TO_KNOWN),
      q('DECLARE c CURSOR WITH HOLD FOR SELECT public.reader()'),
      q('SET search_path = hidden'),
      q('COMMIT'),
      q(TO_KNOWN),
      q('FETCH c'),
    ],
  ],
  [
    'EXECUTE of a setting that the protocol prepared',
    [at(parse('set', 'SET search_path = hidden'), sync()), q(TO_KNOWN), q('EXECUTE set'), q(READ)],
  ],
  [
    'EXECUTE of an end of transaction that the protocol prepared',
    [at(parse('end', 'ROLLBACK'), sync()), q('BEGIN'), q(TO_KNOWN), q('EXECUTE end'), q(READ), q('ROLLBACK')],
  ],
  [
    'RESET and DISCARD in a pipeline',
    [
      q(TO_KNOWN),
      q(READ),
      upTo('ZZ', run('RESET ALL'), run('SELECT who FROM hidden.named'), sync(), run('DISCARD ALL'), sync()),
      q('SET search_path = hidden'),
      q(READ),
    ],
  ],
  [
    'a name that is temporary first',
    [
      q("CREATE TEMP TABLE named AS SELECT 'temporary'::text AS who"),
      q(READ),
      upTo('ZZ', run('DISCARD TEMP'), run(READ), sync(), run(READ), sync()),
    ],
  ],
  [
    'a temporary name that goes at COMMIT',
    [
      q('BEGIN'),
      q("CREATE TEMP TABLE named ON COMMIT DROP AS SELECT 'temporary'::text AS who"),
      at(run('COMMIT'), run(READ), sync()),
      q(READ),
    ],
  ],
];

describe('what runs is what was judged', () => {
  test.each(ATTACKS)('across %s', async (_name, script) => {
    const client = await twin.through({ groups: ['analysts'] });
    await play(client, [q('SET search_path = hidden')]);
    expect(await play(client, script)).not.toContain(SECRET);
    client.destroy();
    // The same script shows it to who may see it: the text did come to mean the other table.
    const other = await twin.through();
    await play(other, [q('SET search_path = hidden')]);
    const shown = await play(other, script);
    expect(shown.includes(SECRET) || shown.includes('ZG014') || shown.includes('34000')).toBe(true);
    other.destroy();
  });

  test('a prepared statement that executes itself is refused, and the session lives on', async () => {
    const client = await twin.through();
    await client.exchange([parse('two', 'SELECT 1'), parse('one', 'EXECUTE two'), wire.closeStatement('two'), sync()]);
    client.send(parse('two', 'EXECUTE one'), bind('', 'two'), execute(), sync());
    expect(firstError(await client.until('Z'))).toBe('ERROR ZG014');
    client.send(query('EXECUTE one'));
    expect(firstError(await client.until('Z'))).toMatch(/^ERROR (?:ZG014|26000)$/);
    expect((await client.exchange([query('SELECT 5')])).join(' ')).toContain('D 5');
    client.destroy();
  });

  test('one text in many sessions is judged for each of them', async () => {
    const sessions: { readonly client: WireClient; readonly expected: string }[] = await Promise.all(
      (
        [
          ['analysts', 'known', 'for everyone'],
          ['analysts', 'hidden', 'ZG010'],
          ['all', 'hidden', SECRET],
          ['all', 'known', 'for everyone'],
        ] as const
      ).map(async ([group, path, expected]) => {
        const client = await twin.through({ groups: [group], parameters: { search_path: path } });
        return { client, expected };
      }),
    );
    const temporary = await twin.through({ groups: ['analysts'], parameters: { search_path: 'hidden' } });
    await temporary.exchange([query("CREATE TEMP TABLE named AS SELECT 'temporary'::text AS who")]);
    sessions.push({ client: temporary, expected: 'temporary' });
    for (let round = 0; round < 3; round += 1) {
      const answers = await Promise.all(
        sessions.map(async ({ client, expected }) => {
          const simple = await client.exchange([query(READ)]);
          const extended = await client.exchange([run(READ), sync()]);
          return [simple, extended].every((told) => told.join('\n').includes(expected));
        }),
      );
      expect(answers).toEqual(sessions.map(() => true));
    }
  });

  test('a refused statement never reaches the target, by either protocol', async () => {
    const client = await twin.through({ groups: ['analysts'] });
    await client.exchange([query("SELECT who, 'refused-marker-1' FROM hidden.named")]);
    await client.exchange([run("SELECT who, 'refused-marker-2' FROM hidden.named"), sync()]);
    await client.exchange([query("SELECT 1; SELECT who, 'refused-marker-3' FROM hidden.named; SELECT 2")]);
    expect(twin.postgres.log()).not.toContain('refused-marker');
  });
});

describe('refused inside a transaction', () => {
  const REFUSED = 'SELECT * FROM hidden.named';

  async function count(): Promise<number> {
    const rows = await twin.postgres.query('SELECT count(*)::int AS n FROM kept', [], 'through');
    // One row, one number, as asked for.
    return rows[0]?.['n'] as number;
  }

  test('an explicit one fails, and nothing of it stays', async () => {
    const client = await twin.through({ groups: ['analysts'] });
    for (const refused of [query(REFUSED), Buffer.concat([run(REFUSED), sync()])]) {
      await client.exchange([query('BEGIN'), query('INSERT INTO kept VALUES (1)')], 'ZZ');
      const told = await client.exchange([refused]);
      expect(told.filter((line) => line.startsWith('E'))[0]).toContain('C=ZG010');
      expect(told.at(-1)).toBe('Z E');
      expect((await client.exchange([query('SELECT 1')])).join()).toContain('25P02');
      expect((await client.exchange([query('COMMIT')])).at(-1)).toBe('Z I');
    }
    expect(await count()).toBe(0);
  });

  test('the implicit one of a pipeline is rolled back, and what follows up to Sync is skipped', async () => {
    const client = await twin.through({ groups: ['analysts'] });
    client.send(run('INSERT INTO kept VALUES (2)'), run(REFUSED), run('INSERT INTO kept VALUES (3)'), sync(), run('SELECT 4'), sync());
    const told = await client.until('ZZ');
    expect(told.map(({ type }) => type).join('')).toBe('12CEZ12DCZ');
    expect(firstError(told)).toBe('ERROR ZG010');
    expect(await count()).toBe(0);
  });

  test('a refused Query ends a pipeline that had begun, as a failing one would', async () => {
    const client = await twin.through({ groups: ['analysts'] });
    client.send(run('INSERT INTO kept VALUES (5)'), query(REFUSED), run('SELECT 6'), sync());
    const told = await client.until('ZZ');
    expect(told.map(({ type }) => type).join('')).toBe('12CEZ12DCZ');
    expect(await count()).toBe(0);
  });

  test('a Flush brings the refusal without a Sync', async () => {
    const client = await twin.through({ groups: ['analysts'] });
    client.send(run('SELECT 1'), run(REFUSED), wire.flush());
    expect((await client.until('E')).map(({ type }) => type).join('')).toBe('12DCE');
    expect(await client.exchange([run('SELECT 2'), sync()])).toEqual(['Z I']);
    expect((await client.exchange([run('SELECT 3'), sync()])).join(' ')).toContain('D 3');
  });

  test('the unnamed statement and named ones survive a refused Parse', async () => {
    const client = await twin.through({ groups: ['analysts'] });
    await client.exchange([parse('', 'SELECT 7'), parse('kept', 'SELECT 8'), sync()]);
    await client.exchange([parse('', REFUSED), sync()]);
    await client.exchange([parse('kept', REFUSED), sync()]);
    expect((await client.exchange([bind('', ''), execute(), bind('', 'kept'), execute(), sync()])).join(' ')).toMatch(/D 7 .*D 8 /);
  });
});
