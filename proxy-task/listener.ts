/** The life of a listening port, whatever is spoken on it: who may connect, how long a stranger may stay one, and how it stops. */
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { RefusalLimit, type RefusedConnection } from './pipeline/refusal-limit.ts';
import type { Clock } from './ports.ts';
import { ByteSource, ConnectionLost } from './postgres/byte-source.ts';
import { MalformedMessage } from './postgres/messages/malformed-message.ts';
import { endSocket } from './socket-ending.ts';
import { StartupCounter, type StartupLimits } from './startup-counter.ts';

export type ListenerLimits = StartupLimits & {
  /** Connections in all, sessions included. */
  readonly maxConnections: number;
};

export const LISTENER_LIMITS: ListenerLimits = { maxConnections: 10_000, maxStartupsPerAddress: 512, maxStartups: 4_096 };

/** Idle links through load balancers are kept alive (design §12). */
const KEEP_ALIVE_MS = 60_000;
/** Connections above the limit that are told so at a time; the rest is dropped without a word. */
const MAX_LAST_WORDS = 64;
/** A header of a load balancer, and what a client may have sent after it. */
const MAX_PREAMBLE_BYTES = 65_536;

/** A connection that is let speak. */
export type Arrival = {
  /** Paused; errors are heard. */
  readonly socket: Socket;
  /** The client's, as the load balancer names it where there is one. */
  readonly address: string;
  /** Aborted when it takes too long to say who it is; its socket is cut then. */
  readonly late: AbortSignal;
  /** It has said who it is, or will not: no limit on strangers holds it any longer. False where the listener stops: refuse it. */
  readonly introduced: () => boolean;
  /** It was refused: for the recording. `claimed`: who it said it was. */
  readonly refused: (reason: string, claimed?: { readonly label: string; readonly target: string }) => void;
};

/** Where a port is listened to, whoever speaks on it. */
export type PortOptions = {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  readonly clock: Pick<Clock, 'after'>;
  /**
   * Reads what a load balancer puts before the client's first byte and returns the client's address; absent: the socket's own
   * counts. `peer` is the socket's own. What it rejects with ends the connection without a word.
   */
  readonly readPreamble?: ((source: ByteSource, peer: string) => Promise<string>) | undefined;
  /** Told of connections that were refused: of many in a short time by their number. */
  readonly onRefused?: ((refused: RefusedConnection) => void) | undefined;
  /** Errors that nobody else hears: a bug in a callback, a failing accept. Must not throw. */
  readonly onError: (error: unknown) => void;
};

export type ListenOptions = PortOptions & {
  readonly limits: ListenerLimits;
  /** From the connection to knowing who it is. */
  readonly startupTimeoutMs: number;
  /** For a client that is not let speak, in words that it can read before it has said anything. */
  readonly lastWords: (why: 'tooMany' | 'stopping') => Buffer;
  /** Owns the connection. What it throws or rejects with ends that connection. */
  readonly onArrival: (arrival: Arrival) => void | Promise<void>;
};

export type Listener = {
  readonly host: string;
  readonly port: number;
  /** Connections that are open now. */
  connections(): number;
  /** Takes no further connection and ends those that have not said who they are; resolves when the last one is closed. */
  stop(): Promise<void>;
  /** Cuts all connections. */
  cut(): void;
};

/** Rejects when the address cannot be bound. */
export async function listen(options: ListenOptions): Promise<Listener> {
  const { limits, clock, readPreamble, onRefused, onError } = options;
  const open = new Set<Socket>();
  const strangers = new Set<Socket>();
  const startups = new StartupCounter(limits);
  const refusals = onRefused === undefined ? undefined : new RefusalLimit(onRefused, clock);
  let stopping = false;

  const refused: (source: string, reason: string, claimed?: { readonly label: string; readonly target: string }) => void = (
    source,
    reason,
    { label, target } = NOBODY,
  ) => refusals?.add({ source, label, target, reason });

  async function accept(socket: Socket): Promise<void> {
    const peer = socket.remoteAddress ?? '';
    open.add(socket);
    // Whoever owns the socket later adds listeners of its own; an error without any would end the process.
    socket.on('error', () => socket.destroy());
    socket.once('close', () => open.delete(socket));
    if (stopping) {
      endSocket(socket, options.lastWords('stopping'), clock);
      return;
    }
    if (open.size > limits.maxConnections) {
      turnAway(socket, peer);
      return;
    }
    const late = new AbortController();
    const timer = clock.after(options.startupTimeoutMs, () => {
      late.abort();
      socket.destroy();
    });
    let leave = (): void => undefined;
    const introduced = (): boolean => {
      timer.cancel();
      strangers.delete(socket);
      leave();
      return !stopping;
    };
    strangers.add(socket);
    socket.once('close', introduced);
    const address = readPreamble === undefined ? peer : await addressBehind(socket, peer, readPreamble, late.signal);
    // Gone, or cut, meanwhile: its `close` has been heard, or will be.
    if (address === undefined || socket.destroyed) return;
    const place = startups.enter(address);
    if (place === undefined) {
      introduced();
      turnAway(socket, address);
      return;
    }
    leave = place;
    await options.onArrival({
      socket,
      address,
      late: late.signal,
      introduced,
      refused: (reason, claimed) => refused(address, reason, claimed),
    });
  }

  /** Undefined where it was no header of the load balancer: the connection is over. */
  async function addressBehind(
    socket: Socket,
    peer: string,
    read: NonNullable<PortOptions['readPreamble']>,
    late: AbortSignal,
  ): Promise<string | undefined> {
    const source = new ByteSource(socket, { maxBufferedBytes: MAX_PREAMBLE_BYTES });
    try {
      const address = await read(source, peer);
      const behind = source.detach();
      if (behind.length > 0) socket.unshift(behind);
      return address;
    } catch (error) {
      socket.destroy();
      if (!(error instanceof ConnectionLost || error instanceof MalformedMessage)) throw error;
      refused(peer, late.aborted ? 'the header of the load balancer took too long' : error.message);
      return undefined;
    }
  }

  function turnAway(socket: Socket, source: string): void {
    refused(source, 'too many connections');
    endSocket(socket, options.lastWords('tooMany'), clock);
  }

  const server = createServer({ pauseOnConnect: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS });
  server.on('connection', (socket) => {
    accept(socket).catch((error: unknown) => {
      socket.destroy();
      onError(error);
    });
  });
  server.maxConnections = limits.maxConnections + MAX_LAST_WORDS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, () => {
      server.off('error', reject);
      server.on('error', onError);
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
      for (const socket of strangers) socket.destroy();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
      // The server closes with its last socket, whose own event comes just after.
      await Promise.all(Array.from(open, async (socket) => once(socket, 'close')));
      refusals?.flush();
    },
    cut: () => {
      for (const socket of open) socket.destroy();
    },
  };
}

const NOBODY = { label: '', target: '' };
