/** Listens for SSH clients: from an accepted connection to one that has proved who it is (RFC 4253, RFC 4252). */
import { once } from 'node:events';
import { createServer, Socket, type AddressInfo } from 'node:net';
import ssh2, { type Connection, type NegotiatedAlgorithms } from 'ssh2';
import type { Identity } from '../pipeline/open-session.ts';
import { RefusalLimit, type RefusedConnection } from '../pipeline/refusal-limit.ts';
import type { Clock } from '../ports.ts';
import type { Principal } from '../../core/principal.ts';
import { ByteSource } from '../postgres/byte-source.ts';
import { ALGORITHMS } from './algorithms.ts';
import { clientFault } from './client-fault.ts';
import { authenticate, type AuthenticationState, type Login } from './authenticate.ts';
import {
  LAST_WORDS_MS,
  MAX_BACKLOG_BYTES,
  MAX_LABEL_CHARACTERS,
  MAX_LOGIN_BACKLOG_BYTES,
  MAX_LOGIN_BYTES,
  StartupCounter,
  type SshListenerLimits,
} from './limits.ts';
import type { ProofPorts, Restrictions } from './proofs.ts';
import { hostRefusal } from './refusal.ts';
import { keepTerminalModes } from './terminal-internals.ts';
import { TransportGuard } from './transport-guard.ts';
import { parseUserName } from './user-name.ts';

/** A client that has proved who it is, and has not been let in anywhere yet. Its connection is the caller's from here. */
export type SshCandidate = {
  readonly connection: Connection;
  /** For the pipeline: the agent's token, or the principal of a certificate. */
  readonly identity: Identity;
  /** As verified when it logged in. */
  readonly principal: Principal;
  /** Undefined where the client named none: the target's first. */
  readonly account: string | undefined;
  readonly targetName: string;
  /** The user name as written. */
  readonly label: string;
  readonly remoteAddress: string;
  /** What the client says it is: `OpenSSH_9.2p1`. Only recorded. */
  readonly clientVersion: string;
  /** What protects the connection: `SSH-2.0 curve25519-sha256 aes128-gcm@openssh.com`. */
  readonly encryption: string;
  readonly auth: { readonly method: Login['method']; readonly fingerprint: string | undefined };
  readonly restrictions: Restrictions;
  /** What it must not do, whatever it opens. */
  readonly guard: TransportGuard;
  /** Bytes for the client that its socket has not taken yet: ssh2 itself does not wait for it. */
  backlogBytes(): number;
  /** Calls back once, when the socket has taken all of them. */
  onDrain(run: () => void): void;
};

export type SshListenerOptions = {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  /** Private keys in OpenSSH's form; clients pin them. */
  readonly hostKeys: readonly string[];
  readonly limits: SshListenerLimits;
  readonly proofs: ProofPorts;
  readonly clock: Pick<Clock, 'after' | 'now'>;
  /** Reads what a load balancer puts before the client's first byte; see StartupPolicy of Postgres. */
  readonly readPreamble?: ((source: ByteSource, peer: string) => Promise<string>) | undefined;
  /** Must listen for channels before it returns. What it throws ends that connection. */
  readonly onClient: (candidate: SshCandidate) => void;
  /** Told of connections that were refused: of many in a short time by their number. */
  readonly onRefused?: (refused: RefusedConnection) => void;
  /** Errors that nobody else hears. Must not throw. */
  readonly onError: (error: unknown) => void;
};

export type SshListener = {
  readonly host: string;
  readonly port: number;
  /** Connections that are open now. */
  connections(): number;
  /** Takes no further connection and ends those that have not authenticated; resolves when the last one is closed. */
  stop(): Promise<void>;
  /** Cuts all connections. */
  cut(): void;
};

const IDENT = 'sallyport';
const KEEP_ALIVE_MS = 60_000;
/** Connections above the limit that are told so at a time; the rest is dropped without a word. */
const MAX_LAST_WORDS = 64;
/** RFC 4253 §4.2 lets a server say lines before its version; clients show them. */
const TOO_MANY = 'sallyport: too many connections\r\n';
/** A header of a load balancer, and what a client may have sent after it. */
const MAX_PREAMBLE_BYTES = 65_536;

