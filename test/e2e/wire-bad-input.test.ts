import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeStartupMessage } from '../../proxy-task/postgres/messages/startup-packet.ts';
import { startTwin, type Twin } from '../support/wire-twin.ts';
import { WireClient, describeMessages, firstError, wire } from '../support/wire-client.ts';

const { query, parse, bind, execute, sync, raw } = wire;

let twin: Twin;

beforeAll(async () => {
  twin = await startTwin('CREATE TABLE t (id int);');
});

afterAll(async () => {
  await twin.stop();
});

const run = (sql: string): Buffer => Buffer.concat([parse('', sql), bind('', ''), execute()]);

/** The session must answer as if nothing had happened. */
async function expectAlive(client: WireClient): Promise<void> {
  expect((await client.exchange([query('SELECT 41 + 1')])).join(' ')).toContain('D 42');
  expect((await client.exchange([run('SELECT 42 + 1'), sync()])).join(' ')).toContain('D 43');
}

/** The session ends with one FATAL error, and its connection is closed. */
async function expectEnded(client: WireClient, code: string): Promise<void> {
  expect(firstError(await client.closed())).toBe(`FATAL ${code}`);
}

describe('bytes that are no message end the session, and only that', () => {
  const BYTES: readonly (readonly [name: string, bytes: Buffer])[] = [
    ['a type that does not exist', raw('z', Buffer.alloc(0))],
    ['a type that only servers send', raw('T', Buffer.alloc(4))],
    ['a password after the login', raw('p', Buffer.from('again\0'))],
    ['a length of zero', raw('Q', Buffer.alloc(0), 0)],
    ['a length below its own size', raw('S', Buffer.alloc(0), 3)],
    ['a negative length', raw('Q', Buffer.alloc(0), -1)],
    ['the lowest length', raw('P', Buffer.alloc(0), -0x80000000)],
    ['the highest length', raw('Q', Buffer.alloc(0), 0x7fffffff)],
    ['a Sync of a gigabyte', raw('S', Buffer.alloc(0), 0x3ffffff0)],
    ['a CopyData above all limits', raw('d', Buffer.alloc(0), 0x30000000)],
    ['a Query without its end', raw('Q', Buffer.from('SELECT 1'))],
    ['a Query with a NUL in it', raw('Q', Buffer.from('SELECT 1\0; SELECT 2\0'))],
    ['a Parse that is cut', raw('P', Buffer.from('s\0SELECT'))],
    ['a Parse with more types than there are', raw('P', Buffer.from('s\0SELECT 1\0\x00\x05'))],
    ['a Bind with a value beyond its end', raw('B', Buffer.from([0, 0, 0, 0, 0, 1, 0x7f, 0xff, 0xff, 0xff, 1]))],
    ['a Bind with a negative length', raw('B', Buffer.from([0, 0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xf0, 0, 0]))],
    ['an Execute that is too long', raw('E', Buffer.from([0, 0, 0, 0, 0, 9]))],
    ['a Describe of something else', raw('D', Buffer.from('X\0'))],
    ['a Close of nothing', raw('C', Buffer.alloc(0))],
    ['TLS in the middle of a session', Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3])],
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
  ];

  test.each(BYTES)('%s', async (_name, bytes) => {
    const other = await twin.through();
    const client = await twin.through();
    client.send(bytes);
    await expectEnded(client, '08P01');
    await expectAlive(other);
    other.destroy();
  });

  test('a message other than data in COPY', async () => {
    const client = await twin.through();
    client.send(query('COPY t FROM STDIN'));
    await client.until('G');
    client.send(query('SELECT 1'));
    await expectEnded(client, '08P01');
  });
});

describe('text that cannot be judged is refused, and the session lives on', () => {
  const UNREADABLE: readonly (readonly [name: string, text: Buffer])[] = [
    ['not SQL', Buffer.from('this is not sql')],
    ['a quote that is not closed', Buffer.from("SELECT 'open")],
    ['not UTF-8', Buffer.from([0x53, 0x45, 0x4c, 0x45, 0x43, 0x54, 0x20, 0x27, 0xff, 0xfe, 0x27])],
    ['an overlong encoding', Buffer.from([0x53, 0x45, 0x4c, 0x45, 0x43, 0x54, 0x20, 0x27, 0xc0, 0xa7, 0x27])],
    ['a surrogate', Buffer.from([0x53, 0x45, 0x4c, 0x45, 0x43, 0x54, 0x20, 0x27, 0xed, 0xa0, 0x80, 0x27])],
    ['parentheses 10,000 deep', Buffer.from(`SELECT ${'('.repeat(10_000)}1${')'.repeat(10_000)}`)],
    ['operators 10,000 deep', Buffer.from(`SELECT ${'NOT '.repeat(10_000)}true`)],
    ['subqueries 2,000 deep', Buffer.from(`SELECT ${'(SELECT '.repeat(2_000)}1${')'.repeat(2_000)}`)],
    ['20 MB of one literal', Buffer.concat([Buffer.from("SELECT '"), Buffer.alloc(20 * 1024 * 1024, 0x78), Buffer.from("'")])],
    ['20 MB of statements', Buffer.from('SELECT 1;'.repeat((20 * 1024 * 1024) / 9))],
  ];

  test.each(UNREADABLE)('%s', async (_name, text) => {
    const client = await twin.through();
    client.send(raw('Q', Buffer.concat([text, Buffer.from([0])])));
    const simple = await client.until('Z');
    expect([firstError(simple), simple.at(-1)?.body.toString()]).toEqual(['ERROR ZG014', 'I']);
    client.send(raw('P', Buffer.concat([Buffer.from([0]), text, Buffer.from([0, 0, 0])])), bind('', ''), execute(), sync());
    const extended = await client.until('Z');
    expect(extended.map(({ type }) => type).join('')).toBe('EZ');
    expect(firstError(extended)).toBe('ERROR ZG014');
    await expectAlive(client);
    await client.exchange([query('BEGIN')]);
    client.send(raw('Q', Buffer.concat([text, Buffer.from([0])])));
    expect((await client.until('Z')).at(-1)?.body.toString()).toBe('E');
    await client.exchange([query('ROLLBACK')]);
    await expectAlive(client);
    client.destroy();
  });

  test('a parameter of 20 MB', async () => {
    const client = await twin.through();
    client.send(parse('', 'SELECT length($1::text)'), bind('', '', ['x'.repeat(20 * 1024 * 1024)]), execute(), sync());
    expect(firstError(await client.until('Z'))).toBe('ERROR ZG014');
    await expectAlive(client);
  });

  test('a FunctionCall, with and without a transaction', async () => {
    const client = await twin.through();
    const call = raw('F', Buffer.from([0, 0, 4, 0xd2, 0, 0, 0, 0, 0, 0]));
    client.send(call);
    const told = await client.until('Z');
    expect([firstError(told), told.at(-1)?.body.toString()]).toEqual(['ERROR ZG014', 'I']);
    await client.exchange([query('BEGIN')]);
    client.send(call);
    expect((await client.until('Z')).at(-1)?.body.toString()).toBe('E');
    await client.exchange([query('ROLLBACK')]);
    await expectAlive(client);
  });

  test('statements of a million bytes that can be read are run', async () => {
    const client = await twin.through();
    const text = `SELECT length('${'x'.repeat(1_000_000)}')`;
    expect((await client.exchange([query(text)])).join(' ')).toContain('D 1000000');
    expect((await client.exchange([run(text), sync()])).join(' ')).toContain('D 1000000');
  });
});

