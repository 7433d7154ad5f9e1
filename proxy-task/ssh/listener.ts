/** Listens for SSH clients: from an accepted connection to one that has proved who it is (RFC 4253, RFC 4252). */
import { Socket } from 'node:net';
import ssh2, { type Connection, type NegotiatedAlgorithms } from 'ssh2';
import { listen, type Arrival, type Listener, type PortOptions } from '../listener.ts';
import type { Identity } from '../pipeline/open-session.ts';
import type { Clock } from '../ports.ts';
import type { Principal } from '../../core/principal.ts';
import { ALGORITHMS } from './algorithms.ts';
import { clientFault } from './client-fault.ts';
import { authenticate, type AuthenticationState, type Login } from './authenticate.ts';
import {
  LAST_WORDS_MS,
  MAX_BACKLOG_BYTES,
  MAX_LABEL_CHARACTERS,
  MAX_LOGIN_BACKLOG_BYTES,
  MAX_LOGIN_BYTES,
  type SshListenerLimits,
} from './limits.ts';
import type { ProofPorts, Restrictions } from './proofs.ts';
import { hostRefusal } from './refusal.ts';
import { readOffer } from './transport/bulk-cipher.ts';
import { keepTerminalModes } from './terminal-internals.ts';
import { TransportGuard } from './transport-guard.ts';
import { parseUserName } from '../../core/ssh/user-name.ts';

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

export type SshListenerOptions = PortOptions & {
  /** Private keys in OpenSSH's form; clients pin them. */
  readonly hostKeys: readonly string[];
  readonly limits: SshListenerLimits;
  readonly proofs: ProofPorts;
  readonly clock: Pick<Clock, 'after' | 'now'>;
  /** Must listen for channels before it returns. What it throws ends that connection. */
  readonly onClient: (candidate: SshCandidate) => void;
};

const IDENT = 'sallyport';
/** RFC 4253 §4.2 lets a server say lines before its version; clients show them. */
const LAST_WORDS = {
  tooMany: Buffer.from('sallyport: too many connections\r\n'),
  stopping: Buffer.from('sallyport: the gateway is shutting down\r\n'),
};

/** What is known of a connection until it is authenticated. */
type Stranger = {
  readonly arrival: Arrival;
  authenticated: boolean;
  state: (() => AuthenticationState) | undefined;
  /** Why it ends, where that is not in the state. */
  reason: string | undefined;
};

/** Rejects when the address cannot be bound. Throws what ssh2 throws for a host key that is none. */
export async function listenForSsh(options: SshListenerOptions): Promise<Listener> {
  const { limits, clock } = options;
  const strangers = new Map<Socket, Stranger>();

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
    const stranger = socket === undefined ? undefined : strangers.get(socket);
    if (stranger === undefined) {
      options.onError(new Error('ssh2 speaks for a connection that is not known'));
      connection.end();
      return;
    }
    keepTerminalModes(connection);
    readOffer(connection);
    identify(connection, guard, stranger, header.versions.software);
  });

  /** The client has said that it speaks SSH. */
  function identify(connection: Connection, guard: TransportGuard, stranger: Stranger, clientVersion: string): void {
    const { socket, address, introduced } = stranger.arrival;
    let encryption = 'SSH-2.0';
    connection.on('handshake', ({ kex, cs }: NegotiatedAlgorithms) => {
      encryption = `SSH-2.0 ${kex} ${cs.cipher}`;
    });
    // After ssh2's own listener: what it has answered is waiting in the socket.
    socket.on('data', () => {
      if (!stranger.authenticated && (socket.bytesRead > MAX_LOGIN_BYTES || socket.writableLength > MAX_LOGIN_BACKLOG_BYTES)) {
        stranger.reason = 'too many bytes before authentication';
        socket.destroy();
      } else if (socket.writableLength > MAX_BACKLOG_BYTES) socket.pause();
    });
    socket.on('drain', () => socket.resume());
    stranger.state = authenticate(connection, {
      remoteAddress: address,
      maxFailedAttempts: limits.maxFailedAttempts,
      ports: options.proofs,
      onTooMany: (reason) => {
        guard.cut(reason, hostRefusal('28000', `${reason} to log in`));
        clock.after(LAST_WORDS_MS, () => socket.destroy());
      },
      onLogin: ({ user, label, identity, principal, method, fingerprint, restrictions }) => {
        stranger.authenticated = true;
        if (!introduced()) {
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
          remoteAddress: address,
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
    const stranger = strangers.get(socket);
    if (stranger !== undefined) stranger.reason ??= fault;
    clock.after(LAST_WORDS_MS, () => socket.destroy());
  }

  /** A scan that says nothing is nobody who was refused. */
  function tellRefused({ arrival, authenticated, state, reason }: Stranger): void {
    if (authenticated || state === undefined) return;
    const { label, failures, reasons } = state();
    const why = [...reasons, ...(reason === undefined ? [] : [reason])].join('; ');
    if (why === '') return;
    const times = failures > 1 ? ` (${failures} proofs failed)` : '';
    arrival.refused(`${why}${times}`, { label, target: parseUserName(label)?.targetName ?? '' });
  }

  return listen({
    ...options,
    startupTimeoutMs: limits.loginGraceMs,
    lastWords: (why) => LAST_WORDS[why],
    onArrival: (arrival) => {
      const { socket, late } = arrival;
      const stranger: Stranger = { arrival, authenticated: false, state: undefined, reason: undefined };
      strangers.set(socket, stranger);
      late.addEventListener('abort', () => {
        stranger.reason = 'authentication took too long';
      });
      socket.once('close', () => {
        strangers.delete(socket);
        tellRefused(stranger);
      });
      protocol.injectSocket(socket);
    },
  });
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
