// Real sockets: ssh2's client, and clients that break the protocol.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { setTimeout as elapsed } from 'node:timers/promises';
import { utils, type Algorithms, type AnyAuthMethod, type AuthHandlerMiddleware, type ConnectConfig, type ParsedKey } from 'ssh2';
import { afterEach, describe, expect, test } from 'vitest';
import { openSshPrivateKey } from '../../../core/credential/openssh-private-key.ts';
import { StateUnavailable } from '../../../proxy-task/ports.ts';
import { RefusalLimit, type RefusedConnection } from '../../../proxy-task/pipeline/refusal-limit.ts';
import { StartupCounter } from '../../../proxy-task/startup-counter.ts';
import { readProxyPreamble } from '../../../proxy-task/preamble.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { proxyHeader, ranges } from '../../support/proxy-headers.ts';
import { output, SshDoor, type DoorOptions } from '../../support/ssh-door.ts';

const doors: SshDoor[] = [];
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await Promise.all(doors.splice(0).map((door) => door.close()));
});

async function open(options?: DoorOptions): Promise<SshDoor> {
  const door = await SshDoor.open(options);
  doors.push(door);
  return door;
}

function raw(door: SshDoor): Socket {
  const socket = connect(door.listener.port, '127.0.0.1');
  socket.on('error', () => undefined);
  sockets.push(socket);
  return socket;
}

function pair(type: 'ed25519' | 'ecdsa' | 'rsa', bits?: number): { readonly privateKey: string; readonly blob: Buffer } {
  const privateKey =
    type === 'ed25519'
      ? openSshPrivateKey(generateKeyPairSync('ed25519').privateKey)
      : utils.generateKeyPairSync(type, { bits: bits ?? (type === 'rsa' ? 2_048 : 256) }).private;
  return { privateKey, blob: parsed(privateKey).getPublicSSH() };
}

function parsed(privateKey: string): ParsedKey {
  const key = utils.parseKey(privateKey);
  if (key instanceof Error) throw key;
  return key;
}

/** Tries this, and nothing else. */
function only(method: AnyAuthMethod): AuthHandlerMiddleware {
  return (_left, _partial, next) => next(method);
}

/** Waits for what is told after the client has gone. */
async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; !holds(); tries += 1) {
    if (tries > 500) throw new Error('it never came');
    await elapsed(10);
  }
}

async function refusedBy(door: SshDoor, config: ConnectConfig): Promise<string> {
  const before = door.refused.length;
  await expect(door.connect(config)).rejects.toThrow();
  await until(() => door.refused.length > before);
  return door.refused.at(-1)?.reason ?? '';
}

describe('a registered key', () => {
  test.each([
    ['ed25519', 256],
    ['ecdsa', 256],
    ['ecdsa', 384],
    ['rsa', 2_048],
  ] as const)('of %s with %i bits lets its agent in', async (type, bits) => {
    const door = await open();
    const { privateKey, blob } = pair(type, bits);
    door.knows('t.o.k');
    door.register('key', blob, 't.o.k');
    const client = await door.connect({ privateKey, username: 'deploy+web1' });
    expect(await output(client, 'whoami')).toBe('agent-7 whoami\n');
    expect(door.candidates[0]).toMatchObject({
      identity: { kind: 'token', token: 't.o.k' },
      account: 'deploy',
      targetName: 'web1',
      label: 'deploy+web1',
      remoteAddress: '127.0.0.1',
      auth: { method: 'key' },
      restrictions: { pty: true, forward: true, command: undefined },
    });
    expect(door.candidates[0]?.auth.fingerprint).toMatch(/^SHA256:/);
    expect(door.candidates[0]?.encryption).toBe('SSH-2.0 curve25519-sha256@libssh.org aes128-gcm@openssh.com');
    client.end();
    expect(door.refused).toEqual([]);
  });

  test.each([
    ['that nobody registered', (): void => undefined, 'not registered'],
    [
      'whose registration has ended',
      (door: SshDoor, blob: Buffer) => door.register('key', blob, 't.o.k', { expiresAtMs: Date.now() - 1 }),
      'not registered',
    ],
    [
      'whose token is refused now',
      (door: SshDoor, blob: Buffer) => {
        door.register('key', blob, 't.o.k');
        door.tokens.clear();
      },
      'token was refused',
    ],
    [
      'stored under another principal',
      (door: SshDoor, blob: Buffer) => door.register('key', blob, 't.o.k', { principal: 'corp/admin' }),
      'another principal',
    ],
  ] as const)('%s is refused', async (_, prepare, says) => {
    const door = await open();
    const { privateKey, blob } = pair('ed25519');
    door.knows('t.o.k');
    prepare(door, blob);
    expect(await refusedBy(door, { privateKey })).toContain(says);
    expect(door.candidates).toEqual([]);
  });

  test('of somebody else is no use without its private half', async () => {
    const door = await open();
    const { blob } = pair('ed25519');
    const own = parsed(pair('ed25519').privateKey);
    door.knows('t.o.k');
    door.register('key', blob, 't.o.k');
    // The key of another, signed with one's own.
    // `Object.create` knows no types: it is `own` with another public half.
    const stolen = Object.assign(Object.create(own) as ParsedKey, { getPublicSSH: () => blob });
    expect(await refusedBy(door, { authHandler: only({ type: 'publickey', username: 'web1', key: stolen }) })).toContain(
      'a wrong signature',
    );
    // Nobody is told whether it is registered: the store is asked for whoever has signed.
    expect(door.asked).toEqual([]);
  });

  test('with too few bits is not looked at', async () => {
    const door = await open();
    door.knows('t.o.k');
    const weak = pair('rsa', 1_024);
    door.register('key', weak.blob, 't.o.k');
    expect(await refusedBy(door, { privateKey: weak.privateKey })).toContain('kind that is not taken');
    expect(door.asked).toEqual([]);
  });

  test('is refused while the store cannot be read', async () => {
    const gone = async (): Promise<never> => {
      throw new StateUnavailable('the table is away');
    };
    const door = await open({ logins: { readKey: gone, takeCode: gone } });
    expect(await refusedBy(door, { privateKey: pair('ed25519').privateKey })).toContain('cannot be read');
    expect(door.errors).toHaveLength(1);
  });
});

