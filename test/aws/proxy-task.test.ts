// Tasks of the proxy as processes: how they start, share state, and end.
import { once } from 'node:events';
import { connect, Socket } from 'node:net';
import {
  CreateTableCommand,
  DeleteTableCommand,
  DescribeTableCommand,
  DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  ScanCommand,
} from '@aws-sdk/client-dynamodb';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readWriter } from '../../core/state/control-items.ts';
import { decodeStored, encodeStored } from '../../core/state/stored-item.ts';
import { encodeCancelRequest } from '../../proxy-task/postgres/messages/startup-packet.ts';
import { proxyHeader } from '../support/proxy-headers.ts';
import { deploy, type Deployment } from './support/deployment.ts';
import type { ProxyProcess } from './support/proxy-process.ts';

const RULES = {
  policies: `
@id("connect") permit (principal, action == Action::"connect", resource);
@id("all") permit (principal in Group::"demo/all", action in Action::"all", resource);
`,
  masking: 'columns: []\npatterns: []\n',
};

let deployment: Deployment;
let task: ProxyProcess;
let dynamo: DynamoDBClient;
beforeAll(async () => {
  deployment = await deploy();
  dynamo = new DynamoDBClient({});
  await deployment.publish(RULES);
  task = await deployment.startTask();
}, 240_000);
afterAll(() => deployment.stop());

const table = (name: string): string => deployment.instance.task[`SALLYPORT_${name}_TABLE`] ?? '';

async function read(name: string, id: string): Promise<{ readonly v: number; readonly body: unknown } | undefined> {
  const { Item: item } = await dynamo.send(new GetItemCommand({ TableName: table(name), Key: { id: { S: id } }, ConsistentRead: true }));
  return item === undefined ? undefined : decodeStored(item);
}

async function put(name: string, id: string, value: unknown): Promise<void> {
  const v = ((await read(name, id))?.v ?? 0) + 1;
  await dynamo.send(new PutItemCommand({ TableName: table(name), Item: encodeStored(id, v, value) }));
}

/** The error that the gateway ends this session with. */
function ending(client: Client): Promise<{ readonly code: string | undefined; readonly message: string }> {
  return new Promise((resolve) => {
    client.once('error', (error: Error & { code?: string }) => resolve({ code: error.code, message: error.message }));
  });
}

async function healthOf({ health }: ProxyProcess): Promise<{ readonly status: number; readonly body: unknown }> {
  const response = await fetch(`http://127.0.0.1:${health}/healthz`);
  return { status: response.status, body: await response.json() };
}

test('a task that is ready says that it may get sessions, and a session runs through it', async () => {
  expect(await healthOf(task)).toEqual({ status: 200, body: { serving: true, reasons: [] } });
  const client = await deployment.connect(task);
  expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
  expect(readWriter((await read('WRITERS', `writer#${task.writer}`))?.body)).toMatchObject({ state: 'live', generation: 1 });
  await client.end();
});

test('a lock ends sessions within 5 s and lets none in', async () => {
  const client = await deployment.connect(task);
  const ended = ending(client);
  const lockedAtMs = Date.now();
  await put('CONTROL', 'locks', { locks: [{ subject: 'demo/agent-7', by: 'olga', reason: 'stolen', lockedAtMs }] });
  expect(await ended).toMatchObject({ code: 'ZG020', message: expect.stringContaining('stolen') });
  expect(Date.now() - lockedAtMs).toBeLessThan(5_000);
  await expect(deployment.connect(task)).rejects.toMatchObject({ code: 'ZG020' });
  await put('CONTROL', 'locks', { locks: [] });
  await expect
    .poll(
      () =>
        deployment.connect(task).then(
          () => 'let in',
          () => 'refused',
        ),
      { timeout: 10_000 },
    )
    .toBe('let in');
});

