import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { UpstreamTls } from '../../../core/target.ts';
import { encodeAuthenticationOk, encodeAuthenticationSasl } from '../../../proxy-task/postgres/messages/authentication.ts';
import { encodeParameterStatus } from '../../../proxy-task/postgres/messages/parameter-status.ts';
import { encodeReadyForQuery } from '../../../proxy-task/postgres/messages/ready-for-query.ts';
import { encodeQuery } from '../../../proxy-task/postgres/messages/query.ts';
import { FrameSplitter, upstreamFrameLimits } from '../../../proxy-task/postgres/frames.ts';
import { decodeDataRow } from '../../../proxy-task/postgres/messages/data-row.ts';
import { encodeTerminate } from '../../../proxy-task/postgres/messages/bodiless.ts';
import { ScramKeyCache } from '../../../proxy-task/postgres/scram.ts';
import { cancelUpstream, openUpstream, type Login, type Upstream } from '../../../proxy-task/postgres/upstream.ts';
import { startPostgres, type TestPostgres } from '../../support/postgres.ts';
import { makeAuthority, type TestAuthority } from '../../support/tls-files.ts';

const PASSWORD = 'pässword ½';
const HBA = `
host    all  by_md5        127.0.0.1/32  md5
hostssl all  by_cleartext  127.0.0.1/32  password
host    all  by_open_text  127.0.0.1/32  password
host    all  by_trust      127.0.0.1/32  trust
host    all  all           127.0.0.1/32  scram-sha-256
`;

let postgres: TestPostgres;
let authority: TestAuthority;
const scramKeys = new ScramKeyCache({ hashKey: randomBytes(32) });

beforeAll(async () => {
  authority = makeAuthority();
  postgres = await startPostgres();
  const { key, cert } = authority.issue('DNS:localhost,IP:127.0.0.1');
  const keyFile = postgres.addFile('server.key', key);
  const certFile = postgres.addFile('server.crt', cert);
  await postgres.script(`create role by_scram login password '${PASSWORD}'`);
  await postgres.script(`create role by_cleartext login password '${PASSWORD}'; create role by_open_text login password '${PASSWORD}'`);
  await postgres.script(`create role by_trust login; create role lonely login password '${PASSWORD}' connection limit 0`);
  await postgres.script(`set password_encryption = 'md5'; create role by_md5 login password '${PASSWORD}'`);
  await postgres.script(`set scram_iterations = 100; create role weak login password '${PASSWORD}'`);
  await postgres.script(`create role pinned login password '${PASSWORD}'; alter role pinned set standard_conforming_strings = off`);
  await postgres.query(`alter system set ssl_key_file = '${keyFile}'`);
  await postgres.query(`alter system set ssl_cert_file = '${certFile}'`);
  await postgres.query('alter system set ssl = on');
  await postgres.query(`alter system set log_connections = on`);
  postgres.addFile('pg_hba.conf', HBA);
  await postgres.query('select pg_reload_conf()');
}, 60_000);

afterAll(async () => {
  await postgres.stop();
  authority.remove();
});

const PLAIN: UpstreamTls = { mode: 'disable' };
const inlineCa = (): UpstreamTls => ({ mode: 'verify-full', ca: readFileSync(authority.caFile, 'utf8'), serverName: 'localhost' });
const verifyFull = (serverName = 'localhost'): UpstreamTls => ({ mode: 'verify-full', caFile: authority.caFile, serverName });

function login(
  user: string,
  changes: Partial<Login> & { readonly tls?: UpstreamTls; readonly port?: number; readonly host?: string } = {},
): Login {
  const { tls = PLAIN, port = postgres.port, host = '127.0.0.1', ...rest } = changes;
  return {
    target: { host, port, tls, database: 'postgres', user },
    password: PASSWORD,
    applicationName: 'sallyport test',
    extraParameters: new Map(),
    timeoutMs: 10_000,
    scramKeys,
    ...rest,
  };
}

