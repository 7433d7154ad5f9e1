import { readFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { generateKeyPair, importJWK, SignJWT, type JWK, type JWTPayload } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { WireClient, type WireMessage, describeMessages, firstError, wire } from '../support/wire-client.ts';

const { query, parse, bind, execute, sync } = wire;

const POLICIES = `
@id("connect") permit (principal, action == Action::"connect", resource) unless { resource == Target::"closed" };
@id("all") permit (principal, action in Action::"all", resource);
`;

let postgres: TestPostgres;
let gateway: TestGateway;

beforeAll(async () => {
  postgres = await startPostgres();
  const target = (name: string, port: number, user: string): string => `
  - name: ${name}
    host: 127.0.0.1
    port: ${port}
    database: postgres
    user: ${user}
    credential: env:TARGET_PASSWORD
    tls: { mode: disable }`;
  await postgres.script("CREATE TABLE t (id int); CREATE ROLE other LOGIN PASSWORD 'another-secret'");
  gateway = await startGateway(postgres, {
    policies: POLICIES,
    target: [
      target('closed', postgres.port, postgres.superuser),
      target('down', await unusedPort(), postgres.superuser),
      target('unwelcome', postgres.port, 'other'),
    ].join(''),
  });
});

afterAll(async () => {
  await gateway.stop();
  await postgres.stop();
});

async function unusedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  // A TCP server that listens has an address with a port.
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const loginWith = (password: string, database = 'db') => ({ port: gateway.port, database, user: 'agent', password });
const login = async (): Promise<WireClient> => WireClient.login(loginWith(await gateway.token()));

async function refusal(password: string, database?: string): Promise<readonly string[]> {
  const client = await WireClient.open(gateway.port);
  const told = await client.introduce(loginWith(password, database));
  const rest = await client.closed();
  return describeMessages([...told, ...rest]);
}

async function backendOf(client: WireClient): Promise<number> {
  const told = await client.exchange([query('SELECT pg_backend_pid()')]);
  return Number(/^D (\d+)$/.exec(told[1] ?? '')?.[1]);
}

async function active(pid: number): Promise<void> {
  const untilMs = Date.now() + 10_000;
  for (;;) {
    const rows = await postgres.query("SELECT 1 FROM pg_stat_activity WHERE pid = $1 AND state = 'active'", [pid]);
    if (rows.length > 0) return;
    if (Date.now() > untilMs) throw new Error('the statement is not at work');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe('who is not let in learns nothing', () => {
  /** The issuer's own key and name, so that a test can leave out exactly one thing. */
  async function sign(
    change: Readonly<Record<string, unknown>>,
    header: { readonly kid?: string } = {},
    key?: Awaited<ReturnType<typeof importJWK>>,
  ): Promise<string> {
    // The demo issuer wrote it.
    const jwk = JSON.parse(readFileSync(join(gateway.dataDir, 'issuer-key.json'), 'utf8')) as JWK & { kid: string };
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      iss: gateway.issuer.url,
      sub: 'agent-7',
      client_id: 'agent-7',
      aud: 'sallyport',
      groups: ['all'],
      iat: now,
      exp: now + 300,
      jti: 'one',
      ...change,
    };
    // Some of them are of the wrong type, or missing, on purpose.
    return new SignJWT(JSON.parse(JSON.stringify(claims)) as JWTPayload)
      .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: jwk.kid, ...header })
      .sign(key ?? (await importJWK(jwk, 'ES256')));
  }

  const past = Math.floor(Date.now() / 1000) - 7_200;
  const future = Math.floor(Date.now() / 1000) + 7_200;
  const unsigned = async (): Promise<string> => {
    const [, body = ''] = (await sign({})).split('.');
    return `${Buffer.from('{"alg":"none","typ":"at+jwt"}').toString('base64url')}.${body}.`;
  };
  const resigned = async (): Promise<string> => sign({}, {}, (await generateKeyPair('ES256')).privateKey);
  const changed = async (): Promise<string> => {
    const [head = '', , signature = ''] = (await sign({})).split('.');
    const [, body = ''] = (await sign({ sub: 'agent-8', groups: ['all', 'dba'] })).split('.');
    return `${head}.${body}.${signature}`;
  };
  const symmetric = async (): Promise<string> => {
    // Any bytes that the attacker knows are as good as the public key.
    const known = new TextEncoder().encode('the public key of the issuer, as everybody can fetch it');
    return new SignJWT({ iss: gateway.issuer.url, sub: 'agent-7', aud: 'sallyport', exp: future })
      .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt' })
      .sign(known);
  };

  const TOKENS: readonly (readonly [name: string, token: () => Promise<string>])[] = [
    ['no token', async () => 'secret'],
    ['an expired one', async () => sign({ iat: past - 300, exp: past })],
    ['one that is not valid yet', async () => sign({ nbf: future, exp: future + 300 })],
    ['one that was issued in the future', async () => sign({ iat: future, exp: future + 300 })],
    ['one for another audience', async () => sign({ aud: 'somebody-else' })],
    ['one of another issuer', async () => sign({ iss: 'https://issuer.example' })],
    ['one without an end', async () => sign({ exp: undefined })],
    ['one without a subject', async () => sign({ sub: undefined })],
    ['one without a signature', unsigned],
    ['one signed with another key', resigned],
    ['one whose claims were changed', changed],
    ['one signed with what is public', symmetric],
    ['one with an unknown key id', async () => sign({}, { kid: 'nobody' })],
  ];

  test('the token that the others are made from is good', async () => {
    const client = await WireClient.login(loginWith(await sign({})));
    client.destroy();
  });

  test.each(TOKENS)('%s', async (_name, token) => {
    const unknownTarget = await refusal(await sign({}), 'no-such-target');
    const told = await refusal(await token());
    expect(told.at(-1)).toMatch(/^E S=FATAL C=28000 /);
    expect(told).toEqual(unknownTarget);
    expect(told).toEqual(await refusal(await sign({}), 'closed'));
  });

  test('an empty password is refused as the others are', async () => {
    const told = await refusal('');
    expect(told.at(-1)).toBe((await refusal('secret')).at(-1));
  });
});

