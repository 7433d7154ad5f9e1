// What nobody should send over SSH: the client reads why, the evidence says it, and the session of another agent does not notice.
import type { ClientChannel } from 'ssh2';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { sshString } from '../../core/ssh/wire.ts';
import { startEmbeddedHost, type EmbeddedHost } from '../support/embedded-host.ts';
import { FloodingClient, SSH_MSG, uint32 } from '../support/flooding-client.ts';
import { collect, exec, recorded, run, startHostGateway, type HostGateway } from '../support/host-gateway.ts';

let host: EmbeddedHost;
let gateway: HostGateway;
let other: ClientChannel;
beforeAll(async () => {
  const everyByte = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
  host = await startEmbeddedHost({
    programs: { bytes: ({ channel, exit }) => void channel.write(everyByte, () => exit(0)) },
  });
  gateway = await startHostGateway(host, { target: '    limits: { maxChannels: 3 }' });
}, 60_000);
afterAll(async () => {
  await gateway.stop();
  await host.stop();
});
// Another agent's session, from before the trouble to after it.
beforeEach(async () => {
  other = await exec(await gateway.connect({ principal: 'agent-8' }), 'cat');
});
afterEach(async () => {
  const over = collect(other);
  other.end('still here\n');
  expect((await over).stdout.toString()).toBe('still here\n');
});

/** The machine may be busy with much else. */
function eventually<Value>(read: () => Value) {
  return expect.poll(read, { timeout: 20_000 });
}

async function client(): Promise<FloodingClient> {
  return new FloodingClient(await gateway.connect());
}

/** The events of one agent's last session: it is over when this resolves. */
async function lastSession(): Promise<readonly Record<string, unknown>[]> {
  const ofAgent = async (): Promise<readonly Record<string, unknown>[]> => {
    const events = await gateway.events();
    const openings = events.flatMap((event, at) => (event['type'] === 'session.opened' ? [at] : []));
    const sessions = openings.map((at, index) => events.slice(at, openings[index + 1]));
    const mine = sessions.filter(([opened]) => JSON.stringify(opened).includes('"agent-7"'));
    return mine.toSorted(([one], [two]) => String(one?.['at']).localeCompare(String(two?.['at']))).at(-1) ?? [];
  };
  await eventually(async () => (await ofAgent()).at(-1)?.['type']).toBe('session.closed');
  return ofAgent();
}

