import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { errorField, decodeErrorFields } from '../../proxy-task/postgres/messages/error-response.ts';
import { readOperatorToken } from '../../standalone/operator-token.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { WireClient, type WireMessage, cancelRequest, firstError, wire } from '../support/wire-client.ts';

const { query, parse, bind, execute, sync, raw } = wire;

const POLICIES = `
@id("connect") permit (principal, action == Action::"connect", resource);
@id("all") permit (principal, action in Action::"all", resource);
`;

let postgres: TestPostgres;
let gateway: TestGateway;
/** A client that left in the middle of a statement when the suite began: what becomes of it takes ten seconds. */
let left: { readonly session: string; readonly pid: number };

beforeAll(async () => {
  postgres = await startPostgres();
  await postgres.script('CREATE TABLE t (id int, v text); CREATE TABLE loaded (id int, v text);');
  const target = (name: string, limits: string): string => `
  - name: ${name}
    host: 127.0.0.1
    port: ${postgres.port}
    database: postgres
    user: ${postgres.superuser}
    credential: env:TARGET_PASSWORD
    tls: { mode: disable }
    limits: ${limits}`;
  gateway = await startGateway(postgres, {
    policies: POLICIES,
    expiryGraceMs: 1_500,
    target: [
      '    limits: { maxRows: 1000, maxBytes: 1000000 }',
      target('wide', '{ maxRows: 100000000, maxBytes: 1000000000 }'),
      target('idle', '{ idle: 1s }'),
      target('thrifty', '{ budgets: [{ per: session, measure: statements, limit: 4 }] }'),
      target('rationed', '{ budgets: [{ per: session, measure: rows, limit: 500 }] }'),
      target('hourly', '{ budgets: [{ per: hour, measure: rows, limit: 500 }] }'),
    ].join(''),
  });
  const client = await login();
  left = { session: await newestSession(), pid: await backendOf(client) };
  client.send(query('SELECT pg_sleep(600)'));
  await until(
    async () => activity(left.pid),
    (seen) => seen === 'active',
    'the statement at work',
  );
  client.destroy();
});

afterAll(async () => {
  await gateway.stop();
  await postgres.stop();
});

async function login(database = 'db', ttlSeconds?: number, principal = 'agent-7'): Promise<WireClient> {
  const password =
    ttlSeconds === undefined ? await gateway.token(principal) : await gateway.issuer.mintToken({ principal, groups: ['all'], ttlSeconds });
  return WireClient.login({ port: gateway.port, database, user: 'agent', password });
}

