import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { makeAuthority, type TestAuthority } from '../support/tls-files.ts';

let authority: TestAuthority;
let postgres: TestPostgres;
let gateway: TestGateway;
let folder: string;

beforeAll(async () => {
  authority = makeAuthority();
  folder = mkdtempSync(join(tmpdir(), 'sallyport-test-tls-gateway-'));
  postgres = await startPostgres();
  const target = authority.issue('IP:127.0.0.1');
  postgres.addFile('server.key', target.key);
  postgres.addFile('server.crt', target.cert);
  await postgres.script(`ALTER SYSTEM SET ssl = on`);
  await postgres.query('SELECT pg_reload_conf()');
  await postgres.script(
    `CREATE TABLE t (id int PRIMARY KEY, filler text); INSERT INTO t SELECT g, repeat('x', 200) FROM generate_series(1, 20000) g;`,
  );
  const own = authority.issue('DNS:localhost,IP:127.0.0.1');
  writeFileSync(join(folder, 'gateway.crt'), own.cert);
  writeFileSync(join(folder, 'gateway.key'), own.key);
  gateway = await startGateway(postgres, {
    tls: { certFile: join(folder, 'gateway.crt'), keyFile: join(folder, 'gateway.key') },
    targetTls: `{ mode: verify-full, caFile: "${authority.caFile}" }`,
  });
});

afterAll(async () => {
  await gateway.stop();
  await postgres.stop();
  authority.remove();
  rmSync(folder, { recursive: true });
});

async function client(ca: string): Promise<Client> {
  const made = new Client({
    host: '127.0.0.1',
    port: gateway.port,
    database: 'db',
    user: 'agent',
    password: await gateway.token(),
    ssl: { ca, servername: 'localhost' },
  });
  made.on('error', () => undefined);
  await made.connect();
  return made;
}

describe('TLS on both legs', () => {
  test('a client that verifies the gateway reads through a target that the gateway verifies', async () => {
    const connected = await client(authority.ca);
    expect((await connected.query('SELECT id, filler FROM t ORDER BY id')).rows).toHaveLength(20_000);
    expect((await connected.query('SELECT $1::int AS n', [7])).rows).toEqual([{ n: 7 }]);
    expect((await postgres.query('SELECT count(*)::int AS n FROM pg_stat_ssl WHERE ssl'))[0]).not.toEqual({ n: 0 });
    await connected.end();
  });

  test('a client that trusts another authority does not connect', async () => {
    const other = makeAuthority();
    await expect(client(other.ca)).rejects.toThrow(/certificate/u);
    other.remove();
  });

  test('direct TLS needs the protocol to be named', async () => {
    const outcome = await new Promise<string>((resolve) => {
      const socket = connect({ host: '127.0.0.1', port: gateway.port, ca: authority.ca, servername: 'localhost' });
      socket.once('secureConnect', () => socket.write(Buffer.from([0, 0, 0, 8, 0, 3, 0, 0])));
      socket.once('data', (data: Buffer) => resolve(data.toString('latin1')));
      socket.once('error', () => resolve('ended'));
      socket.once('close', () => resolve('ended'));
    });
    // An error, or nothing: never a request for the token.
    expect(outcome).toMatch(/^(?:ended$|E)/u);
    expect(outcome).not.toContain('R\0\0\0');
  });
});
