// Floods over SSH: the gateway, in a process of its own, stays small, answers another agent meanwhile, and keeps its evidence short.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sshString } from '../../core/ssh/wire.ts';
import { startEmbeddedHost, type EmbeddedHost } from '../support/embedded-host.ts';
import { FloodingClient, SSH_MSG, uint32 } from '../support/flooding-client.ts';
import { run } from '../support/host-gateway.ts';
import { startMeasuredGateway, type MeasuredGateway } from '../support/measured-gateway.ts';

const MIB = 1024 * 1024;
/** What a flood may cost: one channel's window and what waits for a client that does not read, twice over, and the collector's slack. */
const MAX_GROWTH_BYTES = 64 * MIB;
/** Events of one flood and of the sessions beside it. */
const MAX_EVENTS = 128;
const SIZE = Buffer.concat([80, 24, 0, 0].map(uint32));
const TERMINAL = Buffer.concat([sshString('xterm'), SIZE, sshString(Buffer.of(0))]);
/** The same where channels carry megabytes, piece by piece. */
const MAX_EVENTS_OF_DATA = 1_024;
/** Flooding costs this process more than the gateway. */
const MANY = 20_000;

let host: EmbeddedHost;
let gateway: MeasuredGateway;
beforeAll(async () => {
  host = await startEmbeddedHost();
  gateway = await startMeasuredGateway(host, { target: '    limits: { maxChannels: 10 }' });
}, 60_000);
afterAll(async () => {
  await gateway.stop();
  await host.stop();
});

function eventually<Value>(read: () => Value) {
  return expect.poll(read, { timeout: 30_000 });
}

async function otherAgentIsServed(): Promise<void> {
  const client = await gateway.connect({ principal: 'agent-8' });
  expect((await run(client, 'echo served')).stdout.toString()).toBe('served\n');
  client.end();
}

const BEGUN = 'begun\n';

type Flood = (client: FloodingClient) => Promise<void>;

/** The session's events, once it is over; what it did to the gateway is looked at. */
async function survive(
  flood: Flood,
  maxEvents = MAX_EVENTS,
): Promise<{ readonly client: FloodingClient; readonly events: readonly Record<string, unknown>[] }> {
  const client = new FloodingClient(await gateway.connect());
  // Its session has begun: before that, less is taken.
  const first = await client.session(0);
  client.exec(first, 'echo begun');
  await eventually(() => client.stdout(0)).toBe(BEGUN);
  client.send(SSH_MSG.CHANNEL_CLOSE, uint32(first));
  client.keep = false;
  const known = (await gateway.events()).length;
  const grown = await gateway.growth(async () => {
    const over = flood(client);
    await otherAgentIsServed();
    await over;
    await otherAgentIsServed();
  });
  expect(grown).toBeLessThan(MAX_GROWTH_BYTES);
  client.socket.destroy();
  const isOpen = async (): Promise<number> => {
    const events = await gateway.events();
    const count = (type: string): number => events.filter((event) => event['type'] === type).length;
    return count('session.opened') - count('session.closed');
  };
  await eventually(isOpen).toBe(0);
  const events = await gateway.events();
  expect(events.length - known).toBeLessThan(maxEvents);
  return { client, events };
}

function reasons(events: readonly Record<string, unknown>[]): readonly unknown[] {
  return events.filter(({ type }) => type === 'session.closed').map(({ reason }) => reason);
}

describe('of what is refused', () => {
  const asked = `${MANY} of them`;
  test.each<[string, (client: FloodingClient, index: number, channel: number) => void]>([
    [
      'channels beyond those of the target',
      (client, index) => client.send(SSH_MSG.CHANNEL_OPEN, sshString('session'), uint32(index), uint32(1_000), uint32(32_768)),
    ],
    [
      'channels of a kind that is not offered',
      (client, index) => client.send(SSH_MSG.CHANNEL_OPEN, sshString('tun@openssh.com'), uint32(index), uint32(1), uint32(32_768)),
    ],
    ['ports to listen on', (client) => client.globalRequest('tcpip-forward', true, Buffer.concat([sshString('0.0.0.0'), uint32(0)]))],
    ['global requests that nobody knows', (client) => client.globalRequest('nonsense', false)],
    ['agents to forward', (client, _, channel) => client.request(channel, 'auth-agent-req@openssh.com', true)],
    ['requests that nobody knows', (client, _, channel) => client.request(channel, 'nonsense', true)],
  ])(`${asked}: %s`, async (_, one) => {
    const { client, events } = await survive(async (flooding) => {
      const channel = await flooding.session(1);
      flooding.exec(channel, 'wait');
      await flooding.flood(MANY, (index) => one(flooding, 10 + index, channel));
      await eventually(() => flooding.closed).toBe(true);
    });
    expect(client.disconnected).toBe('sallyport: 53300 more than 10000 requests were refused: the session ends');
    expect(reasons(events)).toContain('too many requests that were refused');
    expect(events.filter(({ message }) => /^99\d\d more requests of such kinds were refused$/.test(String(message)))).not.toEqual([]);
  });
});