async function until<T>(look: () => Promise<T>, holds: (seen: T) => boolean, what: string, withinMs = 10_000): Promise<T> {
  const untilMs = Date.now() + withinMs;
  for (;;) {
    const seen = await look();
    if (holds(seen)) return seen;
    if (Date.now() > untilMs) throw new Error(`never came about: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function backendOf(client: WireClient): Promise<number> {
  const told = await client.exchange([query('SELECT pg_backend_pid()')]);
  return Number(/^D (\d+)$/.exec(told[1] ?? '')?.[1]);
}

/** The state of a backend of the target; undefined once it is gone. */
async function activity(pid: number): Promise<string | undefined> {
  const [row] = await postgres.query('SELECT state, wait_event FROM pg_stat_activity WHERE pid = $1', [pid]);
  return row === undefined ? undefined : String(row['state']);
}

const gone = async (pid: number, withinMs?: number): Promise<unknown> =>
  until(
    async () => activity(pid),
    (seen) => seen === undefined,
    `backend ${pid} gone`,
    withinMs,
  );

async function operator(path: string, body?: object): Promise<unknown> {
  const response = await fetch(`${gateway.api}/v1${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${readOperatorToken(gateway.dataDir) ?? ''}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return response.json();
}

/** The session that was opened last: ids sort by time. */
async function newestSession(): Promise<string> {
  // The API's own answer.
  const { sessions } = (await operator('/sessions')) as { sessions: readonly { id: string; openedAt: string }[] };
  const newest = sessions.toSorted((a, b) => (a.id < b.id ? 1 : -1))[0];
  if (newest === undefined) throw new Error('no session is live');
  return newest.id;
}

/** Everything that was recorded of a session, as text. */
function recorded(session: string): string {
  return readdirSync(gateway.evidenceDir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && join(entry.parentPath, entry.name).includes(session))
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'))
    .join('\n');
}

const types = (messages: readonly WireMessage[]): string => messages.map(({ type }) => type).join('');
const rows = (messages: readonly WireMessage[]): number => messages.filter(({ type }) => type === 'D' || type === 'd').length;
const status = (messages: readonly WireMessage[]): string | undefined => messages.at(-1)?.body.toString();
const run = (sql: string): Buffer => Buffer.concat([parse('', sql), bind('', ''), execute()]);

function detail(messages: readonly WireMessage[]): Record<string, unknown> {
  const error = messages.find(({ type }) => type === 'E');
  const text = error === undefined ? undefined : errorField(decodeErrorFields(error.body, 0, error.body.length), 'D');
  // One line of JSON, as every error of the gateway has.
  return JSON.parse(text ?? '{}') as Record<string, unknown>;
}

describe('caps', () => {
  test.each([
    ['rows, by the simple protocol', query('SELECT g FROM generate_series(1, 50000) g')],
    ['rows, by the extended protocol', Buffer.concat([run('SELECT g FROM generate_series(1, 50000) g'), sync()])],
    ['rows of COPY', query('COPY (SELECT g FROM generate_series(1, 50000) g) TO STDOUT')],
    ['bytes', query("SELECT repeat('x', 10000) FROM generate_series(1, 900)")],
    ['a row over the cap that comes last', query('SELECT g FROM generate_series(1, 1001) g')],
  ])('end a statement with ZG011: %s', async (_name, send) => {
    const client = await login();
    client.send(send);
    const told = await client.until('Z');
    expect([firstError(told), status(told)]).toEqual(['ERROR ZG011', 'I']);
    expect(rows(told)).toBeLessThanOrEqual(1000);
    expect(told.filter(({ type }) => type === 'C')).toEqual([]);
    expect((await client.exchange([query('SELECT 1')])).join(' ')).toContain('D 1');
    client.destroy();
  });

  test('a result as large as the cap is whole', async () => {
    const client = await login();
    client.send(query('SELECT g FROM generate_series(1, 1000) g'));
    const told = await client.until('Z');
    expect([rows(told), firstError(told)]).toEqual([1000, undefined]);
    client.destroy();
  });

  test('count over the pieces of a suspended portal', async () => {
    const client = await login();
    await client.exchange([query('BEGIN'), parse('', 'SELECT g FROM generate_series(1, 5000) g'), bind('p', ''), sync()], 'ZZ');
    client.send(execute('p', 600), sync());
    expect(types(await client.until('Z')).slice(-2)).toBe('sZ');
    client.send(execute('p', 600), sync());
    const told = await client.until('Z');
    expect([rows(told), firstError(told), status(told)]).toEqual([400, 'ERROR ZG011', 'E']);
    client.destroy();
  });

  test('make the transaction fail, explicit or of a pipeline, so that nothing of it stays', async () => {
    const client = await login();
    const many = 'SELECT g FROM generate_series(1, 1500) g';
    await client.exchange([query('BEGIN'), query('INSERT INTO t VALUES (1)')], 'ZZ');
    client.send(query(many));
    const told = await client.until('Z');
    expect([firstError(told), status(told)]).toEqual(['ERROR ZG011', 'E']);
    await client.exchange([query('COMMIT')]);
    client.send(run('INSERT INTO t VALUES (2)'), run(many), run('INSERT INTO t VALUES (3)'), sync());
    const piped = await client.until('Z');
    expect([firstError(piped), status(piped)]).toEqual(['ERROR ZG011', 'I']);
    expect(await postgres.query('SELECT count(*)::int AS n FROM t')).toEqual([{ n: 0 }]);
    client.destroy();
  });
});

describe('budgets', () => {
  test('of statements end with ZG012, in a transaction too', async () => {
    const client = await login('thrifty');
    for (let i = 0; i < 3; i += 1) await client.exchange([query('SELECT 1')]);
    await client.exchange([query('BEGIN')]);
    client.send(query('SELECT 2'));
    const told = await client.until('Z');
    expect([firstError(told), status(told)]).toEqual(['ERROR ZG012', 'E']);
    expect(detail(told)).toMatchObject({ executed: 'no', measure: 'statements', limit: 4 });
    const other = await login('thrifty');
    expect((await other.exchange([query('SELECT 3')])).join(' ')).toContain('D 3');
    client.destroy();
    other.destroy();
  });

  test('of rows hold over statements, and per hour over sessions', async () => {
    const many = query('SELECT g FROM generate_series(1, 300) g');
    const client = await login('rationed');
    client.send(many, many);
    const told = await client.until('ZZ');
    expect(firstError(told)).toBe('ERROR ZG012');
    client.destroy();
    const first = await login('hourly');
    await first.exchange([many]);
    const second = await login('hourly');
    second.send(many);
    expect(firstError(await second.until('Z'))).toBe('ERROR ZG012');
    const stranger = await login('hourly', undefined, 'agent-8');
    stranger.send(many);
    expect(firstError(await stranger.until('Z'))).toBe(undefined);
    for (const each of [first, second, stranger]) each.destroy();
  });
});

describe('a session ends', () => {
  test('when it is idle for too long, but not while a statement runs longer than that', async () => {
    const client = await login('idle');
    const told = await client.exchange([query('SELECT pg_sleep(2.5)')]);
    expect(told.at(-1)).toBe('Z I');
    expect((await client.exchange([query('SELECT 1')])).join(' ')).toContain('D 1');
    expect(firstError(await client.closed())).toBe('FATAL 57P01');
  });

  test('at the end of the transaction in which its token expired', async () => {
    const client = await login('db', 2);
    const pid = await backendOf(client);
    await client.exchange([query('BEGIN')]);
    const expiredMs = Date.now() + 2_000;
    await until(
      async () => Date.now(),
      (nowMs) => nowMs > expiredMs,
      'the token expired',
    );
    expect((await client.exchange([query('SELECT 1')])).at(-1)).toBe('Z T');
    client.send(query('COMMIT'));
    const told = await client.closed();
    expect(types(told)).toBe('CZE');
    expect(firstError(told)).toBe('FATAL 57P01');
    await gone(pid);
  });

  test('when its token has expired for longer than the grace, in the middle of a transaction', async () => {
    const client = await login('db', 1);
    const pid = await backendOf(client);
    await client.exchange([query('BEGIN'), query('INSERT INTO t VALUES (9)')], 'ZZ');
    client.send(query('SELECT pg_sleep(600)'));
    expect(firstError(await client.closed())).toBe('FATAL 57P01');
    await gone(pid);
    expect(await postgres.query('SELECT count(*)::int AS n FROM t WHERE id = 9')).toEqual([{ n: 0 }]);
  });

  test('when an operator ends it: within five seconds, and what it ran ends with it', async () => {
    const client = await login();
    const session = await newestSession();
    const pid = await backendOf(client);
    client.send(query('SELECT pg_sleep(600)'));
    await until(
      async () => activity(pid),
      (seen) => seen === 'active',
      'the statement at work',
    );
    const startMs = Date.now();
    await operator(`/sessions/${session}/end`, { reason: 'lunch' });
    const told = await client.closed();
    expect(firstError(told)).toBe('FATAL ZG020');
    await gone(pid, 5_000);
    expect(Date.now() - startMs).toBeLessThan(5_000);
    expect(recorded(session)).toMatch(/"outcome":"unknown"/);
  });
});

describe('a client that goes away', () => {
  test('in an open transaction lets go of its locks', async () => {
    const client = await login();
    const pid = await backendOf(client);
    await client.exchange([query('BEGIN'), query('LOCK TABLE t')], 'ZZ');
    client.destroy();
    await gone(pid);
  });

  test('in the middle of COPY leaves nothing', async () => {
    const client = await login();
    const pid = await backendOf(client);
    client.send(query('COPY loaded FROM STDIN'));
    await client.until('G');
    client.send(raw('d', Buffer.from('1\tx\n')));
    client.destroy();
    await gone(pid, 5_000);
    expect(await postgres.query('SELECT count(*)::int AS n FROM loaded')).toEqual([{ n: 0 }]);
  });

  test('in the middle of a pipeline without Sync leaves nothing', async () => {
    const client = await login();
    const pid = await backendOf(client);
    client.send(run("INSERT INTO t VALUES (7, 'x')"));
    client.socket.end();
    await gone(pid, 5_000);
    expect(await postgres.query('SELECT count(*)::int AS n FROM t WHERE id = 7')).toEqual([{ n: 0 }]);
  });
});

describe('between sessions', () => {
  test('NOTIFY reaches who listens, while that is idle', async () => {
    const listener = await login();
    await listener.exchange([query('LISTEN news')]);
    const speaker = await login();
    await speaker.exchange([query("NOTIFY news, 'told'")]);
    expect((await listener.until('A')).at(-1)?.body.toString('utf8', 4)).toBe('news\0told\0');
    listener.destroy();
    speaker.destroy();
  });

  test('a CancelRequest stops the statement of its own session, and no other', async () => {
    const one = await login();
    const other = await login();
    const pid = await backendOf(one);
    one.send(query('SELECT pg_sleep(600)'));
    other.send(query('SELECT pg_sleep(1.5), 5'));
    await until(
      async () => activity(pid),
      (seen) => seen === 'active',
      'the statement at work',
    );
    await cancelRequest(gateway.port, one.key);
    const told = await one.until('Z');
    expect([firstError(told), status(told)]).toEqual(['ERROR 57014', 'I']);
    expect(firstError(await other.until('Z'))).toBe(undefined);
    // With nothing at work it does nothing, and does not hit what comes next.
    await cancelRequest(gateway.port, one.key);
    expect((await one.exchange([query('SELECT 6')])).join(' ')).toContain('D 6');
    one.destroy();
    other.destroy();
  });
});

describe('large results and loads', () => {
  test('a client that stops reading 200 MB stops the target, and costs little memory', async () => {
    const client = await login('wide');
    const pid = await backendOf(client);
    const { socket } = client;
    socket.removeAllListeners('data');
    socket.pause();
    let bytes = 0;
    let tail = Buffer.alloc(0);
    const before = process.memoryUsage().rss;
    client.send(query("SELECT repeat('x', 2000) FROM generate_series(1, 100000)"));
    await until(
      async () => (await postgres.query('SELECT wait_event FROM pg_stat_activity WHERE pid = $1', [pid]))[0]?.['wait_event'],
      (seen) => seen === 'ClientWrite',
      'the target waiting',
    );
    const grown = process.memoryUsage().rss - before;
    expect(grown).toBeLessThan(48 * 1024 * 1024);
    await new Promise<void>((resolve) => {
      socket.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        tail = Buffer.concat([tail, chunk]).subarray(-6);
        if (tail.equals(Buffer.from([0x5a, 0, 0, 0, 5, 0x49]))) resolve();
      });
      socket.resume();
    });
    // Each row: header, count, length and 2,000 bytes; then RowDescription, CommandComplete and ReadyForQuery.
    expect(bytes).toBeGreaterThan(100_000 * 2011);
    expect(bytes).toBeLessThan(100_000 * 2011 + 200);
    client.destroy();
  });

  test('COPY of 40 MB arrives whole', async () => {
    const client = await login('wide');
    client.send(query('COPY loaded FROM STDIN'));
    await client.until('G');
    const line = raw('d', Buffer.from(`1\t${'y'.repeat(996)}\n`));
    const block = Buffer.concat(Array.from({ length: 100 }, () => line));
    for (let i = 0; i < 400; i += 1) {
      if (!client.socket.write(block)) await new Promise((resolve) => client.socket.once('drain', resolve));
    }
    client.send(raw('c', Buffer.alloc(0)));
    expect(types(await client.until('Z'))).toBe('CZ');
    expect(await postgres.query('SELECT count(*)::int AS n, sum(length(v))::bigint AS bytes FROM loaded')).toEqual([
      { n: 40_000, bytes: String(40_000 * 996) },
    ]);
    client.destroy();
  });
});

describe('a client that left in the middle of a statement', () => {
  test('has it recorded as unfinished, and canceled on the target', async () => {
    await gone(left.pid, 12_000);
    const text = await until(
      async () => recorded(left.session),
      (seen) => seen.includes('session.closed'),
      'the recording closed',
    );
    expect(text).toMatch(/"outcome":"unknown"/);
    expect(text).toContain('the client went away');
  });
});
