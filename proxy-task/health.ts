/** What the load balancer and the container's own check ask: whether this task should get sessions. */
import { createServer as createHttpServer } from 'node:http';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { ByteSource } from './postgres/byte-source.ts';
import { PROXY_FIRST_BYTE, PROXY_PREFIX_BYTES, proxyBodyBytes } from './proxy-protocol.ts';

export type HealthOptions = {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  /** Why no session should come now; empty when one may. Shown to whoever asks, so it names no one. */
  readonly reasons: () => readonly string[];
};

export type Health = { readonly port: number; stop(): Promise<void> };

/** A check is one small request. */
const MAX_CONNECTIONS = 64;
const PATIENCE_MS = 5_000;
const MAX_BUFFERED_BYTES = 16 * 1_024;

/** Answers every request with 200 or 503. Rejects when the address cannot be bound. */
export async function serveHealth(options: HealthOptions): Promise<Health> {
  const http = createHttpServer({ requestTimeout: PATIENCE_MS, headersTimeout: PATIENCE_MS }, (_request, response) => {
    const reasons = options.reasons();
    response.writeHead(reasons.length === 0 ? 200 : 503, { 'content-type': 'application/json', connection: 'close' });
    response.end(`${JSON.stringify({ serving: reasons.length === 0, reasons })}\n`);
  });
  const open = new Set<Socket>();
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.setTimeout(PATIENCE_MS, () => socket.destroy());
    withoutHeader(socket).then(
      () => {
        http.emit('connection', socket);
        socket.resume();
      },
      () => socket.destroy(),
    );
  });
  server.maxConnections = MAX_CONNECTIONS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, () => {
      server.off('error', reject);
      // A check that cannot be accepted is a check that fails: nothing else is lost with it.
      server.on('error', () => undefined);
      resolve();
    });
  });
  // A TCP server that listens has an address with a port; only pipes have a string.
  const { port } = server.address() as AddressInfo;
  return {
    port,
    stop: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}

/**
 * Takes away a PROXY header where there is one: health checks of a target group that has it carry it too, the container's own do
 * not. Who asks does not matter.
 */
async function withoutHeader(socket: Socket): Promise<void> {
  const source = new ByteSource(socket, { maxBufferedBytes: MAX_BUFFERED_BYTES });
  try {
    if ((await source.peekByte()) === PROXY_FIRST_BYTE) {
      const bodyBytes = proxyBodyBytes(await source.exactly(PROXY_PREFIX_BYTES));
      if (bodyBytes === undefined) throw new Error('no PROXY header');
      await source.exactly(bodyBytes);
    }
  } finally {
    const rest = source.detach();
    if (rest.length > 0) socket.unshift(rest);
  }
}