describe('however the bytes are cut', () => {
  test('one at a time, the answers are the same', async () => {
    const script = Buffer.concat([
      query('SELECT 1'),
      run('SELECT 2'),
      sync(),
      query("INSERT INTO t VALUES (1); SELECT 'é€😀'"),
      parse('s', 'SELECT $1::text'),
      bind('', 's', ['três']),
      execute(),
      sync(),
    ]);
    const whole = await twin.through();
    const expected = await whole.exchange([script], 'ZZZZ');
    const client = await twin.through();
    for (const byte of script) {
      client.send(Buffer.from([byte]));
      // Without a turn of the loop the kernel would join them again.
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(describeMessages(await client.until('ZZZZ'))).toEqual(expected);
  });
});

describe('a startup that is not understood', () => {
  test.each([
    ['replication', { replication: 'database' }, 'FATAL 0A000'],
    ['physical replication', { replication: 'true' }, 'FATAL 0A000'],
    ['a setting that changes how text is read', { standard_conforming_strings: 'off' }, 'FATAL 22023'],
    ['another encoding', { client_encoding: 'LATIN1' }, 'FATAL 22023'],
    ['a setting that is not in the list', { session_replication_role: 'replica' }, 'FATAL 22023'],
    ['the same in options', { options: '-c session_replication_role=replica' }, 'FATAL 22023'],
  ] as const)('is refused: %s', async (_name, parameters, expected) => {
    const client = await WireClient.open(twin.gateway.port);
    const told = await client.introduce({
      port: twin.gateway.port,
      database: 'db',
      user: 'agent',
      password: await twin.gateway.token(),
      parameters,
    });
    expect(firstError(told)).toBe(expected);
    await client.closed();
  });

  test.each([
    ['nothing at all', Buffer.alloc(0)],
    ['a length of zero', Buffer.from([0, 0, 0, 0, 0, 3, 0, 0])],
    ['a giant length', Buffer.from([0x7f, 0xff, 0xff, 0xff, 0, 3, 0, 0])],
    ['parameters that are cut', Buffer.from([0, 0, 0, 12, 0, 3, 0, 0, 0x75, 0x73, 0x65, 0x72])],
    ['protocol 4', Buffer.from([0, 0, 0, 9, 0, 4, 0, 0, 0])],
  ])('ends the connection and nothing else: %s', async (_name, bytes) => {
    const client = await WireClient.open(twin.gateway.port);
    if (bytes.length > 0) client.send(bytes);
    client.socket.end();
    await client.closed();
    const other = await twin.through();
    await expectAlive(other);
    other.destroy();
  });

  test('connections that say nothing, or stop half-way, keep nobody else out', async () => {
    const silent = await Promise.all(Array.from({ length: 20 }, async () => WireClient.open(twin.gateway.port)));
    const half = encodeStartupMessage(0, [['user', 'agent']]).subarray(0, 10);
    for (const client of silent.slice(10)) client.send(half);
    const other = await twin.through();
    await expectAlive(other);
    for (const client of silent) client.destroy();
  });

  test('protocol 3.2 gets a long cancel key, 3.0 a short one, 3.9 is brought down to 3.2', async () => {
    const keys: number[] = [];
    for (const minor of [0, 2, 9]) {
      const client = await twin.through({ minor });
      await expectAlive(client);
      keys.push(client.key.secret.length);
      const negotiated = client.greeting.filter(({ type }) => type === 'v').map(({ body }) => body.readInt32BE(0));
      expect(negotiated).toEqual(minor === 9 ? [0x30002] : []);
    }
    expect(keys[0]).toBe(4);
    expect(keys[1]).toBeGreaterThan(4);
    expect(keys[2]).toBe(keys[1]);
  });
});
