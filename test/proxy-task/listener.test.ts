import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { listen, type Arrival, type Listener, type ListenOptions } from '../../proxy-task/listener.ts';
import type { RefusedConnection } from '../../proxy-task/pipeline/refusal-limit.ts';
import { MalformedMessage } from '../../proxy-task/postgres/messages/malformed-message.ts';
import { ManualClock } from '../support/manual-clock.ts';

let clock: ManualClock;
let listener: Listener;
let arrivals: Arrival[];
let refused: RefusedConnection[];
let errors: unknown[];
let happened: (() => void) | undefined;
const sockets: Socket[] = [];

beforeEach(() => {
  clock = new ManualClock();
  [arrivals, refused, errors] = [[], [], []];
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  listener.cut();
  await listener.stop();
});

async function open(changes: Partial<ListenOptions> = {}): Promise<void> {
  listener = await listen({
    host: '127.0.0.1',
    port: 0,
    limits: { maxConnections: 10, maxStartupsPerAddress: 1, maxStartups: 5 },
    startupTimeoutMs: 30_000,
    clock,
    lastWords: (why) => Buffer.from(why),
    onArrival: (arrival) => {
      arrivals.push(arrival);
      happened?.();
    },
    onRefused: (one) => {
      refused.push(one);
      happened?.();
    },
    onError: (error) => {
      errors.push(error);
      happened?.();
    },
    ...changes,
  });
}

function dial(bytes = ''): Socket {
  const socket = connect(listener.port, '127.0.0.1');
  sockets.push(socket);
  socket.on('error', () => undefined);
  socket.write(bytes);
  return socket;
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds())
    await new Promise<void>((resolve) => {
      happened = resolve;
    });
}

async function said(socket: Socket): Promise<string> {
  let text = '';
  for await (const bytes of socket) text += String(bytes);
  return text;
}

/** A header of one digit, which is the end of the address. */
const digit: ListenOptions['readPreamble'] = async (source) => {
  const first = String(await source.exactly(1));
  if (!/\d/u.test(first)) throw new MalformedMessage('no header');
  return `10.0.0.${first}`;
};

test('strangers are counted by the address that the load balancer names, and the bytes behind it are theirs', async () => {
  await open({ readPreamble: digit });
  dial('7hello');
  await until(() => arrivals.length === 1);
  expect(await said(dial('7'))).toBe('tooMany');
  expect(refused).toMatchObject([{ source: '10.0.0.7', reason: 'too many connections' }]);
  dial('8');
  await until(() => arrivals.length === 2);
  expect(arrivals.map(({ address }) => address)).toEqual(['10.0.0.7', '10.0.0.8']);
  for (const { socket } of arrivals.slice(0, 1)) {
    socket.resume();
    expect(String(await once(socket, 'data'))).toBe('hello');
  }
});

test('whoever has said who it is is no stranger any more, and is not cut for being late', async () => {
  await open();
  const first = dial();
  await until(() => arrivals.length === 1);
  expect(arrivals[0]?.introduced()).toBe(true);
  dial();
  await until(() => arrivals.length === 2);
  clock.advance(30_000);
  expect(arrivals.map(({ late }) => late.aborted)).toEqual([false, true]);
  await until(() => listener.connections() === 1 || (void setImmediate(() => happened?.()), false));
  expect(first.destroyed).toBe(false);
});

test('a connection that shows no header is cut without a word, and on record', async () => {
  await open({ readPreamble: digit });
  expect(await said(dial('x'))).toBe('');
  const silent = dial();
  await until(() => listener.connections() === 1 || (void setImmediate(() => happened?.()), false));
  clock.advance(30_000);
  expect(await said(silent)).toBe('');
  await until(() => refused.length === 2);
  expect(refused.map(({ source, reason }) => `${source} ${reason}`)).toEqual([
    '127.0.0.1 no header',
    '127.0.0.1 the header of the load balancer took too long',
  ]);
  expect(errors).toEqual([]);
  expect(arrivals).toEqual([]);
});

test('what a callback throws ends that connection and is told', async () => {
  for (const readPreamble of [undefined, () => Promise.reject(new Error('a bug'))]) {
    errors = [];
    await open({ readPreamble, onArrival: () => Promise.reject(new Error('a bug')) });
    expect(await said(dial('1'))).toBe('');
    expect(errors).toMatchObject([{ message: 'a bug' }]);
    await listener.stop();
  }
});

test('whoever introduces itself to a listener that stops is not taken', async () => {
  await open();
  dial();
  await until(() => arrivals.length === 1);
  const stopped = listener.stop();
  expect(arrivals[0]?.introduced()).toBe(false);
  await stopped;
});