/** First cell of the first row of the answer to a simple query. */
async function ask(upstream: Upstream, sql: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = 'nothing';
    const splitter = new FrameSplitter({
      limits: upstreamFrameLimits(),
      onFrame: (type, buffer, start, end) => {
        if (type === 0x44) answer = decodeDataRow(buffer, start, end)[0]?.toString() ?? 'null';
        if (type === 0x45) answer = buffer.toString('latin1', start, end);
        if (type === 0x5a) resolve(answer);
      },
    });
    upstream.socket.once('close', () => reject(new Error('closed')));
    upstream.read((buffer, start, end) => splitter.push(buffer, start, end));
    upstream.socket.write(encodeQuery(sql));
  });
}

function leave(upstream: Upstream): void {
  upstream.socket.end(encodeTerminate());
}

describe('logging in', () => {
  test('SCRAM-SHA-256 without TLS proves the password with non-ASCII characters', async () => {
    const upstream = await openUpstream(login('by_scram'));
    expect(await ask(upstream, 'select current_user')).toBe('by_scram');
    expect(upstream).toMatchObject({ tls: 'none', serverVersion: 17 });
    expect(upstream.backendSecret).toHaveLength(4);
    leave(upstream);
  });

  test('a shared read buffer serves rows without TLS, and what follows a pause is not lost', async () => {
    const readBuffer = Buffer.alloc(4096);
    const upstream = await openUpstream(login('by_scram', { readBuffer }));
    let bytes = 0;
    await new Promise<void>((resolve) => {
      let pauses = 0;
      const splitter = new FrameSplitter({
        limits: upstreamFrameLimits(),
        onFrame: (type, _buffer, start, end) => {
          if (type === 0x44) bytes += end - start;
          if (type === 0x5a) resolve();
        },
      });
      upstream.read((buffer, start, end) => {
        expect(buffer).toBe(readBuffer);
        splitter.push(buffer, start, end);
        if (pauses++ < 3) {
          upstream.socket.pause();
          setImmediate(() => upstream.socket.resume());
        }
      });
      upstream.socket.write(encodeQuery(`select repeat('x', 1000) from generate_series(1, 1000)`));
    });
    expect(bytes).toBe(1000 * (2 + 4 + 1000));
    leave(upstream);
  });

  test('a name that resolves to several addresses works with a shared read buffer', async () => {
    const upstream = await openUpstream(login('by_scram', { host: 'localhost', readBuffer: Buffer.alloc(4096) }));
    expect(await ask(upstream, 'select current_user')).toBe('by_scram');
    leave(upstream);
  });

  test('SCRAM over TLS binds to the channel, and the name and the authority of the certificate are checked', async () => {
    const upstream = await openUpstream(login('by_scram', { tls: verifyFull(), readBuffer: Buffer.alloc(4096) }));
    expect(upstream.tls).toMatch(/^TLSv1\.3 TLS_/u);
    expect(await ask(upstream, `select ssl::text from pg_stat_ssl where pid = ${upstream.backendPid}`)).toBe('true');
    leave(upstream);
  });

  test('an address is compared with the addresses of the certificate', async () => {
    const upstream = await openUpstream(login('by_scram', { tls: verifyFull('127.0.0.1') }));
    expect(upstream.tls).toMatch(/^TLSv1/u);
    leave(upstream);
  });

  test.each(['by_md5', 'by_trust'])('%s', async (user) => {
    const upstream = await openUpstream(login(user));
    expect(await ask(upstream, 'select current_user')).toBe(user);
    leave(upstream);
  });

  test('the authority may stand in the configuration itself', async () => {
    const upstream = await openUpstream(login('by_cleartext', { tls: inlineCa() }));
    expect(await ask(upstream, 'select current_user')).toBe('by_cleartext');
    leave(upstream);
  });

  test('the password is sent in the clear inside TLS only', async () => {
    const upstream = await openUpstream(login('by_cleartext', { tls: verifyFull() }));
    expect(await ask(upstream, 'select current_user')).toBe('by_cleartext');
    leave(upstream);
    await expect(openUpstream(login('by_open_text'))).rejects.toMatchObject({ fault: 'credential' });
  });

  test('pinned settings beat those of the role, and allowed ones arrive', async () => {
    const extraParameters = new Map([
      ['TimeZone', 'Asia/Tokyo'],
      ['search_path', 'a, "b c"'],
    ]);
    const upstream = await openUpstream(login('pinned', { extraParameters }));
    expect(upstream.parameters.get('standard_conforming_strings')).toBe('on');
    expect(upstream.parameters.get('TimeZone')).toBe('Asia/Tokyo');
    expect(await ask(upstream, `select current_setting('search_path') || current_setting('application_name')`)).toBe(
      'a, "b c"sallyport test',
    );
    leave(upstream);
  });

  test.each(['client_encoding', 'OPTIONS', 'user', '_pq_.x'])('the caller cannot set %s', async (name) => {
    await expect(openUpstream(login('by_scram', { extraParameters: new Map([[name, 'x']]) }))).rejects.toThrow("the gateway's own");
  });
});

