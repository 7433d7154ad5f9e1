/** Memory of the transport that is lent and used again: what one end sends is what the other reads, however the network cuts it. */
import { createHash, randomFillSync } from 'node:crypto';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';
import ssh2, { type Channel, type CipherAlgorithm, type Client, type Connection, type ServerChannel } from 'ssh2';
import { afterEach, describe, expect, it } from 'vitest';
import { protocolOf, readChannel } from '../../../proxy-task/ssh/channel-internals.ts';
import { RelayWire } from '../../../proxy-task/ssh/relay-wire.ts';
import { RelayWriter } from '../../../proxy-task/ssh/relay-writer.ts';
import { readOffer } from '../../../proxy-task/ssh/transport/bulk-cipher.ts';
import { isLending } from '../../../proxy-task/ssh/transport/lent-packets.ts';
import { connectLent } from '../../../proxy-task/ssh/transport/shared-read.ts';
import { makeHostKey } from '../../../proxy-task/ssh/host-key.ts';

const CIPHERS: readonly CipherAlgorithm[] = ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com', 'chacha20-poly1305@openssh.com'];
const MIB = 1024 * 1024;

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** Passes bytes on in pieces of the sizes that `cut` says. */
async function networkTo(port: number, cut: () => number, spoil?: (bytes: Buffer) => void): Promise<number> {
  const pass = (from: Socket, to: Socket, touch?: (bytes: Buffer) => void): void => {
    from.on('error', () => to.destroy());
    from.on('data', (bytes: Buffer) => {
      touch?.(bytes);
      for (let at = 0; at < bytes.length;) {
        const end = Math.min(bytes.length, at + cut());
        to.write(bytes.subarray(at, end));
        at = end;
      }
      if (to.writableNeedDrain) {
        from.pause();
        to.once('drain', () => from.resume());
      }
    });
    from.on('close', () => to.end());
  };
  const network = createServer((socket) => {
    const onward = connect({ port, host: '127.0.0.1', noDelay: true });
    socket.setNoDelay(true);
    pass(socket, onward);
    pass(onward, socket, spoil);
    closers.push(
      () => socket.destroy(),
      () => onward.destroy(),
    );
  });
  return listen(network);
}

async function listen(server: Pick<Server, 'listen' | 'close' | 'address' | 'once'> & NodeJS.EventEmitter): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => server.close());
  // A TCP server that listens has an address with a port.
  return (server.address() as AddressInfo).port;
}

type Ends = { readonly client: Client; readonly served: Connection; readonly sent: ServerChannel; readonly read: Channel };

async function openEnds(
  cipher: CipherAlgorithm,
  between: (port: number) => Promise<number>,
  ciphers: { readonly served: readonly CipherAlgorithm[]; readonly client: readonly CipherAlgorithm[] } = {
    served: [cipher],
    client: [cipher],
  },
): Promise<Ends> {
  let serve: (ends: { readonly served: Connection; readonly sent: ServerChannel }) => void = () => undefined;
  const serving = new Promise<{ readonly served: Connection; readonly sent: ServerChannel }>((resolve) => {
    serve = resolve;
  });
  const server = new ssh2.Server({ hostKeys: [makeHostKey().privateKey], algorithms: { cipher: [...ciphers.served] } }, (served) => {
    readOffer(served);
    served.on('error', () => undefined);
    served.on('authentication', (asked) => asked.accept());
    served.on('session', (accept) => accept().on('exec', (take) => serve({ served, sent: take() })));
  });
  const protocolPort = await listen(server);
  const client = new ssh2.Client();
  client.on('error', () => undefined);
  const port = await between(protocolPort);
  client.connect({
    sock: connectLent({ host: '127.0.0.1', port }, () => client),
    username: 'x',
    algorithms: { cipher: [...ciphers.client] },
  });
  closers.push(() => client.end());
  await once(client, 'ready');
  const read = await new Promise<Channel>((resolve, reject) => {
    client.exec('send', (error, channel) => (error === undefined ? resolve(channel) : reject(error)));
  });
  return { ...(await serving), client, read };
}

/** As a session does with each of its two connections. */
function follow(connection: Client | Connection): RelayWire {
  return new RelayWire(connection);
}

/** Pieces of all sizes, many times what a window and a block hold. */
function pieces(bytes: number): readonly Buffer[] {
  const sizes = [1, 7, 32 * 1024, 3, 256 * 1024, 100_000, 2_048, 65_535];
  const made: Buffer[] = [];
  for (let left = bytes, i = 0; left > 0; i += 1) {
    const size = Math.min(left, sizes[i % sizes.length] ?? 1);
    made.push(randomFillSync(Buffer.allocUnsafe(size)));
    left -= size;
  }
  return made;
}

function send(writer: RelayWriter, all: readonly Buffer[]): string {
  const hash = createHash('sha256');
  for (const piece of all) {
    hash.update(piece);
    writer.write(piece, 'stdout', () => undefined);
  }
  return hash.digest('hex');
}

/** The hash of what comes until there are so many bytes; what was lent is spoilt at once, as the next read would. `onMore`: then. */
function receive(channel: Channel, bytes: number, onMore: (bytes: number) => void = () => undefined): Promise<string> {
  const hash = createHash('sha256');
  let left = bytes;
  return new Promise((resolve, reject) => {
    readChannel(
      channel,
      (lent) => {
        if (left <= 0) onMore(lent.length);
        hash.update(lent);
        left -= lent.length;
        lent.fill(0);
        if (left === 0) resolve(hash.digest('hex'));
        return true;
      },
      () => reject(new Error('the window was overrun')),
    );
  });
}