describe('a target that cannot be used', () => {
  test('is told apart from a token that is no good, without its address, role or own words', async () => {
    const token = await gateway.token();
    const down = await refusal(token, 'down');
    expect(down.at(-1)).toMatch(/^E S=FATAL C=08001 M=target "down" cannot be reached/);
    const unwelcome = await refusal(token, 'unwelcome');
    expect(unwelcome.at(-1)).toMatch(/^E S=FATAL C=08001 M=the gateway cannot log in to target "unwelcome"/);
    for (const line of [...down, ...unwelcome]) expect(line).not.toMatch(/127\.0\.0\.1|ECONNREFUSED|other|password|another-secret/);
    const client = await login();
    expect((await client.exchange([query('SELECT 1')])).join(' ')).toContain('D 1');
    client.destroy();
  });
});

describe('a target that ends the connection', () => {
  test.each([
    ['in the middle of a statement', (client: WireClient) => client.send(query('SELECT pg_sleep(600)'))],
    [
      'in the middle of a pipeline',
      (client: WireClient) =>
        client.send(parse('', 'SELECT pg_sleep(600)'), bind('', ''), execute(), sync(), query('INSERT INTO t VALUES (1)')),
    ],
    [
      'in an open transaction',
      async (client: WireClient) => void (await client.exchange([query('BEGIN'), query('INSERT INTO t VALUES (2)')], 'ZZ')),
    ],
    ['while nothing runs', () => undefined],
  ])('%s: its words, then the end', async (_name, before) => {
    const client = await login();
    const pid = await backendOf(client);
    await Promise.resolve(before(client));
    if (_name.startsWith('in the middle')) await active(pid);
    await postgres.query('SELECT pg_terminate_backend($1)', [pid]);
    expect(firstError(await client.closed())).toBe('FATAL 57P01');
    expect(await postgres.query('SELECT count(*)::int AS n FROM t')).toEqual([{ n: 0 }]);
  });

  test('a server that is gone: executed is unknown for what ran, and the next login says so', async () => {
    const idle = await login();
    const busy = await login();
    const pid = await backendOf(busy);
    busy.send(query('SELECT pg_sleep(600)'));
    await active(pid);
    const token = await gateway.token();
    await postgres.stop();
    const [ofBusy, ofIdle] = await Promise.all([busy.closed(), idle.closed()]);
    const last = (messages: readonly WireMessage[]): string => describeMessages(messages).at(-1) ?? '';
    expect(last(ofBusy)).toMatch(/^E S=FATAL C=57P0\d /);
    expect(last(ofIdle)).toMatch(/^E S=FATAL C=(57P0\d|08001) /);
    expect(last(ofBusy)).toContain('"executed":"unknown"');
    expect((await refusal(token)).at(-1)).toMatch(/^E S=FATAL C=08001 M=target "db" cannot be reached/);
  });
});