test('mail renews a session with the token in it, and ends it by name', async () => {
  const short = await deployment.issuer.mintToken({ principal: 'agent-8', groups: ['all'], ttlSeconds: 6 });
  const client = await deployment.connect(task, { token: short });
  const expiresAtMs = Date.now() + 6_000;
  const { Items: sessions = [] } = await dynamo.send(new ScanCommand({ TableName: table('SESSIONS'), ConsistentRead: true }));
  const session = sessions.find((item) => item['body']?.S?.includes('demo/agent-8'))?.['session']?.S;
  const atMs = Date.now();
  const anothers = { id: 'a', atMs, kind: 'renew', session, token: await deployment.token() };
  const own = { id: 'b', atMs, kind: 'renew', session, token: await deployment.token({ principal: 'agent-8' }) };
  await put('CONTROL', `mail#${task.writer}`, { entries: [anothers, own] });
  await expect
    .poll(async () => Date.now() > expiresAtMs + 2_000 && (await client.query('select 6 as six')).rows, { timeout: 15_000 })
    .toEqual([{ six: 6 }]);
  const ended = ending(client);
  const end = { id: 'c', atMs, kind: 'end', session, by: 'olga', reason: 'strange' };
  await put('CONTROL', `mail#${task.writer}`, { entries: [anothers, own, end] });
  expect(await ended).toMatchObject({ code: 'ZG020', message: expect.stringContaining('strange') });
});

test('two tasks and one cancel: it reaches the task that holds the session', async () => {
  const other = await deployment.startTask();
  const client = await deployment.connect(task);
  // What `pg` keeps of BackendKeyData, and its types do not say.
  const { processID, secretKey } = client as unknown as { readonly processID: number; readonly secretKey: number };
  const secret = Buffer.alloc(4);
  secret.writeInt32BE(secretKey);
  const running = client.query('select pg_sleep(50)');
  const failed = expect(running).rejects.toMatchObject({ code: '57014' });
  const sleeping = "select 1 from pg_stat_activity where query like 'select pg_sleep%' and state = 'active'";
  await expect.poll(async () => (await deployment.postgres.query(sleeping)).length, { timeout: 20_000 }).toBe(1);
  const socket = connect(other.port, '127.0.0.1');
  await once(socket, 'connect');
  socket.end(encodeCancelRequest(processID, secret));
  await failed;
  expect((await client.query('select 2 as two')).rows).toEqual([{ two: 2 }]);
  await client.end();
  expect(await other.stop()).toBe(0);
});

test('while shared state cannot be read new statements wait, and after half a minute sessions end', async () => {
  const client = await deployment.connect(task);
  await client.query('select 1');
  const control = table('CONTROL');
  const { Items: items = [] } = await dynamo.send(new ScanCommand({ TableName: control }));
  const { Table: described } = await dynamo.send(new DescribeTableCommand({ TableName: control }));
  const restore = async (): Promise<void> => {
    await dynamo.send(
      new CreateTableCommand({
        TableName: control,
        BillingMode: 'PAY_PER_REQUEST',
        KeySchema: described?.KeySchema,
        AttributeDefinitions: described?.AttributeDefinitions,
      }),
    );
    for (const item of items) await dynamo.send(new PutItemCommand({ TableName: control, Item: item }));
  };
  await dynamo.send(new DeleteTableCommand({ TableName: control }));
  await expect.poll(async () => (await healthOf(task)).status, { timeout: 10_000 }).toBe(503);
  let answered = false;
  const waiting = client.query('select 3 as three').then((result) => {
    answered = true;
    return result;
  });
  await expect(deployment.connect(task)).rejects.toMatchObject({ code: '57P01' });
  expect(answered).toBe(false);
  await restore();
  expect((await waiting).rows).toEqual([{ three: 3 }]);
  expect((await healthOf(task)).status).toBe(200);

  await dynamo.send(new DeleteTableCommand({ TableName: control }));
  const outageMs = Date.now();
  expect(await ending(client)).toMatchObject({ code: '57P01', message: expect.stringContaining('cannot read its state') });
  expect(Date.now() - outageMs).toBeGreaterThan(28_000);
  await restore();
  await expect.poll(async () => (await healthOf(task)).status, { timeout: 10_000 }).toBe(200);
}, 90_000);