describe('packets', () => {
  for (const cipher of CIPHERS) {
    it(`of ${cipher} come through both ways in pieces of any size, and through new keys`, async () => {
      let turn = 0;
      const { client, served, sent, read } = await openEnds(cipher, (port) =>
        networkTo(port, () => [1, 3, 20, 1_447, 9_000, 65_536, 40_000][(turn += 1) % 7] ?? 1),
      );
      const [clientWire, servedWire] = [follow(client), follow(served)];
      const down = pieces(12 * MIB);
      const up = pieces(6 * MIB);
      const arrived = Promise.all([receive(read, 12 * MIB), receive(sent, 6 * MIB)]);
      const hashes = [send(new RelayWriter(sent, servedWire), down), send(new RelayWriter(read, clientWire), up)];
      const halfway = setInterval(() => served.rekey(), 20);
      closers.push(() => clearInterval(halfway));
      expect(await arrived).toEqual(hashes);
    });

    it(`of ${cipher} are opened where they lie, if its code is built for this machine`, async () => {
      const { client, served, sent, read } = await openEnds(cipher, (port) => Promise.resolve(port));
      const wire = follow(served);
      const arrived = receive(read, MIB);
      follow(client);
      send(new RelayWriter(sent, wire), pieces(MIB));
      await arrived;
      // What the package says of itself.
      const { bindingAvailable } = createRequire(import.meta.url)('ssh2/lib/protocol/crypto.js') as { readonly bindingAvailable: boolean };
      expect(isLending(client)).toBe(bindingAvailable);
      // Two packets of its own in a row lie in one block.
      const allocate = (): unknown => protocolOf(served)?._cipher.allocPacket(30_000).buffer;
      expect(allocate() === allocate()).toBe(bindingAvailable);
    });

    it(`of ${cipher} that somebody changed end the connection, and are handed to nobody`, async () => {
      let spoilt = false;
      const { client, served, sent, read } = await openEnds(cipher, (port) =>
        networkTo(
          port,
          () => 65_536,
          (bytes) => {
            if (spoilt && bytes.length > 1_000) bytes[500] = (bytes[500] ?? 0) ^ 1;
          },
        ),
      );
      const wire = follow(served);
      follow(client);
      let more = 0;
      const first = receive(read, MIB, (bytes) => (more += bytes));
      const writer = new RelayWriter(sent, wire);
      const hash = send(writer, pieces(MIB));
      expect(await first).toBe(hash);
      spoilt = true;
      const ended = once(client, 'error');
      send(writer, [Buffer.alloc(30_000, 'x')]);
      // The event's one argument.
      const [error] = (await ended) as [Error];
      expect(error.message).toMatch(/Bad MAC|Bad packet length/u);
      expect(more).toBe(0);
    });
  }

  it('with a length that nobody may send end the connection', async () => {
    const { client, served, sent, read } = await openEnds('aes128-gcm@openssh.com', (port) => Promise.resolve(port));
    const wire = follow(served);
    follow(client);
    const first = receive(read, MIB);
    send(new RelayWriter(sent, wire), pieces(MIB));
    await first;
    const ended = once(client, 'error');
    const header = Buffer.alloc(64);
    header.writeUInt32BE(0x0080_0000, 0);
    protocolOf(served)?._cipher._onWrite(header);
    // The event's one argument.
    const [error] = (await ended) as [Error];
    expect(error.message).toMatch(/Bad packet length/u);
  });
});

describe('a connection under ChaCha20', () => {
  const CHACHA = 'chacha20-poly1305@openssh.com';
  const served = CIPHERS;

  async function ciphersAfter(bytes: number, client: readonly CipherAlgorithm[]): Promise<readonly string[]> {
    const ends = await openEnds(CHACHA, (port) => Promise.resolve(port), { served, client });
    const agreed: string[] = [];
    ends.client.on('handshake', ({ cs, sc }) => agreed.push(cs.cipher, sc.cipher));
    const wires = [follow(ends.client), follow(ends.served)] as const;
    const arrived = Promise.all([receive(ends.read, bytes), receive(ends.sent, MIB)]);
    const hashes = [send(new RelayWriter(ends.sent, wires[1]), pieces(bytes)), send(new RelayWriter(ends.read, wires[0]), pieces(MIB))];
    expect(await arrived).toEqual(hashes);
    return agreed;
  }

  it('gets new keys for AES-GCM once it carries much, if the client knows that', async () => {
    expect(await ciphersAfter(40 * MIB, [CHACHA, 'aes256-gcm@openssh.com'])).toEqual(['aes256-gcm@openssh.com', 'aes256-gcm@openssh.com']);
  });

  it('keeps its keys where it carries little', async () => {
    expect(await ciphersAfter(4 * MIB, [CHACHA, 'aes128-gcm@openssh.com'])).toEqual([]);
  });

  it('keeps its keys where the client knows nothing else', async () => {
    expect(await ciphersAfter(40 * MIB, [CHACHA])).toEqual([]);
  });
});

it('the transport is the version that is known inside', () => {
  // The package's own description.
  const { version } = createRequire(import.meta.url)('ssh2/package.json') as { readonly version: string };
  expect(version).toBe('1.17.0');
});