describe('not logging in', () => {
  test('a wrong password is a credential fault that does not tell the password', async () => {
    const error: unknown = await openUpstream(login('by_scram', { password: 'hunter2' })).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'upstream-unavailable', fault: 'credential', sqlstate: '28P01' });
    expect(String(error)).not.toContain('hunter2');
  });

  test('a server that asks for few iterations is not answered', async () => {
    await expect(openUpstream(login('weak'))).rejects.toMatchObject({ fault: 'protocol', cause: { code: 'scram-failed' } });
  });

  test('no connection left is told apart', async () => {
    await expect(openUpstream(login('lonely'))).rejects.toMatchObject({ fault: 'tooManyConnections', sqlstate: '53300' });
  });

  test('an unknown setting is refused by the target, not dropped', async () => {
    await expect(openUpstream(login('by_scram', { extraParameters: new Map([['nonesuch', 'x']]) }))).rejects.toMatchObject({
      fault: 'refused',
    });
  });

  test('a certificate for another name is refused', async () => {
    await expect(openUpstream(login('by_scram', { tls: verifyFull('bank.example') }))).rejects.toMatchObject({ fault: 'tls' });
  });

  test('a certificate of an unknown authority is refused', async () => {
    await expect(openUpstream(login('by_scram', { tls: { mode: 'verify-full', serverName: 'localhost' } }))).rejects.toMatchObject({
      fault: 'tls',
    });
  });

  test('nobody listens', async () => {
    const port = await unusedPort();
    await expect(openUpstream(login('by_scram', { port }))).rejects.toMatchObject({ fault: 'unreachable' });
  });

  test('a target that says nothing is given up in time', async () => {
    await withServer(
      () => {},
      async (port) => {
        await expect(openUpstream(login('by_scram', { port, timeoutMs: 50 }))).rejects.toMatchObject({ fault: 'timedOut' });
        await expect(openUpstream(login('by_scram', { port, timeoutMs: 50, tls: verifyFull() }))).rejects.toMatchObject({
          fault: 'timedOut',
        });
        const gone = new AbortController();
        const waiting = openUpstream(login('by_scram', { port, signal: gone.signal }));
        gone.abort();
        await expect(waiting).rejects.toMatchObject({ fault: 'canceled' });
      },
    );
  });

  test.each([
    ['answers N', 'N', 'tls'],
    ['sends data after S in the clear', 'SR\0\0\0\x08\0\0\0\0', 'tls'],
    ['answers with an error', 'E', 'tls'],
  ])('a target that %s to SSLRequest is refused', async (_name, answer, fault) => {
    await withServer(
      (socket) => socket.write(answer),
      async (port) => {
        await expect(openUpstream(login('by_scram', { port, tls: verifyFull() }))).rejects.toMatchObject({ fault });
      },
    );
  });

  test('a server that skips its own proof is not believed', async () => {
    await withServer(
      (socket) => socket.write(Buffer.concat([encodeAuthenticationSasl(['SCRAM-SHA-256']), encodeAuthenticationOk()])),
      async (port) => {
        await expect(openUpstream(login('by_scram', { port }))).rejects.toMatchObject({
          fault: 'protocol',
          message: expect.stringContaining('before the server proved itself'),
        });
      },
    );
  });

  test('bytes that are no protocol are a clean error', async () => {
    for (let round = 0; round < 30; round++) {
      const noise = randomBytes(300);
      await withServer(
        (socket) => socket.end(noise),
        async (port) => {
          await expect(openUpstream(login('by_scram', { port, timeoutMs: 5_000 }))).rejects.toMatchObject({ code: 'upstream-unavailable' });
        },
      );
    }
  });

  test.each(['192.0.2.1', 'bank.example', '::ffff:192.0.2.1', '127.0.0.1.example'])(
    'without TLS no connection to %s is tried',
    async (host) => {
      await expect(openUpstream(login('by_scram', { host, port: 5432 }))).rejects.toMatchObject({
        fault: 'tls',
        message: expect.stringContaining('not on loopback'),
      });
    },
  );
});

