import { type AddressInfo, connect as connectTcp, createServer, type Server, type Socket } from 'node:net';
import { createSecureContext, connect as connectTls, type SecureContext, type TLSSocket } from 'node:tls';
import fc from 'fast-check';
import { Client } from 'pg';
import postgresJs from 'postgres';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { encodeAuthenticationOk } from '../../../proxy-task/postgres/messages/authentication.ts';
import { encodeBackendKeyData } from '../../../proxy-task/postgres/messages/backend-key-data.ts';
import { decodeErrorFields, errorField } from '../../../proxy-task/postgres/messages/error-response.ts';
import { encodeMessage } from '../../../proxy-task/postgres/messages/message-writer.ts';
import { decodeNegotiateProtocolVersion } from '../../../proxy-task/postgres/messages/negotiate-protocol-version.ts';
import { encodePassword, encodeSaslInitialResponse } from '../../../proxy-task/postgres/messages/password.ts';
import { encodeReadyForQuery } from '../../../proxy-task/postgres/messages/ready-for-query.ts';
import { encodeCancelRequest, encodeSslRequest, encodeStartupMessage } from '../../../proxy-task/postgres/messages/startup-packet.ts';
import { notLetIn } from '../../../proxy-task/postgres/refusal.ts';
import {
  acceptStartup,
  type ClientCandidate,
  isLoopback,
  refuseCandidate,
  type StartupPolicy,
} from '../../../proxy-task/postgres/startup.ts';
import { makeAuthority, type TestAuthority } from '../../support/tls-files.ts';

const GSSENC_REQUEST = Buffer.from('0000000804d21630', 'hex');
const HELLO = [
  ['user', 'agent'],
  ['database', 'bank'],
] as const;

let authority: TestAuthority;
let secureContext: SecureContext;
beforeAll(() => {
  authority = makeAuthority();
  secureContext = createSecureContext(authority.issue('DNS:localhost,IP:127.0.0.1'));
});
afterAll(() => authority.remove());

/** Timers run when the test says so. */
class HandClock {
  readonly #timers = new Set<() => void>();

