import { once } from 'node:events';
import { type AddressInfo, type Socket, createServer } from 'node:net';
import type { Clock } from '../ports.ts';
import type { CancelKey } from './messages/backend-key-data.ts';
import { encodeRefusal, reconnect, tooManyConnections } from './refusal.ts';
import { endSocket } from './socket-ending.ts';
import { type ClientCandidate, type StartupPolicy, acceptStartup } from './startup.ts';

export type ListenerLimits = {
  /** Connections in all, sessions included. */
  readonly maxConnections: number;
  /** Connections of one address that have not said who they are yet. */
  readonly maxStartupsPerAddress: number;
};

/** Idle links through load balancers are kept alive (design §12). */
const KEEP_ALIVE_MS = 60_000;
/** Connections above the limit that are told so at a time; the rest is dropped without a word. */
const MAX_LAST_WORDS = 64;

export type ListenerOptions = {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  readonly limits: ListenerLimits;
  readonly startup: StartupPolicy;
  readonly clock: Pick<Clock, 'after'>;
  /** Owns the socket of the candidate. What it throws or rejects with ends that connection. */
  readonly onClient: (candidate: ClientCandidate) => void | Promise<void>;
  readonly onCancel: (key: CancelKey, remoteAddress: string) => void | Promise<void>;
  readonly onRefused?: (remoteAddress: string, reason: string) => void;
  /** Errors that nobody else hears: a bug in a callback, a failing accept. Must not throw. */
  readonly onError: (error: unknown) => void;
};

export type PostgresListener = {
  readonly host: string;
  readonly port: number;
  /** Connections that are open now. */
  connections(): number;
  /** Takes no further connection and ends those still starting up; resolves when the last session is closed. */
  stop(): Promise<void>;
  /** Cuts all connections. */
  cut(): void;
};

/** Listens for PostgreSQL clients. Rejects when the address cannot be bound. */
export async function listenForPostgres(options: ListenerOptions): Promise<PostgresListener> {
  const { limits, clock } = options;
  const open = new Set<Socket>();
  const starting = new Map<Socket, string>();
  const startingByAddress = new Map<string, number>();
  let stopping = false;

  const leaveStartup = (socket: Socket): void => {
    const address = starting.get(socket);
    if (address === undefined) return;
    starting.delete(socket);
    const left = (startingByAddress.get(address) ?? 1) - 1;
    if (left > 0) startingByAddress.set(address, left);
    else startingByAddress.delete(address);
  };

  const accept = async (socket: Socket): Promise<void> => {
    const address = socket.remoteAddress ?? '';
    open.add(socket);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => {
      open.delete(socket);
      leaveStartup(socket);
    });
    if (stopping) {
      endSocket(socket, encodeRefusal(reconnect('the gateway is shutting down')), clock);
      return;
    }
    const startups = startingByAddress.get(address) ?? 0;
    if (open.size > limits.maxConnections || startups >= limits.maxStartupsPerAddress) {
      options.onRefused?.(address, 'too many connections');
      endSocket(socket, encodeRefusal(tooManyConnections('sorry, too many clients already')), clock);
      return;
    }
    starting.set(socket, address);
    startingByAddress.set(address, startups + 1);
    const candidate = await acceptStartup(socket, options.startup, {
      clock,
      onCancel: (key, remoteAddress) => guard(() => options.onCancel(key, remoteAddress)),
      ...(options.onRefused === undefined ? {} : { onRefused: options.onRefused }),
    });
    leaveStartup(socket);
    if (candidate === undefined) return;
    if (stopping) {
      endSocket(candidate.socket, encodeRefusal(reconnect('the gateway is shutting down')), clock);
      return;
    }
    guard(
      () => options.onClient(candidate),
      () => candidate.socket.destroy(),
    );
  };

  /** Runs a callback that may fail now or later. */
  function guard(run: () => void | Promise<void>, onFailure?: () => void): void {
    const fail = (error: unknown): void => {
      onFailure?.();
      options.onError(error);
    };
    try {
      Promise.resolve(run()).catch(fail);
    } catch (error) {
      fail(error);
    }
  }

  const server = createServer({ pauseOnConnect: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS });
  server.on('connection', (socket) =>
    guard(
      async () => accept(socket),
      () => socket.destroy(),
    ),
  );
  server.maxConnections = limits.maxConnections + MAX_LAST_WORDS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, () => {
      server.off('error', reject);
      server.on('error', options.onError);
      resolve();
    });
  });
  // A TCP server that listens has an address with a port; only pipes have a string.
  const bound = server.address() as AddressInfo;

  return {
    host: bound.address,
    port: bound.port,
    connections: () => open.size,
    stop: async () => {
      stopping = true;
      for (const socket of starting.keys()) socket.destroy();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
      // The server closes with its last socket, whose own event comes just after.
      await Promise.all(Array.from(open, async (socket) => once(socket, 'close')));
    },
    cut: () => {
      for (const socket of open) socket.destroy();
    },
  };
}
