// Strangers in numbers, and logins that are floods: the gateway stays small, lets others in, and says why it hangs up.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import ssh2, { type AuthHandlerMiddleware } from 'ssh2';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { sshString } from '../../core/ssh/wire.ts';
import { startEmbeddedHost, type EmbeddedHost } from '../support/embedded-host.ts';
import { FloodingClient, SSH_MSG, uint32 } from '../support/flooding-client.ts';
import { run } from '../support/host-gateway.ts';
import { startMeasuredGateway, type MeasuredGateway } from '../support/measured-gateway.ts';
import { SshDoor } from '../support/ssh-door.ts';
import { ed25519Pair, ed25519Signature, sshCertificate } from '../support/ssh-fixtures.ts';

const MIB = 1024 * 1024;
const STRANGERS = 1_500;
const undo: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).toReversed()) await step();
});

function eventually<Value>(read: () => Value) {
  return expect.poll(read, { timeout: 30_000 });
}

/** A message of keys to exchange, in clear, that agrees with the gateway's; then nothing. */
function keysInClear(): Buffer {
  const lists = [
    'curve25519-sha256',
    'ssh-ed25519',
    'aes128-gcm@openssh.com',
    'aes128-gcm@openssh.com',
    'hmac-sha2-256-etm@openssh.com',
    'hmac-sha2-256-etm@openssh.com',
    'none',
    'none',
    '',
    '',
  ];
  const payload = Buffer.concat([Buffer.of(SSH_MSG.KEXINIT), Buffer.alloc(16), ...lists.map((list) => sshString(list)), Buffer.alloc(5)]);
  const padding = 8 + ((8 - ((5 + payload.length) % 8)) % 8);
  return Buffer.concat([uint32(1 + payload.length + padding), Buffer.of(padding), payload, Buffer.alloc(padding)]);
}

describe(`${STRANGERS} connections from four addresses`, () => {
  let host: EmbeddedHost;
  let gateway: MeasuredGateway;
  beforeAll(async () => {
    host = await startEmbeddedHost();
    gateway = await startMeasuredGateway(host);
  });
  afterAll(async () => {
    await gateway.stop();
    await host.stop();
  });

  test.each([
    ['that stop after the version', Buffer.from('SSH-2.0-half\r\n')],
    ['that stop in the exchange of keys', Buffer.concat([Buffer.from('SSH-2.0-half\r\n'), keysInClear()])],
    ['that stop in the middle of a message', Buffer.concat([Buffer.from('SSH-2.0-half\r\n'), keysInClear().subarray(0, 100)])],
  ])('%s cost little, and keep nobody out', async (_, bytes) => {
    const sockets: Socket[] = [];
    undo.push(() => sockets.forEach((socket) => socket.destroy()));
    const grown = await gateway.growth(async () => {
      while (sockets.length < STRANGERS) {
        const many = Array.from({ length: 100 }, (_socket, index) =>
          connect({ port: gateway.port, host: '127.0.0.1', localAddress: `127.0.0.${10 + (index % 4)}` }),
        );
        sockets.push(...many);
        await Promise.all(
          many.map(async (socket) => {
            socket.on('error', () => undefined);
            socket.resume();
            await once(socket, 'connect');
            socket.write(bytes);
          }),
        );
      }
      const client = await gateway.connect();
      expect((await run(client, 'echo let in')).stdout.toString()).toBe('let in\n');
      client.end();
    });
    expect(sockets.filter((socket) => socket.destroyed)).toEqual([]);
    expect(grown).toBeLessThan(64 * MIB);
  });
});