describe('behind a load balancer that speaks first', () => {
  let behind: ProxyProcess;
  beforeAll(async () => {
    behind = await deployment.startTask({ SALLYPORT_PROXY_PROTOCOL: 'v2', SALLYPORT_NLB_CIDRS: '127.0.0.0/8' });
  });

  test('a session is recorded under the address that the header names', async () => {
    const socket = new Socket();
    socket.once('connect', () => socket.write(proxyHeader('203.0.113.9')));
    const client = new Client({
      host: '127.0.0.1',
      port: behind.port,
      database: 'db',
      user: 'agent',
      password: await deployment.token(),
      ssl: { ca: deployment.authority.ca },
      stream: () => socket,
    });
    await client.connect();
    const { Items: sessions = [] } = await dynamo.send(new ScanCommand({ TableName: table('SESSIONS'), ConsistentRead: true }));
    expect(sessions.some((item) => item['body']?.S?.includes('"source":"203.0.113.9"'))).toBe(true);
    await client.end();
  });

  test('a client that comes without a header is closed without a word', async () => {
    await expect(deployment.connect(behind)).rejects.not.toHaveProperty('severity');
    expect((await healthOf(behind)).status).toBe(200);
  });

  test('a header from anywhere else is closed without a word', async () => {
    const strict = await deployment.startTask({ SALLYPORT_PROXY_PROTOCOL: 'v2', SALLYPORT_NLB_CIDRS: '10.0.0.0/24' });
    const socket = connect(strict.port, '127.0.0.1');
    let received = 0;
    // A reset, where the header was still on its way.
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => (received += bytes.length));
    socket.write(proxyHeader('203.0.113.9'));
    await new Promise((resolve) => socket.once('close', resolve));
    expect(received).toBe(0);
    expect(await strict.stop()).toBe(0);
  });
});

test('SIGTERM in the middle of a transaction lets it end, seals, frees the slot and exits with 0', async () => {
  const leaving = await deployment.startTask();
  const idle = await deployment.connect(leaving);
  const busy = await deployment.connect(leaving);
  await busy.query('create table drained (n int)');
  await busy.query('begin');
  await busy.query('insert into drained values (1)');
  const idleEnded = ending(idle);
  const busyEnded = ending(busy);
  const stopped = leaving.stop();
  expect(await idleEnded).toMatchObject({ code: '57P01' });
  await busy.query('insert into drained values (2)');
  await busy.query('commit');
  expect(await busyEnded).toMatchObject({ code: '57P01' });
  expect(await stopped).toBe(0);
  const item = readWriter((await read('WRITERS', `writer#${leaving.writer}`))?.body);
  expect(item).toMatchObject({ state: 'closed' });
  expect(await read('WRITERS', `slot#${item?.slot}`)).toBeUndefined();
  const after = await deployment.connect(task);
  expect((await after.query('select count(*)::int as n from drained')).rows).toEqual([{ n: 2 }]);
  await after.end();
});

test('a writer that was fenced ends its sessions and exits with 1', async () => {
  const zombie = await deployment.startTask();
  const client = await deployment.connect(zombie);
  const ended = ending(client);
  const item = readWriter((await read('WRITERS', `writer#${zombie.writer}`))?.body);
  await put('WRITERS', `writer#${zombie.writer}`, { ...item, state: 'fenced' });
  expect(await ended).toMatchObject({ code: 'ZG030' });
  expect(await zombie.ended).toBe(1);
});

test('a newer deployment drains the ones before it, which stay until they are told to stop', async () => {
  const older = await deployment.connect(task);
  const ended = ending(older);
  const newer = await deployment.startTask({ SALLYPORT_GENERATION: '2' });
  await expect.poll(() => healthOf(task), { timeout: 10_000 }).toMatchObject({ status: 503, body: { reasons: ['draining'] } });
  // The load balancer still sends some clients here.
  expect((await (await deployment.connect(task)).query('select 5 as five')).rows).toEqual([{ five: 5 }]);
  expect(await ended).toMatchObject({ code: '57P01' });
  await expect(deployment.connect(task)).rejects.toMatchObject({ code: '57P01' });
  const client = await deployment.connect(newer);
  expect((await client.query('select 4 as four')).rows).toEqual([{ four: 4 }]);
  const rolledBack = await deployment.startTask({ SALLYPORT_GENERATION: '1' });
  expect((await healthOf(rolledBack)).status).toBe(200);
  expect(await task.stop()).toBe(0);
});

test('nothing that it wrote holds a token or a secret', async () => {
  const written = deployment.lines().join('\n');
  expect(written).toContain('"event":"ready"');
  expect(written).not.toContain('eyJ');
  expect(written).not.toContain(deployment.postgres.password);
  expect(written).not.toContain('PRIVATE KEY');
});