describe('canceling', () => {
  test('a target that gives no key is used, and its statements cannot be canceled', async () => {
    const greeting = [
      encodeAuthenticationOk(),
      encodeParameterStatus('client_encoding', 'UTF8'),
      encodeParameterStatus('standard_conforming_strings', 'on'),
      encodeParameterStatus('server_version', '16.4'),
      encodeReadyForQuery('I'),
    ];
    await withServer(
      (socket) => socket.write(Buffer.concat(greeting)),
      async (port) => {
        const options = login('by_scram', { port });
        const upstream = await openUpstream(options);
        expect(upstream).toMatchObject({ serverVersion: 16, backendPid: 0, backendSecret: Buffer.alloc(0) });
        upstream.socket.destroy();
        await cancelUpstream(
          { ...options.target, port: await unusedPort() },
          { processId: 0, secret: upstream.backendSecret },
          { timeoutMs: 1_000 },
        );
      },
    );
  });

  test.each([
    ['another encoding', 'client_encoding', 'SQL_ASCII', 'protocol'],
    ['other strings', 'standard_conforming_strings', 'off', 'protocol'],
    ['a version without a grammar', 'server_version', '14.2', 'version'],
    ['no version', 'server_version', '', 'version'],
  ])('a target with %s gets no session', async (_name, name, value, fault) => {
    const reported = new Map([
      ['client_encoding', 'UTF8'],
      ['standard_conforming_strings', 'on'],
      ['server_version', '18beta1'],
      [name, value],
    ]);
    const greeting = [
      encodeAuthenticationOk(),
      ...Array.from(reported, ([key, setting]) => encodeParameterStatus(key, setting)),
      encodeReadyForQuery('I'),
    ];
    await withServer(
      (socket) => socket.write(Buffer.concat(greeting)),
      async (port) => {
        await expect(openUpstream(login('by_scram', { port }))).rejects.toMatchObject({ fault });
      },
    );
  });

  test.each([
    ['without TLS', () => PLAIN],
    ['inside TLS', () => verifyFull()],
  ])('a running statement is canceled %s', async (_name, tls) => {
    const options = login('by_scram', { tls: tls() });
    const upstream = await openUpstream(options);
    const answer = ask(upstream, `select 1 from pg_sleep(60)`);
    const key = { processId: upstream.backendPid, secret: upstream.backendSecret };
    // A request that comes before the statement has nothing to cancel, so it is repeated until there is an answer.
    const done = new AbortController();
    void answer.finally(() => done.abort());
    while (!done.signal.aborted) await cancelUpstream(options.target, key, { timeoutMs: 5_000 });
    expect(await answer).toContain('57014');
    leave(upstream);
  });

  test('a target that is gone is told', async () => {
    const target = { host: '127.0.0.1', port: await unusedPort(), tls: PLAIN };
    await expect(cancelUpstream(target, { processId: 1, secret: Buffer.alloc(4) }, { timeoutMs: 1_000 })).rejects.toMatchObject({
      fault: 'unreachable',
    });
  });
});

test('PBKDF2 runs once per password, salt and iterations', async () => {
  const cache = new ScramKeyCache({ hashKey: randomBytes(32), maxEntries: 2 });
  const salt = randomBytes(16);
  const [first, second] = await Promise.all([cache.keys('a', salt, 4096), cache.keys('a', salt, 4096)]);
  expect(second).toBe(first);
  expect(await cache.keys('b', salt, 4096)).not.toEqual(first);
  await cache.keys('c', salt, 4096);
  const again = await cache.keys('a', salt, 4096);
  expect(again).not.toBe(first);
  expect(again).toEqual(first);
});

async function withServer(onConnection: (socket: Socket) => void, run: (port: number) => Promise<void>): Promise<void> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('data', () => onConnection(socket));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  try {
    // A TCP server that listens has an address with a port.
    await run((server.address() as AddressInfo).port);
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
}

async function unusedPort(): Promise<number> {
  let port = 0;
  await withServer(
    () => {},
    async (taken) => {
      port = taken;
    },
  );
  return port;
}