describe('of what is taken', () => {
  test.each<[string, number, (client: FloodingClient, channel: number) => void, (client: FloodingClient) => number]>([
    [
      'environment variables',
      MANY,
      (client, channel) => client.request(channel, 'env', true, Buffer.concat([sshString('LC_ALL'), sshString('C')])),
      (client) => client.count('CHANNEL_SUCCESS'),
    ],
    [
      'variables that the target does not take',
      MANY,
      (client, channel) => client.request(channel, 'env', true, Buffer.concat([sshString('LD_PRELOAD'), sshString('x')])),
      (client) => client.count('CHANNEL_FAILURE'),
    ],
    [
      'terminals',
      MANY,
      (client, channel) => client.request(channel, 'pty-req', true, TERMINAL),
      (client) => client.count('CHANNEL_SUCCESS'),
    ],
  ])('%s, before a program starts', async (_, times, one, answered) => {
    await survive(async (client) => {
      const before = answered(client);
      const channel = await client.session(1);
      await client.flood(times, () => one(client, channel));
      await eventually(() => answered(client) - before).toBe(times);
      client.keep = true;
      client.exec(channel, 'env');
      await eventually(() => client.stdout(1)).toMatch(/^\{/);
      expect(client.stdout(1)).not.toContain('LD_PRELOAD');
    });
  });

  test.each<[string, number, (client: FloodingClient, channel: number) => void]>([
    ['sizes of the window', MANY, (client, channel) => client.request(channel, 'window-change', false, SIZE)],
    ['signals', MANY, (client, channel) => client.request(channel, 'signal', false, sshString('USR1'))],
    ['pieces of data with nothing in them', 100_000, (client, channel) => client.write(channel, Buffer.alloc(0))],
    ['pieces of data with one byte in them', MANY, (client, channel) => client.write(channel, Buffer.of(10))],
    ['bytes that widen the window', MANY, (client, channel) => client.adjust(channel, 1)],
    ['messages to be ignored', MANY, (client) => client.send(SSH_MSG.IGNORE, sshString(Buffer.alloc(1_000)))],
    ['messages for its log', MANY, (client) => client.send(SSH_MSG.DEBUG, 1, sshString('x'.repeat(1_000)), sshString(''))],
    ['messages of a type that is none', MANY, (client) => client.send(199, Buffer.alloc(100))],
    ['keep-alives', MANY, (client) => client.globalRequest('keepalive@openssh.com', true)],
  ])('%s, while a program runs', async (_, times, one) => {
    await survive(async (client) => {
      const channel = await client.session(1);
      client.keep = true;
      client.request(channel, 'pty-req', true, TERMINAL);
      client.exec(channel, 'wait');
      await client.flood(times, () => one(client, channel));
      // It has read all of them when it answers this.
      const next = await client.session(2);
      client.exec(next, 'echo on');
      await eventually(() => client.stdout(2)).toContain('on');
    });
  });

  test('channels that are opened and closed with nothing in between', async () => {
    await survive(async (client) => {
      for (let round = 0; round < 200; round += 1) {
        const channels = await Promise.all(Array.from({ length: 10 }, (_, id) => client.session(10 * round + 10 + id)));
        for (const channel of channels) client.send(SSH_MSG.CHANNEL_CLOSE, uint32(channel));
      }
      expect(client.count('opened')).toBe(2_001);
    });
  });

  test('new keys all the time, for nothing', async () => {
    const { client, events } = await survive(async (flooding) => {
      for (let times = 0; times < 200 && !flooding.closed; times += 1) {
        flooding.rekey();
        await expect.poll(() => flooding.closed || !flooding.exchangesKeys, { interval: 1, timeout: 30_000 }).toBe(true);
      }
    });
    expect(client.disconnected).toContain('08P01 new keys are asked for all the time');
    expect(reasons(events)).toContain('a protocol error: new keys are asked for all the time, with nothing sent in between');
  });
});

describe('of what nobody reads', () => {
  test('output into a window of 4 GB and a socket that has stopped', async () => {
    await survive(async (client) => {
      const channel = await client.session(1, 0xffffffff);
      client.socket.pause();
      client.exec(channel, `big ${1024 * MIB}`);
      await eventually(() => host.asked.at(-1)).toBe(`big ${1024 * MIB}`);
      // Whoever is served in the meantime has waited for its turn behind it.
      for (let times = 0; times < 5; times += 1) await otherAgentIsServed();
    }, MAX_EVENTS_OF_DATA);
  });

  test('output that is read a byte at a time', async () => {
    await survive(async (client) => {
      const channel = await client.session(1, 1);
      client.exec(channel, `big ${1024 * MIB}`);
      for (let bytes = 1; bytes <= 2_000; bytes += 1) {
        client.adjust(channel, 1);
        if (bytes % 500 === 0) await eventually(() => client.receivedBytes).toBeGreaterThanOrEqual(bytes);
      }
    }, MAX_EVENTS_OF_DATA);
  });

  test('output on ten channels, none of which is read', async () => {
    await survive(async (client) => {
      const channels = await Promise.all(Array.from({ length: 9 }, (_, id) => client.session(id + 1, 1_000)));
      for (const channel of channels) client.exec(channel, `big ${1024 * MIB}`);
      await eventually(() => client.receivedBytes).toBe(BEGUN.length + 9_000);
      for (let times = 0; times < 5; times += 1) await otherAgentIsServed();
    }, MAX_EVENTS_OF_DATA);
  });

  test('answers to keep-alives', async () => {
    await survive(async (client) => {
      client.socket.pause();
      await client.flood(300_000, () => client.globalRequest('keepalive@openssh.com', true));
      client.socket.destroy();
    });
  });

  test('input on ten channels, while the host reads none', async () => {
    await survive(async (client) => {
      const channels = await Promise.all(Array.from({ length: 9 }, (_, id) => client.session(id + 1)));
      for (const channel of channels) client.exec(channel, 'wait');
      await eventually(() => client.receivedBytes).toBe(BEGUN.length + 9 * 'waiting\n'.length);
      // All that the windows allow.
      for (const channel of channels) await client.flood(64, () => client.write(channel, Buffer.alloc(32 * 1024)));
      for (let times = 0; times < 5; times += 1) await otherAgentIsServed();
    }, MAX_EVENTS_OF_DATA);
  });
});