describe('a password', () => {
  const code = randomBytes(32).toString('base64url');

  test('is a code, which is good once', async () => {
    const door = await open();
    door.knows('t.o.k');
    door.register('code', code, 't.o.k');
    const client = await door.connect({ password: code });
    client.end();
    expect(door.candidates[0]).toMatchObject({ auth: { method: 'code' }, identity: { token: 't.o.k' } });
    expect(await refusedBy(door, { password: code })).toContain('used or expired');
  });

  test('is a code by keyboard-interactive too', async () => {
    const door = await open();
    door.knows('t.o.k');
    door.register('code', code, 't.o.k');
    const prompts: string[] = [];
    const client = await door.connect({
      authHandler: only({
        type: 'keyboard-interactive',
        username: 'web1',
        prompt: (_name, _instructions, _lang, asked, finish) => {
          prompts.push(...asked.map(({ prompt, echo }) => `${prompt}${String(echo)}`));
          finish([code]);
        },
      }),
    });
    client.end();
    expect(prompts).toEqual(['One-time code or token: false']);
  });

  test('of two logins with one code at once, one is let in', async () => {
    const door = await open();
    door.knows('t.o.k');
    door.register('code', code, 't.o.k');
    const both = await Promise.allSettled([door.connect({ password: code }), door.connect({ password: code })]);
    expect(both.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  test('is a token that fits', async () => {
    const door = await open();
    door.knows('t.o.k');
    (await door.connect({ password: 't.o.k' })).end();
    expect(door.candidates[0]).toMatchObject({ auth: { method: 'token', fingerprint: undefined }, identity: { token: 't.o.k' } });
  });

  test.each(['', 'hunter2', 't.o.x', 'A'.repeat(30_000), `${'a'.repeat(20_000)}.b.c`, '\0'.repeat(43)])(
    '%.20j is none',
    async (password) => {
      const door = await open();
      door.knows('t.o.k');
      await refusedBy(door, { password });
      expect(door.candidates).toEqual([]);
      // Only what has the form of a code is looked for.
      expect(door.asked).toEqual([]);
    },
  );
});

describe('bad clients', () => {
  test.each(['web1\0', 'no such', '', '../web1', 'a'.repeat(30_000)])('the user name %.20j is no target', async (username) => {
    const door = await open();
    door.knows('t.o.k');
    expect(await refusedBy(door, { username, password: 't.o.k' })).toContain('no name of a target');
    expect((door.refused[0]?.label ?? '').length).toBeLessThanOrEqual(128);
  });

  test('a user name of a megabyte ends the connection', async () => {
    const door = await open();
    await expect(door.connect({ username: 'a'.repeat(1_000_000), password: 'x' })).rejects.toThrow();
    await until(() => door.listener.connections() === 0);
  });

  test('the sixth failure ends the connection, and is recorded once', async () => {
    const door = await open();
    let tries = 0;
    const authHandler: AuthHandlerMiddleware = (_left, _partial, next) => {
      tries += 1;
      next({ type: 'password', username: 'web1', password: `guess-${tries}` });
    };
    await expect(door.connect({ authHandler })).rejects.toThrow();
    await until(() => door.refused.length > 0);
    expect(tries).toBe(6);
    expect(door.refused).toEqual([
      { source: '127.0.0.1', label: 'web1', target: 'web1', reason: 'neither a code nor a token (6 proofs failed)' },
    ]);
  });

  test.each<[string, Algorithms]>([
    ['key exchange', { kex: ['diffie-hellman-group14-sha1'] }],
    ['key exchange without curves', { kex: ['diffie-hellman-group14-sha256'] }],
    ['cipher', { cipher: ['aes128-cbc'] }],
    ['MAC', { cipher: ['aes128-ctr'], hmac: ['hmac-sha1'] }],
    ['host key', { serverHostKey: ['ssh-rsa'] }],
    ['compression', { compress: ['zlib@openssh.com'] }],
  ])('an old %s is not agreed to', async (_, algorithms) => {
    const door = await open();
    door.knows('t.o.k');
    await expect(door.connect({ password: 't.o.k', algorithms })).rejects.toThrow(/handshake|agreed|no matching/i);
    expect(door.candidates).toEqual([]);
  });

  test('strict key exchange is offered', async () => {
    const door = await open();
    const socket = raw(door);
    socket.write('SSH-2.0-test\r\n');
    let seen = '';
    socket.on('data', (chunk) => {
      seen += chunk.toString('latin1');
    });
    await until(() => seen.includes('kex-strict-s-v00@openssh.com'));
    expect(seen.startsWith('SSH-2.0-sallyport\r\n')).toBe(true);
  });

  test.each([
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
    ['version 1', Buffer.from('SSH-1.5-old\r\n')],
    ['no end of a line', Buffer.alloc(100_000, 0x41)],
    ['noise after the version', Buffer.concat([Buffer.from('SSH-2.0-x\r\n'), randomBytes(50_000)])],
    ['a packet of 4 GB', Buffer.concat([Buffer.from('SSH-2.0-x\r\n'), Buffer.alloc(8, 0xff)])],
  ])('%s ends in a closed connection', async (_, bytes) => {
    const door = await open();
    const socket = raw(door);
    socket.resume();
    socket.write(bytes);
    await once(socket, 'close');
    await until(() => door.listener.connections() === 0);
    expect(door.errors).toEqual([]);
  });

  test('a thousand that say nothing keep nobody out, and are gone after the grace', async () => {
    const clock = new ManualClock();
    const door = await open({ clock, limits: { maxStartupsPerAddress: 2_000 } });
    door.knows('t.o.k');
    const silent = Array.from({ length: 1_000 }, () => raw(door));
    await until(() => door.listener.connections() === 1_000);
    const client = await door.connect({ password: 't.o.k' });
    expect(await output(client, 'id')).toBe('agent-7 id\n');
    clock.advance(30_000);
    await until(() => door.listener.connections() === 1);
    // Who has logged in stays.
    expect(await output(client, 'id')).toBe('agent-7 id\n');
    expect(silent).toHaveLength(1_000);
    expect(door.refused).toEqual([]);
    client.end();
  });

  test('one that stops in the middle of its login is told of after the grace', async () => {
    const clock = new ManualClock();
    const door = await open({ clock });
    raw(door).write('SSH-2.0-slow\r\n');
    await until(() => door.listener.connections() === 1);
    await elapsed(50);
    clock.advance(30_000);
    await until(() => door.refused.length === 1);
    expect(door.refused[0]?.reason).toBe('authentication took too long');
  });

  test('an address with too many that have not logged in is told so, and its sessions do not count', async () => {
    const door = await open({ limits: { maxStartupsPerAddress: 2 } });
    door.knows('t.o.k');
    const clients = [await door.connect({ password: 't.o.k' }), await door.connect({ password: 't.o.k' })];
    raw(door);
    raw(door);
    await until(() => door.listener.connections() === 4);
    const third = raw(door);
    const said: string[] = [];
    third.on('data', (chunk) => said.push(chunk.toString('utf8')));
    await once(third, 'close');
    expect(said.join('')).toBe('sallyport: too many connections\r\n');
    expect(door.refused).toMatchObject([{ reason: 'too many connections' }]);
    for (const client of clients) client.end();
  });

  test('strangers in all are bounded too, and those of one network of IPv6 count as one', () => {
    const counter = new StartupCounter({ maxStartupsPerAddress: 2, maxStartups: 5 });
    const leave = counter.enter('2001:db8::1');
    expect(leave).toBeTypeOf('function');
    expect(counter.enter('2001:0db8:0:0:ffff::2')).toBeTypeOf('function');
    expect(counter.enter('2001:db8::4')).toBeUndefined();
    leave?.();
    leave?.();
    expect(counter.enter('2001:db8::4')).toBeTypeOf('function');
    for (const address of ['10.0.0.1', '10.0.0.2', '::ffff:10.0.0.4']) expect(counter.enter(address)).toBeTypeOf('function');
    expect(counter.enter('10.0.0.3')).toBeUndefined();
  });

  test('a flood of them is on record by its number, once the first are told one by one', async () => {
    const clock = new ManualClock();
    const told: RefusedConnection[] = [];
    const limit = new RefusalLimit((refused) => told.push(refused), clock);
    const from = (source: string) => ({ source, label: '', target: '', reason: 'too many connections' });
    for (let count = 0; count < 10_000; count += 1) limit.add(from('10.0.0.1'));
    limit.add(from('10.0.0.2'));
    expect(told).toHaveLength(33);
    for (let host = 0; host < 10_000; host += 1) limit.add(from(`10.1.${host >> 8}.${host & 255}`));
    clock.advance(60_000);
    const counted = told.filter(({ reason }) => reason.includes('more connections'));
    expect(counted).toContainEqual({
      source: '10.0.0.1',
      label: '',
      target: '',
      reason: '9968 more connections were refused within a minute',
    });
    expect(counted.some(({ source }) => source === 'others')).toBe(true);
    const number = counted.reduce((sum, { reason }) => sum + Number(reason.split(' ')[0]), 0);
    expect(number + told.length - counted.length).toBe(20_001);
    expect(told.length).toBeLessThan(1_000);
    limit.add(from('10.0.0.1'));
    expect(told.at(-1)?.reason).toBe('too many connections');
  });

  test('more connections than there may be are closed', async () => {
    const door = await open({ limits: { maxConnections: 2 } });
    raw(door);
    raw(door);
    await until(() => door.listener.connections() === 2);
    const third = raw(door);
    third.resume();
    await once(third, 'close');
  });

  test('one that never reads is read no further before it has logged in', async () => {
    const door = await open();
    const socket = raw(door);
    socket.write('SSH-2.0-flood\r\n');
    await until(() => door.listener.connections() === 1);
    // Packets of the ignored kind, in clear: the bound holds before any key was exchanged.
    const ignored = Buffer.concat([Buffer.from([0, 0, 0x10, 4, 4, 2]), Buffer.alloc(0x1004 - 2)]);
    for (let sent = 0; sent < 1_200 && !socket.destroyed; sent += 1) socket.write(ignored);
    socket.resume();
    await until(() => socket.destroyed && door.listener.connections() === 0);
    expect(door.refused).toMatchObject([{ reason: 'too many bytes before authentication' }]);
  });

  test('a session that cannot be begun ends its connection and no other', async () => {
    const door = await open({
      onClient: () => {
        throw new Error('a bug');
      },
    });
    door.knows('t.o.k');
    const client = await door.connect({ password: 't.o.k' });
    await once(client, 'close');
    expect(door.errors).toMatchObject([{ message: 'a bug' }]);
  });
});

describe('behind a load balancer', () => {
  const behind = { readPreamble: readProxyPreamble(ranges('127.0.0.0/8')) };

  test('the client’s address is the one in the header', async () => {
    const door = await open(behind);
    door.knows('t.o.k');
    const socket = raw(door);
    await once(socket, 'connect');
    socket.write(proxyHeader('203.0.113.9'));
    const client = await door.connect({ sock: socket, password: 't.o.k' });
    expect(door.candidates[0]?.remoteAddress).toBe('203.0.113.9');
    client.end();
  });

  test('a client without a header is not spoken to', async () => {
    const door = await open(behind);
    const socket = raw(door);
    const said: Buffer[] = [];
    socket.on('data', (chunk) => said.push(chunk));
    socket.write('SSH-2.0-direct\r\n');
    await once(socket, 'close');
    expect(said).toEqual([]);
    expect(door.errors).toEqual([]);
  });
});

test('the door closes: strangers go at once, sessions when they end', async () => {
  const door = await open();
  door.knows('t.o.k');
  const client = await door.connect({ password: 't.o.k' });
  raw(door);
  await until(() => door.listener.connections() === 2);
  const stopped = door.listener.stop();
  await until(() => door.listener.connections() === 1);
  expect(await output(client, 'still')).toBe('agent-7 still\n');
  client.end();
  await stopped;
});