/** What is known of a connection until it is authenticated. */
type Arrival = {
  readonly socket: Socket;
  address: string;
  authenticated: boolean;
  /** Frees its place among those that have not authenticated; a second call does nothing. */
  leave: () => void;
  state: (() => AuthenticationState) | undefined;
  /** Why it ends, where that is not in the state. */
  reason: string | undefined;
};

/** Rejects when the address cannot be bound. Throws what ssh2 throws for a host key that is none. */
export async function listenForSsh(options: SshListenerOptions): Promise<SshListener> {
  const { limits, clock } = options;
  const open = new Set<Socket>();
  const arrivals = new Map<Socket, Arrival>();
  const startups = new StartupCounter(limits);
  const { onRefused } = options;
  const refusals = onRefused === undefined ? undefined : new RefusalLimit(onRefused, clock);
  let stopping = false;

  const protocol = new ssh2.Server({
    hostKeys: [...options.hostKeys],
    ident: IDENT,
    algorithms: ALGORITHMS_FOR_SSH2,
    keepaliveInterval: limits.keepAliveMs,
    keepaliveCountMax: limits.keepAliveCount,
  });
  protocol.on('error', options.onError);
  protocol.on('connection', (connection, { header }) => {
    const guard = new TransportGuard(connection, clock);
    connection.on('error', (error: unknown) => endLater(connection, guard, error));
    const socket = socketOf(connection);
    const arrival = socket === undefined ? undefined : arrivals.get(socket);
    if (arrival === undefined) {
      options.onError(new Error('ssh2 speaks for a connection that is not known'));
      connection.end();
      return;
    }
    keepTerminalModes(connection);
    identify(connection, guard, arrival, header.versions.software);
  });

  /** The client has said that it speaks SSH. */
  function identify(connection: Connection, guard: TransportGuard, arrival: Arrival, clientVersion: string): void {
    const { socket } = arrival;
    let encryption = 'SSH-2.0';
    connection.on('handshake', ({ kex, cs }: NegotiatedAlgorithms) => {
      encryption = `SSH-2.0 ${kex} ${cs.cipher}`;
    });
    // After ssh2's own listener: what it has answered is waiting in the socket.
    socket.on('data', () => {
      if (!arrival.authenticated && (socket.bytesRead > MAX_LOGIN_BYTES || socket.writableLength > MAX_LOGIN_BACKLOG_BYTES)) {
        arrival.reason = 'too many bytes before authentication';
        socket.destroy();
      } else if (socket.writableLength > MAX_BACKLOG_BYTES) socket.pause();
    });
    socket.on('drain', () => socket.resume());
    arrival.state = authenticate(connection, {
      remoteAddress: arrival.address,
      maxFailedAttempts: limits.maxFailedAttempts,
      ports: options.proofs,
      onTooMany: (reason) => {
        guard.cut(reason, hostRefusal('28000', `${reason} to log in`));
        clock.after(LAST_WORDS_MS, () => socket.destroy());
      },
      onLogin: ({ user, label, identity, principal, method, fingerprint, restrictions }) => {
        arrival.authenticated = true;
        arrival.leave();
        if (stopping) {
          connection.end();
          return;
        }
        const candidate: SshCandidate = {
          connection,
          identity,
          principal,
          account: user.account,
          targetName: user.targetName,
          label,
          remoteAddress: arrival.address,
          clientVersion: clientVersion.slice(0, MAX_LABEL_CHARACTERS),
          encryption,
          auth: { method, fingerprint },
          restrictions,
          guard,
          backlogBytes: () => socket.writableLength,
          onDrain: (run) => void (socket.writableLength === 0 ? process.nextTick(run) : socket.once('drain', run)),
        };
        try {
          options.onClient(candidate);
        } catch (error) {
          connection.end();
          socket.destroySoon();
          options.onError(error);
        }
      },
    });
  }

  /** A peer that broke the protocol may read why, and is gone then. */
  function endLater(connection: Connection, guard: TransportGuard, error: unknown): void {
    const isFirst = guard.fault === undefined;
    const { fault, refusal } = clientFault(error);
    guard.cut(fault, refusal);
    const socket = socketOf(connection);
    if (!isFirst || socket === undefined || socket.destroyed) return;
    const arrival = arrivals.get(socket);
    if (arrival !== undefined) arrival.reason ??= fault;
    clock.after(LAST_WORDS_MS, () => socket.destroy());
  }

  async function accept(socket: Socket): Promise<void> {
    const peer = socket.remoteAddress ?? '';
    open.add(socket);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => open.delete(socket));
    if (stopping) {
      socket.destroy();
      return;
    }
    if (open.size > limits.maxConnections) {
      refuseMany(socket, peer);
      return;
    }
    const arrival: Arrival = { socket, address: peer, authenticated: false, leave: () => undefined, state: undefined, reason: undefined };
    arrivals.set(socket, arrival);
    const grace = clock.after(limits.loginGraceMs, () => {
      if (arrival.authenticated) return;
      arrival.reason = 'authentication took too long';
      socket.destroy();
    });
    socket.once('close', () => {
      grace.cancel();
      arrival.leave();
      arrivals.delete(socket);
      tellRefused(arrival);
    });
    if (options.readPreamble !== undefined) {
      const source = new ByteSource(socket, { maxBufferedBytes: MAX_PREAMBLE_BYTES });
      arrival.address = await options.readPreamble(source, peer);
      const rest = source.detach();
      if (rest.length > 0) socket.unshift(rest);
    }
    const leave = startups.enter(arrival.address);
    if (leave === undefined) {
      arrivals.delete(socket);
      grace.cancel();
      refuseMany(socket, arrival.address);
      return;
    }
    arrival.leave = leave;
    // Gone meanwhile: its `close` has been heard.
    if (socket.destroyed) leave();
    else protocol.injectSocket(socket);
  }

  function refuseMany(socket: Socket, source: string): void {
    refusals?.add({ source, label: '', target: '', reason: 'too many connections' });
    socket.end(TOO_MANY);
    socket.resume();
    clock.after(LAST_WORDS_MS, () => socket.destroy());
  }

  /** A scan that says nothing is nobody who was refused. */
  function tellRefused({ authenticated, address, state, reason }: Arrival): void {
    if (authenticated || state === undefined) return;
    const { label, failures, reasons } = state();
    const why = [...reasons, ...(reason === undefined ? [] : [reason])].join('; ');
    if (why === '') return;
    const times = failures > 1 ? ` (${failures} proofs failed)` : '';
    refusals?.add({ source: address, label, target: parseUserName(label)?.targetName ?? '', reason: `${why}${times}` });
  }

  const server = createServer({ pauseOnConnect: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS });
  server.on('connection', (socket) => {
    accept(socket).catch((error: unknown) => {
      // The preamble was none, or the client is gone; anything else is ours.
      const expected =
        error instanceof Error && 'code' in error && (error.code === 'connection-lost' || error.code === 'malformed-message');
      if (!expected) options.onError(error);
      socket.destroy();
    });
  });
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
      for (const [socket, { authenticated }] of arrivals) if (!authenticated) socket.destroy();
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

/** The same lists, in the arrays that ssh2's types ask for. */
const ALGORITHMS_FOR_SSH2 = {
  kex: [...ALGORITHMS.kex],
  serverHostKey: [...ALGORITHMS.serverHostKey],
  cipher: [...ALGORITHMS.cipher],
  hmac: [...ALGORITHMS.hmac],
  compress: [...ALGORITHMS.compress],
};

/** ssh2 says only address and port of a connection, which two of them may share on a gateway with several addresses. */
function socketOf(connection: Connection): Socket | undefined {
  const socket: unknown = Reflect.get(connection, '_sock');
  return socket instanceof Socket ? socket : undefined;
}