describe('a client that breaks the protocol reads why its connection ends, and so does who reads its record:', () => {
  test.each<[string, (broken: FloodingClient, channel: number) => void, RegExp, RegExp]>([
    [
      'noise',
      ({ socket }) => void socket.write(Buffer.alloc(64, 0x41)),
      /08P01 a message of 1094795585 bytes is longer/,
      /Bad packet length/,
    ],
    [
      'a packet that was changed',
      ({ socket }) => void socket.write(Buffer.concat([uint32(32), Buffer.alloc(48)])),
      /was changed/,
      /was changed/,
    ],
    [
      'a message that ends in its middle',
      (broken, channel) => broken.send(SSH_MSG.CHANNEL_REQUEST, uint32(channel)),
      /08P01 a message that SSH has no place for/,
      /Malformed CHANNEL_REQUEST/,
    ],
    [
      'a text that is longer than its message',
      (broken, channel) => broken.send(SSH_MSG.CHANNEL_DATA, uint32(channel), uint32(0x7fffffff), Buffer.alloc(10)),
      /08P01/,
      /Malformed CHANNEL_DATA/,
    ],
    ['a channel beyond all numbers', (broken) => broken.send(SSH_MSG.CHANNEL_EOF, uint32(0xffffffff)), /never opened/, /never opened/],
    [
      'data for a channel that was never opened',
      (broken) => broken.write(9_000, Buffer.from('x')),
      /channel 9000, which/,
      /channel 9000, which/,
    ],
    ['a window of more than 4 GB', (broken, channel) => broken.adjust(channel, 0xffffffff), /would grow beyond/, /would grow beyond/],
    [
      'half an exchange of keys, and data',
      (broken, channel) => {
        broken.rekey();
        broken.write(channel, Buffer.from('x'));
      },
      /08P01/,
      /unexpected packet type 94/,
    ],
    ['a second set of keys', (broken) => broken.send(SSH_MSG.KEXINIT, Buffer.alloc(10)), /08P01/, /malformed KEXINIT/],
  ])('%s', async (_, send, told, on) => {
    const broken = await client();
    const channel = await broken.session(1, 0xffffffff);
    // Output is on its way when it happens.
    broken.keep = false;
    broken.exec(channel, 'big 100000000');
    await eventually(() => broken.receivedBytes).toBeGreaterThan(1_000_000);
    send(broken, channel);
    await eventually(() => broken.closed).toBe(true);
    expect(broken.disconnected).toMatch(told);
    expect(broken.disconnected).toMatch(/^sallyport: /);
    expect((await lastSession()).at(-1)).toMatchObject({ reason: expect.stringMatching(on), abnormal: true });
  });

  test('data that its window does not allow', async () => {
    const broken = await client();
    const channel = await broken.session(1);
    broken.exec(channel, 'wait');
    await eventually(() => broken.stdout(1)).toBe('waiting\n');
    await broken.flood(1_000, () => broken.write(channel, Buffer.alloc(32_000)));
    await eventually(() => broken.closed).toBe(true);
    expect(broken.stderr.get(1)).toContain('57P01 the session ends: more was sent than the window allows');
    expect((await lastSession()).at(-1)).toMatchObject({ reason: 'window overrun by the client', abnormal: true });
  });

  test('a client that answers nothing, with keys half exchanged', async () => {
    const broken = await client();
    // Then nothing more is read: what the gateway says to it waits for keys.
    broken.socket.pause();
    broken.rekey();
    const again = await client();
    const channel = await again.session(1);
    again.exec(channel, 'echo heard');
    await eventually(() => again.stdout(1)).toBe('heard\n');
    broken.socket.destroy();
    again.socket.destroy();
  });
});

