import { connect, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import type { Listener } from '../../../proxy-task/listener.ts';
import { listenForPostgres, type PostgresListenerOptions } from '../../../proxy-task/postgres/listener.ts';
import { decodeErrorFields, errorField } from '../../../proxy-task/postgres/messages/error-response.ts';
import { encodePassword } from '../../../proxy-task/postgres/messages/password.ts';
import { encodeCancelRequest, encodeStartupMessage } from '../../../proxy-task/postgres/messages/startup-packet.ts';
import type { ClientCandidate } from '../../../proxy-task/postgres/startup.ts';

const HELLO = encodeStartupMessage(0, [['user', 'agent']]);
const NEVER = { after: () => ({ cancel: () => {} }) };

let listener: Listener;
const errors: unknown[] = [];
const clients: ClientCandidate[] = [];
let wake: (() => void) | undefined;
const sockets = new Set<Socket>();

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  listener.cut();
  await listener.stop();
  errors.length = 0;
  clients.length = 0;
});

async function listen(changes: Partial<PostgresListenerOptions> = {}): Promise<void> {
  listener = await listenForPostgres({
    host: '127.0.0.1',
    port: 0,
    limits: { maxConnections: 3, maxStartupsPerAddress: 2, maxStartups: 100 },
    startup: { timeoutMs: 1_000 },
    clock: NEVER,
    onClient: (candidate) => {
      clients.push(candidate);
      wake?.();
    },
    onCancel: () => {},
    onError: (error) => {
      errors.push(error);
      wake?.();
    },
    ...changes,
  });
}

function open(...bytes: Buffer[]): Socket {
  const socket = connect(listener.port, '127.0.0.1');
  sockets.add(socket);
  socket.on('error', () => {});
  socket.write(Buffer.concat(bytes));
  return socket;
}

async function until(isReached: () => boolean): Promise<void> {
  while (!isReached()) {
    await new Promise<void>((resolve) => {
      wake = resolve;
      setImmediate(resolve);
    });
  }
}

async function logIn(): Promise<Socket> {
  const before = clients.length;
  const socket = open(HELLO, encodePassword('t'));
  await until(() => clients.length > before);
  return socket;
}

/** Reads to the end; the SQLSTATE of the last message, if it is an error. */
async function lastWords(socket: Socket): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket.iterator({ destroyOnReturn: true })) chunks.push(chunk);
  const all = Buffer.concat(chunks);
  const at = all.indexOf('E');
  return at < 0 ? undefined : errorField(decodeErrorFields(all, at + 5, all.length), 'C');
}

test('connections above the limit are told so and closed', async () => {
  await listen();
  await logIn();
  await logIn();
  await logIn();
  expect(await lastWords(open())).toBe('53300');
  expect(listener.connections()).toBeLessThanOrEqual(4);
});

test('one address cannot fill the startup phase, and gets its places back', async () => {
  await listen({ limits: { maxConnections: 100, maxStartupsPerAddress: 2, maxStartups: 100 } });
  const slow = [open(HELLO), open(HELLO)];
  await until(() => listener.connections() === 2);
  expect(await lastWords(open(HELLO))).toBe('53300');
  for (const socket of slow) socket.destroy();
  await until(() => listener.connections() === 0);
  await logIn();
  await logIn();
  await logIn();
  expect(clients).toHaveLength(3);
});

test('a slow client stops nobody else', async () => {
  await listen();
  open(HELLO.subarray(0, 3));
  await until(() => listener.connections() === 1);
  await logIn();
  expect(clients).toHaveLength(1);
});

test('what a callback throws ends that connection only', async () => {
  for (const onClient of [
    () => {
      throw new Error('now');
    },
    async () => {
      throw new Error('later');
    },
  ]) {
    await listen({ onClient });
    const socket = open(HELLO, encodePassword('t'));
    await until(() => errors.length === 1);
    await lastWords(socket);
    expect(await lastWords(open(Buffer.from('garbage!')))).toBe('08P01');
    errors.length = 0;
    await listener.stop();
  }
});

test('a failing cancel is an error of ours, not of the process', async () => {
  await listen({
    onCancel: async () => {
      throw new Error('cancel');
    },
  });
  await lastWords(open(encodeCancelRequest(1, Buffer.alloc(4))));
  await until(() => errors.length === 1);
});

test('a reset connection crashes nothing', async () => {
  await listen();
  const socket = await logIn();
  socket.resetAndDestroy();
  await until(() => listener.connections() === 0);
  expect(errors).toEqual([]);
});

test('stopping ends startups at once and waits for sessions', async () => {
  await listen();
  const starting = open(HELLO);
  const session = await logIn();
  let stopped = false;
  const stopping = listener.stop().then(() => {
    stopped = true;
  });
  await lastWords(starting);
  expect(stopped).toBe(false);
  expect(listener.connections()).toBe(1);
  session.destroy();
  await stopping;
  expect(listener.connections()).toBe(0);
});

test('an address that is taken is told', async () => {
  await listen();
  await expect(
    listenForPostgres({
      host: '127.0.0.1',
      port: listener.port,
      limits: { maxConnections: 1, maxStartupsPerAddress: 1, maxStartups: 100 },
      startup: { timeoutMs: 1 },
      clock: NEVER,
      onClient: () => {},
      onCancel: () => {},
      onError: () => {},
    }),
  ).rejects.toMatchObject({ code: 'EADDRINUSE' });
});