describe('a login', () => {
  /** A client that has exchanged keys and asked for nothing yet. */
  async function stranger(door: SshDoor): Promise<FloodingClient> {
    const client = new ssh2.Client();
    const waits: AuthHandlerMiddleware = () => undefined;
    client.on('error', () => undefined);
    const begun = new Promise<void>((resolve) => {
      client.connect({
        host: '127.0.0.1',
        port: door.listener.port,
        username: 'web1',
        authHandler: (left, partial, next) => {
          waits(left, partial, next);
          resolve();
        },
      });
    });
    await begun;
    undo.push(() => void client.end());
    return new FloodingClient(client);
  }

  async function open(options: Parameters<typeof SshDoor.open>[0] = {}): Promise<SshDoor> {
    const door = await SshDoor.open(options);
    undo.push(() => door.close());
    return door;
  }

  const asking = (method: string, ...rest: readonly Buffer[]): Buffer =>
    Buffer.concat([Buffer.of(SSH_MSG.USERAUTH_REQUEST), ...['web1', 'ssh-connection', method].map((text) => sshString(text)), ...rest]);
  const key = ed25519Pair();

  test.each<[string, Buffer, string, string]>([
    ['that asks for nothing', asking('none'), 'too many requests', 'too many requests'],
    [
      'that asks whether its key would do',
      asking('publickey', Buffer.of(0), sshString('ssh-ed25519'), sshString(key.blob)),
      'too many requests',
      'too many requests',
    ],
    [
      'with keys of another kind',
      asking('publickey', Buffer.of(0), sshString('ssh-dss'), sshString(Buffer.alloc(30_000))),
      'too many failed attempts',
      'a key or an algorithm of a kind that is not taken (6 proofs failed)',
    ],
    ['with passwords', asking('password', Buffer.of(0), sshString('x'.repeat(30_000))), 'too many failed attempts', '(6 proofs failed)'],
    [
      'that changes its password',
      asking('password', Buffer.of(1), sshString('old'), sshString('new')),
      'too many failed attempts',
      'a change of password (6 proofs failed)',
    ],
    [
      'that begins a dialog and drops it',
      asking('keyboard-interactive', sshString(''), sshString('')),
      'too many requests',
      'too many requests',
    ],
  ])('%s a thousand times ends, and says so once', async (_, request, told, on) => {
    const door = await open();
    const client = await stranger(door);
    await client.flood(1_000, () => client.send(request));
    await eventually(() => client.closed).toBe(true);
    expect(client.disconnected).toMatch(/^(?:sallyport: 28000 .*|sallyport: 08P01 a message that SSH has no place for.*)/);
    await eventually(() => door.listener.connections()).toBe(0);
    // Ten at once and more, with none answered yet, are no login of SSH at all.
    if (client.disconnected?.includes('28000') === true) {
      expect(client.disconnected).toBe(`sallyport: 28000 ${told} to log in`);
      expect(door.refused).toMatchObject([{ reason: expect.stringContaining(on) }]);
    }
    expect(door.errors).toEqual([]);
    expect(door.candidates).toEqual([]);
  });

  test('with a certificate of ten thousand names is looked at as fast as any', async () => {
    const authority = ed25519Pair();
    const blob = sshCertificate({
      key,
      authority,
      principals: Array.from({ length: 10_000 }, (_, index) => `account-${index}`),
      extensions: Array.from({ length: 1_000 }, (_, index) => `extension-${index}`),
    });
    const door = await open({
      authorities: [{ issuer: 'corp', publicKey: { type: 'ssh-ed25519', blob: authority.blob }, agentFrom: 'keyId' }],
    });
    const client = await stranger(door);
    const startMs = Date.now();
    const type = 'ssh-ed25519-cert-v01@openssh.com';
    await client.flood(48, () =>
      client.send(
        asking('publickey', Buffer.of(1), sshString(type), sshString(blob), sshString(ed25519Signature(key, Buffer.from('x'), type))),
      ),
    );
    await eventually(() => client.closed).toBe(true);
    expect(Date.now() - startMs).toBeLessThan(5_000);
    await eventually(() => door.refused.length).toBe(1);
    expect(door.candidates).toEqual([]);
    expect(door.errors).toEqual([]);
  });

  test('that answers no keep-alives, or stops while keys are exchanged, ends with that reason', async () => {
    const door = await open({ limits: { keepAliveMs: 100, keepAliveCount: 3 } });
    door.knows('t.o.k');
    const silent = new FloodingClient(await door.connect({ password: 't.o.k' }));
    silent.socket.pause();
    const half = new FloodingClient(await door.connect({ password: 't.o.k' }));
    half.socket.pause();
    half.rekey();
    await eventually(() => door.listener.connections()).toBe(0);
    expect(door.candidates.map(({ guard }) => guard.fault)).toEqual([
      'the client did not answer keep-alives',
      'the client did not answer keep-alives',
    ]);
    undo.push(
      () => void silent.socket.destroy(),
      () => void half.socket.destroy(),
    );
  });
});