  after(_ms: number, run: () => void): { cancel(): void } {
    this.#timers.add(run);
    return { cancel: () => this.#timers.delete(run) };
  }

  fire(): void {
    const due = [...this.#timers];
    this.#timers.clear();
    for (const run of due) run();
  }
}

let clock: HandClock;
let policy: StartupPolicy;
let address: string;
let server: Server;
let port: number;
let outcomes: (ClientCandidate | undefined)[];
let waiting: (() => void)[];
let cancels: { processId: number; secret: Buffer; from: string }[];
let refusals: string[];
const sockets = new Set<Socket>();

beforeEach(async () => {
  clock = new HandClock();
  address = '127.0.0.1';
  policy = {
    timeoutMs: 30_000,
    secureContext: () => secureContext,
    oauth: { openidConfiguration: 'https://id.example/.well-known', scope: 'sallyport' },
  };
  [outcomes, waiting, cancels, refusals] = [[], [], [], []];
  server = createServer({ pauseOnConnect: true }, (socket) => {
    sockets.add(socket);
    const late = new AbortController();
    clock.after(30_000, () => {
      late.abort();
      socket.destroy();
    });
    void acceptStartup({ socket, address, late: late.signal }, policy, {
      clock,
      onCancel: (key, from) => cancels.push({ processId: key.processId, secret: key.secret, from }),
      onRefused: (reason) => refusals.push(reason),
    }).then((candidate) => {
      outcomes.push(candidate);
      for (const wake of waiting.splice(0)) wake();
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  // A TCP server that listens has an address with a port.
  port = (server.address() as AddressInfo).port;
});

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
});

async function outcome(): Promise<ClientCandidate | undefined> {
  if (outcomes.length === 0) await new Promise<void>((resolve) => waiting.push(resolve));
  return outcomes.shift();
}

async function candidate(): Promise<ClientCandidate> {
  const result = await outcome();
  if (result === undefined) throw new Error(`refused: ${refusals.join()}`);
  return result;
}

/** A client that writes bytes by hand. */
class Wire {
  socket: Socket;
  #received = Buffer.alloc(0);
  #closed = false;
  #wake: (() => void) | undefined;

  constructor(socket: Socket = connectTcp(port, '127.0.0.1')) {
    this.socket = socket;
    sockets.add(socket);
    socket.on('data', (chunk) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#wake?.();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#closed = true;
      this.#wake?.();
    });
  }

  send(...parts: Uint8Array[]): this {
    this.socket.write(Buffer.concat(parts));
    return this;
  }

  async bytes(count: number): Promise<Buffer> {
    while (this.#received.length < count) {
      if (this.#closed) throw new Error(`closed after ${this.#received.length} bytes`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const taken = this.#received.subarray(0, count);
    this.#received = this.#received.subarray(count);
    return taken;
  }

  async message(): Promise<{ type: string; body: Buffer }> {
    const header = await this.bytes(5);
    return { type: header.toString('latin1', 0, 1), body: await this.bytes(header.readInt32BE(1) - 4) };
  }

  async error(): Promise<string> {
    const { type, body } = await this.message();
    expect(type).toBe('E');
    return errorField(decodeErrorFields(body, 0, body.length), 'C') ?? '';
  }

  async rest(): Promise<Buffer> {
    while (!this.#closed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#received;
  }
}

const hello = (minor = 0, more: readonly (readonly [string, string])[] = []): Buffer => encodeStartupMessage(minor, [...HELLO, ...more]);

async function encrypted(options: { ALPNProtocols?: string[] } = {}): Promise<TLSSocket> {
  const plain = new Wire();
  plain.send(encodeSslRequest());
  expect((await plain.bytes(1)).toString()).toBe('S');
  plain.socket.removeAllListeners('data');
  const socket = connectTls({ socket: plain.socket, ca: authority.ca, servername: 'localhost', ...options });
  await new Promise<void>((resolve, reject) => {
    socket.once('secureConnect', resolve);
    socket.once('error', reject);
  });
  return socket;
}

async function direct(options: { ALPNProtocols?: string[] }): Promise<TLSSocket> {
  const socket = connectTls({ host: '127.0.0.1', port, ca: authority.ca, servername: 'localhost', ...options });
  sockets.add(socket);
  await new Promise<void>((resolve, reject) => {
    socket.once('secureConnect', resolve);
    socket.once('error', reject);
  });
  return socket;
}

describe('a client becomes a candidate', () => {
  test('in the clear on loopback, with all that it said', async () => {
    const wire = new Wire().send(
      hello(0, [
        ['options', '-c a=b --search-path=x'],
        ['application_name', 'psql'],
      ]),
    );
    expect((await wire.bytes(9)).toString('hex')).toBe('520000000800000003');
    wire.send(encodePassword('the.token'), Buffer.from('early'));
    const result = await candidate();
    expect(result).toMatchObject({
      protocol: { major: 3, minor: 0 },
      options: [
        ['a', 'b'],
        ['search_path', 'x'],
      ],
      token: 'the.token',
      mechanism: 'cleartext',
      remoteAddress: '127.0.0.1',
      tls: 'none',
      leftover: Buffer.from('early'),
    });
    expect(Object.fromEntries(result.parameters)).toEqual({ user: 'agent', database: 'bank', application_name: 'psql' });
    expect(result.socket.isPaused()).toBe(true);
  });

  test('after SSLRequest, with its cipher named', async () => {
    const wire = new Wire(await encrypted());
    wire.send(hello());
    expect((await wire.message()).type).toBe('R');
    wire.send(encodePassword('t'));
    expect(await candidate()).toMatchObject({ tls: expect.stringMatching(/^TLSv1\.3 TLS_/u), token: 't' });
  });

  test('over direct TLS with ALPN', async () => {
    const wire = new Wire(await direct({ ALPNProtocols: ['postgresql'] }));
    wire.send(hello());
    await wire.message();
    wire.send(encodePassword('t'));
    expect(await candidate()).toMatchObject({ tls: expect.stringMatching(/^TLSv1/u) });
  });

  test('when its bytes come one by one', async () => {
    const wire = new Wire();
    wire.socket.setNoDelay(true);
    for (const byte of hello()) {
      wire.send(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await wire.message();
    for (const byte of encodePassword('tok')) wire.send(Buffer.from([byte]));
    expect(await candidate()).toMatchObject({ token: 'tok' });
  });

  test('without a certificate SSLRequest is answered N, and GSSENCRequest always', async () => {
    policy = { timeoutMs: 1 };
    const wire = new Wire().send(GSSENC_REQUEST);
    expect((await wire.bytes(1)).toString()).toBe('N');
    wire.send(encodeSslRequest());
    expect((await wire.bytes(1)).toString()).toBe('N');
    wire.send(hello());
    expect((await wire.message()).type).toBe('R');
    wire.send(encodePassword('t'));
    expect(await candidate()).toMatchObject({ tls: 'none' });
  });

  test.each([
    [0, [], 0, undefined],
    [2, [], 2, undefined],
    [1, [], 0, []],
    [9999, [['_pq_.grease', '1']], 2, ['_pq_.grease']],
    [0, [['_pq_.x', 'y']], 0, ['_pq_.x']],
  ] as const)('asking for 3.%i with %j it gets 3.%i', async (asked, more, spoken, unknownOptions) => {
    const wire = new Wire().send(hello(asked, more));
    let first = await wire.message();
    if (unknownOptions !== undefined) {
      expect(first.type).toBe('v');
      expect(decodeNegotiateProtocolVersion(first.body, 0, first.body.length)).toEqual({ minor: spoken, unknownOptions });
      first = await wire.message();
    }
    expect(first.type).toBe('R');
    wire.send(encodePassword('t'));
    const result = await candidate();
    expect(result.protocol.minor).toBe(spoken);
    expect([...result.parameters.keys()]).toEqual(['user', 'database']);
  });

  test('whose database is not named asks for the one of its name', async () => {
    const wire = new Wire().send(encodeStartupMessage(0, [['user', 'bank']]));
    await wire.message();
    wire.send(encodePassword('t'));
    expect((await candidate()).parameters.get('database')).toBe('bank');
  });

  test('through a load balancer that tells its address, TLS is demanded of that address', async () => {
    address = '192.0.2.7';
    expect(await new Wire().send(hello()).error()).toBe('28000');
  });
});

describe('OAUTHBEARER', () => {
  const bearer = (text: string): Buffer => encodeSaslInitialResponse('OAUTHBEARER', Buffer.from(text, 'latin1'));
  async function asked(): Promise<Wire> {
    const wire = new Wire().send(hello(2, [['options', '-c sallyport.auth=oauthbearer -c a=b']]));
    const { body } = await wire.message();
    expect(body.toString('latin1')).toBe('\0\0\0\x0aOAUTHBEARER\0\0');
    return wire;
  }

  test.each(['n,,\x01auth=Bearer a.b-c_d~e+f/g==\x01\x01', 'y,,\x01host=x\x01auth=bearer   a.b-c_d~e+f/g==\x01port=1\x01\x01'])(
    'takes %j',
    async (text) => {
      (await asked()).send(bearer(text));
      expect(await candidate()).toMatchObject({ token: 'a.b-c_d~e+f/g==', mechanism: 'oauthbearer', options: [['a', 'b']] });
    },
  );

  test('takes the token after an empty first response', async () => {
    const wire = await asked();
    wire.send(encodeMessage('p', Buffer.from('OAUTHBEARER\0\xff\xff\xff\xff', 'latin1')));
    expect((await wire.message()).body.toString('hex')).toBe('0000000b');
    wire.send(encodeMessage('p', Buffer.from('n,,\x01auth=Bearer tok\x01\x01')));
    expect(await candidate()).toMatchObject({ token: 'tok' });
  });

  test('tells the issuer to whoever comes without a token', async () => {
    const wire = await asked();
    wire.send(bearer('n,,\x01auth=\x01\x01'));
    const { body } = await wire.message();
    expect(JSON.parse(body.toString('utf8', 4))).toEqual({
      status: 'invalid_token',
      'openid-configuration': 'https://id.example/.well-known',
      scope: 'sallyport',
    });
    wire.send(encodeMessage('p', Buffer.from([1])));
    expect(await wire.error()).toBe('28000');
  });

  test('a refused token is answered with the failure first, then the error', async () => {
    const wire = await asked();
    wire.send(bearer('n,,\x01auth=Bearer tok\x01\x01'));
    const refused = refuseCandidate(await candidate(), notLetIn(), policy, { clock });
    expect((await wire.message()).body.readInt32BE(0)).toBe(11);
    wire.send(encodeMessage('p', Buffer.from([1])));
    expect(await wire.error()).toBe('28000');
    await refused;
    await wire.rest();
  });

  test.each([
    'p=tls-server-end-point,,\x01auth=Bearer t\x01\x01',
    'n,a=admin,\x01auth=Bearer t\x01\x01',
    'n,,\x01auth=Bearer t\x01',
    'n,,\x01auth=Bearer t',
    'n,,\x01auth=Basic t\x01\x01',
    'n,,\x01auth=Bearer t\x01auth=Bearer u\x01\x01',
    'n,,\x01auth=Bearer t u\x01\x01',
    'n,,\x01\x01',
    'n,,',
    '',
  ])('refuses %j', async (text) => {
    expect(await (await asked()).send(bearer(text)).error()).toBe('08P01');
    expect(await outcome()).toBeUndefined();
  });

  test('refuses another mechanism', async () => {
    expect(await (await asked()).send(encodeSaslInitialResponse('PLAIN', Buffer.from('x'))).error()).toBe('08P01');
  });
});

describe('a client is refused', () => {
  test.each<[string, Buffer[], string]>([
    ['data behind SSLRequest', [encodeSslRequest(), encodeStartupMessage(0, HELLO)], '08P01'],
    ['data behind GSSENCRequest', [GSSENC_REQUEST, encodeSslRequest()], '08P01'],
    ['replication', [encodeStartupMessage(0, [...HELLO, ['replication', 'database']])], '0A000'],
    ['physical replication', [encodeStartupMessage(0, [...HELLO, ['replication', 'true']])], '0A000'],
    ['protocol 4', [Buffer.from('0000000800040000', 'hex')], '0A000'],
    ['HTTP', [Buffer.from('GET / HTTP/1.1\r\n\r\n')], '08P01'],
    ['a length below its own size', [Buffer.from('0000000400030000', 'hex')], '08P01'],
    ['a length above 10,000', [Buffer.from('0000271100030000', 'hex')], '08P01'],
    ['a negative length', [Buffer.from('ffffffff00030000', 'hex')], '08P01'],
    ['no user', [encodeStartupMessage(0, [['database', 'bank']])], '28000'],
    ['a switch in options', [encodeStartupMessage(0, [...HELLO, ['options', '-d 5']])], '22023'],
    ['an unknown way to log in', [encodeStartupMessage(0, [...HELLO, ['options', '-c sallyport.auth=none']])], '22023'],
    ['text that is no UTF-8', [Buffer.concat([Buffer.from('0000001000030000', 'hex'), Buffer.from('user\0\xff\0\0', 'latin1')])], '08P01'],
  ])('for %s', async (_name, bytes, code) => {
    const wire = new Wire().send(...bytes);
    expect(await wire.error()).toBe(code);
    expect(await wire.rest()).toHaveLength(0);
    expect(await outcome()).toBeUndefined();
  });

  test('for protocol 2, in the words of protocol 2', async () => {
    const wire = new Wire().send(Buffer.from('0000012800020000', 'hex'), Buffer.alloc(288));
    expect((await wire.rest()).toString()).toBe('EFATAL:  unsupported frontend protocol 2.0: the gateway supports 3.0 to 3.2\n\0');
  });

  test('for a request for TLS inside TLS', async () => {
    const wire = new Wire(await encrypted());
    expect(await wire.send(encodeSslRequest()).error()).toBe('08P01');
  });

  test('for asking twice', async () => {
    policy = { timeoutMs: 1 };
    const wire = new Wire().send(encodeSslRequest());
    await wire.bytes(1);
    expect(await wire.send(encodeSslRequest()).error()).toBe('08P01');
  });

  test('for direct TLS without ALPN, and for ALPN of another protocol', async () => {
    expect(await new Wire(await direct({})).error()).toBe('08P01');
    await expect(direct({ ALPNProtocols: ['http/1.1'] })).rejects.toThrow(/alert/u);
    expect([await outcome(), await outcome()]).toEqual([undefined, undefined]);
  });

  test('for direct TLS where there is no certificate', async () => {
    policy = { timeoutMs: 1 };
    await expect(direct({ ALPNProtocols: ['postgresql'] })).rejects.toThrow(Error);
    expect(await outcome()).toBeUndefined();
  });

  test.each([
    ['an empty token', encodePassword(''), '28000'],
    ['a query in place of the token', encodeMessage('Q', Buffer.from('select 1\0')), '08P01'],
    ['a token without its end', encodeMessage('p', Buffer.from('abc')), '08P01'],
    ['a token with NUL in it', encodeMessage('p', Buffer.from('abc\0def\0')), '08P01'],
    ['a token above 65,535 bytes', Buffer.from('7000010005', 'hex'), '08P01'],
  ])('for %s', async (_name, bytes, code) => {
    const wire = new Wire().send(hello());
    await wire.message();
    expect(await wire.send(bytes).error()).toBe(code);
    expect(await outcome()).toBeUndefined();
  });

  test('for sending more than a handshake has, also where the token stands in it', async () => {
    const wire = new Wire().send(hello(), encodePassword('x'.repeat(60_000)).subarray(0, 50_000));
    await wire.message();
    const flood = encodePassword('x'.repeat(60_000)).subarray(50_000);
    wire.send(flood, Buffer.alloc(1024 * 1024, 0x41));
    const result = await outcome();
    // Either the bytes behind the token are all there when the candidate is, or there is no candidate.
    if (result !== undefined) {
      const { socket, leftover } = result;
      wire.socket.end();
      socket.resume();
      const more: Buffer[] = [leftover];
      for await (const chunk of socket) more.push(chunk);
      expect(Buffer.concat(more).equals(Buffer.alloc(1024 * 1024, 0x41))).toBe(true);
    }
  });

  test('for taking too long, wherever it stands', async () => {
    const silent = new Wire();
    const half = new Wire().send(hello().subarray(0, 9));
    const handshake = new Wire().send(encodeSslRequest());
    await handshake.bytes(1);
    const waitsForPassword = new Wire().send(hello());
    await waitsForPassword.message();
    const inDirectTls = new Wire().send(Buffer.from('1603010200', 'hex'));
    while ((await connectionCount()) < 5) await new Promise((resolve) => setImmediate(resolve));
    clock.fire();
    for (const wire of [silent, half, handshake, waitsForPassword, inDirectTls]) await wire.rest();
    for (let i = 0; i < 5; i++) expect(await outcome()).toBeUndefined();
  });

  test('when it goes away, wherever it stands', async () => {
    for (const bytes of [Buffer.alloc(0), hello().subarray(0, 9), encodeSslRequest(), hello(), Buffer.from('1603010200', 'hex')]) {
      new Wire().send(bytes).socket.end();
      expect(await outcome()).toBeUndefined();
    }
  });

  test('or goes on, but random bytes crash nothing', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(Buffer.alloc(0), hello(), Buffer.from('0000001000030000', 'hex'), Buffer.from('160301', 'hex')),
        fc.uint8Array({ maxLength: 60 }),
        async (start, noise) => {
          const wire = new Wire().send(start, noise);
          wire.socket.end();
          const result = await outcome();
          result?.socket.destroy();
          await wire.rest();
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('a cancel request', () => {
  test.each([4, 32, 256])('with a key of %i bytes is passed on and answered with nothing', async (bytes) => {
    const secret = Buffer.alloc(bytes, 7);
    const wire = new Wire().send(encodeCancelRequest(-5, secret));
    expect(await wire.rest()).toHaveLength(0);
    expect(cancels).toEqual([{ processId: -5, secret, from: '127.0.0.1' }]);
    expect(refusals).toEqual([]);
  });

  test('inside TLS is passed on too', async () => {
    const wire = new Wire(await encrypted());
    await wire.send(encodeCancelRequest(1, Buffer.alloc(4))).rest();
    expect(cancels).toHaveLength(1);
  });

  test('with more behind it is not', async () => {
    await new Wire().send(encodeCancelRequest(1, Buffer.alloc(4)), Buffer.from('x')).rest();
    expect(cancels).toEqual([]);
  });
});

describe('drivers as they are', () => {
  async function letIn(): Promise<ClientCandidate> {
    const result = await candidate();
    result.socket.write(
      Buffer.concat([encodeAuthenticationOk(), encodeBackendKeyData({ processId: 1, secret: Buffer.alloc(4) }), encodeReadyForQuery('I')]),
    );
    result.socket.resume();
    return result;
  }

  test('node-postgres logs in, with and without TLS', async () => {
    for (const ssl of [false, { ca: authority.ca, servername: 'localhost' }]) {
      const client = new Client({ host: '127.0.0.1', port, user: 'agent', password: 'tok', database: 'bank', options: '-c a=b', ssl });
      client.on('error', () => {});
      const connected = client.connect();
      const result = await letIn();
      await connected;
      expect(result).toMatchObject({ token: 'tok', options: [['a', 'b']] });
      expect(result.tls).toMatch(ssl === false ? /^none$/u : /^TLSv1/u);
      const ended = client.end();
      result.socket.destroy();
      await ended;
    }
  });

  test('postgres.js logs in over TLS', async () => {
    const sql = postgresJs({
      host: '127.0.0.1',
      port,
      user: 'agent',
      password: 'tok',
      database: 'bank',
      ssl: { ca: authority.ca, servername: 'localhost' },
      max: 1,
      fetch_types: false,
    });
    const asked = sql`select 1`.catch((error: unknown) => error);
    const result = await letIn();
    expect(result).toMatchObject({ token: 'tok', tls: expect.stringMatching(/^TLSv1/u) });
    result.socket.destroy();
    expect(await asked).toBeInstanceOf(Error);
    await sql.end({ timeout: 0 });
  });

  test('node-postgres reads the refusal', async () => {
    const client = new Client({ host: '127.0.0.1', port, user: 'agent', password: 'tok', database: 'bank' });
    client.on('error', () => {});
    const connected = client.connect().catch((error: unknown) => error);
    await refuseCandidate(await candidate(), notLetIn(), policy, { clock });
    expect(await connected).toMatchObject({ code: '28000', severity: 'FATAL' });
  });
});

test.each([
  ['127.0.0.1', true],
  ['127.9.9.9', true],
  ['::1', true],
  ['::ffff:127.0.0.1', true],
  ['', false],
  ['10.0.0.1', false],
  ['::ffff:10.0.0.1', false],
  ['127.0.0.1.example', false],
  ['fe80::1', false],
])('%j is loopback: %s', (address, expected) => {
  expect(isLoopback(address)).toBe(expected);
});

async function connectionCount(): Promise<number> {
  return new Promise((resolve, reject) => {
    server.getConnections((error, count) => {
      if (error) reject(error);
      else resolve(count);
    });
  });
}