describe('a command', () => {
  test.each<[string, Buffer, RegExp]>([
    ['with a NUL', Buffer.from('echo a\0b'), /ZG014 .*NUL/],
    ['with bytes that are no UTF-8', Buffer.from([...Buffer.from('echo '), 0xff, 0xfe]), /ZG014 .*UTF-8/],
    ['with half a character at its end', Buffer.from([...Buffer.from('echo '), 0xe2, 0x82]), /ZG014 .*UTF-8/],
    ['with a surrogate', Buffer.from([...Buffer.from('echo '), 0xed, 0xa0, 0x80]), /ZG014 .*UTF-8/],
    ['of 100 KB', Buffer.from(`echo ${'x'.repeat(100_000)}`), /ZG014 .*longer than 65536 bytes/],
    ['of 250 KB, which no server of OpenSSH refuses', Buffer.from(`echo ${'x'.repeat(250_000)}`), /ZG014 .*longer than 65536 bytes/],
  ])('%s is refused, and its session lives on', async (_, command, told) => {
    const asking = await client();
    const channel = await asking.session(1);
    asking.request(channel, 'exec', true, sshString(command));
    await eventually(() => asking.statuses.get(1)).toBe(77);
    expect(asking.stderr.get(1)).toMatch(/^sallyport: /);
    expect(asking.stderr.get(1)).toMatch(told);
    asking.send(SSH_MSG.CHANNEL_CLOSE, uint32(channel));
    const next = await asking.session(2);
    asking.exec(next, 'echo next');
    await eventually(() => asking.stdout(2)).toBe('next\n');
    asking.client.end();
    expect(await lastSession()).toContainEqual(
      expect.objectContaining({ type: 'statement.judged', decision: 'block', code: 'ZG014', textBytes: expect.any(Number) }),
    );
  });

  test.each(['aes128-gcm@openssh.com', 'chacha20-poly1305@openssh.com', 'aes256-ctr'] as const)(
    'of 1 MB is no message of SSH (%s): the client reads where to put it',
    async (cipher) => {
      const asking = new FloodingClient(await gateway.connect({ more: { algorithms: { cipher: [cipher] } } }));
      const asked = host.asked.length;
      asking.exec(await asking.session(1), `echo ${'x'.repeat(1_000_000)}`);
      await eventually(() => asking.closed).toBe(true);
      expect(asking.disconnected).toMatch(/08P01 a message (?:of \d+ bytes )?is longer than the gateway reads \(262,144 bytes/);
      expect(asking.disconnected).toContain('Send a long script on standard input or as a file.');
      expect((await lastSession()).at(-1)).toMatchObject({ reason: expect.stringContaining('Bad packet length'), abnormal: true });
      expect(host.asked).toHaveLength(asked);
    },
  );

  test('on a terminal gets every byte as it is, and gives every byte', async () => {
    const connection = await gateway.connect();
    const pty = { term: 'xterm', cols: 80, rows: 24 };
    const every = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    expect((await run(connection, 'bytes', { pty })).stdout.equals(every)).toBe(true);
    const noise = Buffer.concat(Array.from({ length: 500 }, () => every));
    expect((await run(connection, 'cat', { pty, input: noise })).stdout.equals(noise)).toBe(true);
    connection.end();
    await lastSession();
    expect(recorded(await gateway.scenes(), 'input').includes(noise)).toBe(true);
  });
});

describe('what is never offered', () => {
  test('is refused with words, each on record', async () => {
    const asking = await client();
    const rest = Buffer.concat([uint32(1), uint32(1)]);
    expect(await asking.open(7, { type: 'tun@openssh.com', rest })).toEqual({
      kind: 'refused',
      reason: 3,
      text: 'sallyport: 0A000 channels of this kind are not offered',
    });
    expect(await asking.open(8, { type: 'no\u001b[2Jsuch' })).toMatchObject({ kind: 'refused', reason: 3 });
    expect(
      await asking.open(9, {
        type: 'direct-streamlocal@openssh.com',
        rest: Buffer.concat([sshString('/run/x'), sshString(''), uint32(0)]),
      }),
    ).toMatchObject({ kind: 'refused', text: 'sallyport: 0A000 sockets of the host are not offered' });
    asking.globalRequest('elevation', true);
    asking.globalRequest('keepalive@openssh.com', true);
    await eventually(() => asking.count('REQUEST_FAILURE')).toBe(2);
    const channel = await asking.session(1);
    asking.request(channel, 'auth-agent-req@openssh.com', true);
    asking.request(channel, 'subsystem', true, sshString('netconf'));
    asking.request(channel, 'break', true, uint32(1));
    await eventually(() => asking.count('CHANNEL_FAILURE')).toBe(3);
    asking.exec(channel, 'wait');
    await eventually(() => asking.stdout(1)).toBe('waiting\n');
    // Late ones have their answer too.
    asking.request(channel, 'break', true, uint32(1));
    asking.exec(channel, 'echo second');
    asking.request(channel, 'pty-req', true, Buffer.concat([sshString('x'), Buffer.alloc(16), sshString(Buffer.of(0))]));
    await eventually(() => asking.count('CHANNEL_FAILURE')).toBe(6);
    expect(host.asked).not.toContain('echo second');
    asking.client.end();
    const messages = (await lastSession()).filter(({ type }) => type === 'error').map(({ message }) => message);
    expect(messages).toEqual([
      'channel tun@openssh.com is not offered',
      'channel no\\u{1b}[2Jsuch is not offered',
      'direct-streamlocal@openssh.com is not offered',
      'elevation is not offered',
      'auth-agent-req@openssh.com is not offered',
      'subsystem netconf is not offered',
      'break is not offered',
      'break is not offered',
    ]);
  });

  test('a channel beyond those of the target says how many there may be', async () => {
    const asking = await client();
    for (const id of [1, 2, 3]) await asking.session(id);
    expect(await asking.open(4)).toEqual({
      kind: 'refused',
      reason: 2,
      text: 'sallyport: 53300 the target takes 3 channels at once: close one, or connect again',
    });
    asking.client.end();
    expect(await lastSession()).toContainEqual(
      expect.objectContaining({ type: 'error', message: 'a channel beyond the 3 of the target is not offered' }),
    );
  });

  test('a place that policy does not permit is refused with its reason', async () => {
    const asking = new FloodingClient(await gateway.connect({ groups: ['guests'] }));
    const rest = Buffer.concat([sshString('db.internal'), uint32(5432), sshString('127.0.0.1'), uint32(1)]);
    expect(await asking.open(1, { type: 'direct-tcpip', rest })).toMatchObject({
      kind: 'refused',
      text: expect.stringMatching(/ZG010 blocked by policy: .*Not for guests/),
    });
    expect(await asking.open(2, { type: 'direct-tcpip', rest: Buffer.concat([sshString('a b'), rest.subarray(15)]) })).toMatchObject({
      text: expect.stringContaining('that is no place to connect to'),
    });
    asking.client.end();
  });
});

describe('what came before its time, or too late', () => {
  test('a window that is widened before the program starts counts', async () => {
    const asking = await client();
    const opening = await asking.open(1, { window: 0 });
    if (opening.kind === 'refused') throw new Error(opening.text);
    asking.adjust(opening.channel, 1_000);
    asking.exec(opening.channel, 'echo widened');
    await eventually(() => asking.stdout(1)).toBe('widened\n');
    asking.client.end();
  });

  test('requests and data after the end of a channel are nobody’s', async () => {
    const asking = await client();
    const channel = await asking.session(1);
    asking.exec(channel, 'echo once');
    await eventually(() => asking.count('CHANNEL_CLOSE')).toBe(1);
    asking.send(SSH_MSG.CHANNEL_CLOSE, uint32(channel));
    asking.exec(channel, 'echo twice');
    asking.write(channel, Buffer.from('late'));
    asking.adjust(channel, 100);
    asking.send(SSH_MSG.CHANNEL_CLOSE, uint32(channel));
    const next = await asking.session(2);
    asking.exec(next, 'echo next');
    await eventually(() => asking.stdout(2)).toBe('next\n');
    expect(host.asked).not.toContain('echo twice');
    asking.client.end();
  });
});

test('an error of the gateway’s own ends the session that met it, and no other', async () => {
  const small = await startEmbeddedHost({ programs: { boom: ({ channel }) => void channel.write('boom') } });
  const broken = await startHostGateway(small, {
    beforeRecorder: (recorder) => ({
      open: (id, rows) => {
        const inner = recorder.open(id, rows);
        return {
          append: (event) => inner.append(event),
          appendContent: (source, start, end) => {
            if (source.subarray(start, end).includes('boom')) throw new Error('a bug');
            inner.appendContent(source, start, end);
          },
          flush: (durability, done) => inner.flush(durability, done),
          close: (event) => inner.close(event),
        };
      },
      recordRefusal: (event) => recorder.recordRefusal(event),
    }),
  });
  try {
    const beside = await exec(await broken.connect({ principal: 'agent-8' }), 'cat');
    const met = await broken.connect();
    const ended = new Promise<void>((resolve) => void met.once('close', () => resolve()));
    await Promise.allSettled([run(met, 'boom'), ended]);
    const over = collect(beside);
    beside.end('beside');
    expect((await over).stdout.toString()).toBe('beside');
    await eventually(
      async () => (await broken.events()).filter(({ type, abnormal }) => type === 'session.closed' && abnormal === true).length,
    ).toBe(1);
  } finally {
    await broken.stop();
    await small.stop();
  }
});
