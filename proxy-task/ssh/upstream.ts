/** One connection to a host: to a key that is pinned, as the account that was asked for. */
import ssh2 from 'ssh2';
import type { Algorithms, Client, ClientChannel, PseudoTtyOptions } from 'ssh2';
import { fingerprint } from '../../core/config/ssh-public-key.ts';
import type { SshTarget } from '../../core/target.ts';
import type { Clock } from '../ports.ts';
import type { HostCredential } from '../ports.ts';
import { distrustSmallPackets } from './peer-packets.ts';
import { connectLent } from './transport/shared-read.ts';
import { HostUnavailable } from './upstream-error.ts';
import { upstreamLogin } from './upstream-login.ts';

export type Upstream = {
  readonly client: Client;
  /** What the host calls itself: `OpenSSH_9.2p1`. */
  readonly software: string;
  /** `SHA256:…` of the key that it showed. */
  readonly hostKey: string;
};

export type UpstreamOptions = {
  readonly target: Pick<SshTarget, 'name' | 'host' | 'port' | 'hostKeys'>;
  readonly account: string;
  readonly credential: HostCredential;
  readonly timeoutMs: number;
  readonly clock: Pick<Clock, 'now'>;
  /** Aborted when the client goes. */
  readonly signal: AbortSignal;
};

const KEEPALIVE_MS = 30_000;
const KEEPALIVES_UNANSWERED = 3;

/** Modern ones only; strict key exchange is the transport's own. */
const ALGORITHMS = {
  kex: ['curve25519-sha256', 'curve25519-sha256@libssh.org', 'ecdh-sha2-nistp256', 'ecdh-sha2-nistp384', 'ecdh-sha2-nistp521'],
  cipher: ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com', 'chacha20-poly1305@openssh.com', 'aes128-ctr', 'aes256-ctr'],
  hmac: ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-512-etm@openssh.com'],
  compress: ['none'],
} as const satisfies Algorithms;

/** A host shows the first kind that both know, which need not be the one that is pinned: then the next is asked for. */
const HOST_KEY_KINDS = [
  ['ssh-ed25519'],
  ['ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp384', 'ecdsa-sha2-nistp521'],
  ['rsa-sha2-512', 'rsa-sha2-256'],
] as const;

/** Throws HostUnavailable, CredentialUnavailable. */
export async function openUpstream(options: UpstreamOptions): Promise<Upstream> {
  const untilMs = options.clock.now() + options.timeoutMs;
  let other: HostUnavailable | undefined;
  for (const kinds of HOST_KEY_KINDS) {
    try {
      return await open(options, kinds, Math.max(1, untilMs - options.clock.now()));
    } catch (error) {
      if (!(error instanceof HostUnavailable) || error.fault !== 'hostKey') throw error;
      other = other === undefined || other.message.includes('no key of') ? error : other;
    }
  }
  throw other ?? new HostUnavailable('hostKey', `target "${options.target.name}": no key of the host is pinned`);
}

function open(
  { target, account, credential, signal }: UpstreamOptions,
  kinds: (typeof HOST_KEY_KINDS)[number],
  timeoutMs: number,
): Promise<Upstream> {
  const login = upstreamLogin(credential, account, target.name);
  return new Promise((resolve, reject) => {
    const client = new ssh2.Client();
    let shown: string | undefined;
    let software = '';
    let connected = false;
    let settled = false;
    const socket = connectLent({ host: target.host, port: target.port }, () => client);
    const fail = (error: HostUnavailable): void => {
      if (settled) return;
      settled = true;
      signal.removeEventListener('abort', canceled);
      socket.destroy();
      reject(error);
    };
    const canceled = (): void => fail(new HostUnavailable('canceled', 'the client went away'));
    signal.addEventListener('abort', canceled);
    if (signal.aborted) {
      canceled();
      return;
    }
    socket.once('connect', () => {
      connected = true;
    });
    // Listened to for good: what goes wrong later ends the session by `close`.
    client.on('error', (error) => fail(faultOf(error, { target: target.name, connected, pinned: isPinned(target, shown), shown, kinds })));
    client.once('close', () =>
      fail(new HostUnavailable(connected ? 'protocol' : 'unreachable', `target "${target.name}" closed the connection`)),
    );
    client.once('ready', () => {
      if (settled) return;
      settled = true;
      signal.removeEventListener('abort', canceled);
      resolve({ client, software, hostKey: shown ?? '' });
    });
    client.connect({
      sock: socket,
      username: account,
      authHandler: [login.method],
      readyTimeout: timeoutMs,
      keepaliveInterval: KEEPALIVE_MS,
      keepaliveCountMax: KEEPALIVES_UNANSWERED,
      algorithms: { ...ALGORITHMS, serverHostKey: [...kinds] },
      // The transport has checked that the host holds the private part.
      hostVerifier: (key: Buffer) => {
        shown = fingerprint(key);
        return isPinned(target, shown);
      },
      ident: 'sallyport',
    });
    login.prepare(client);
    distrustSmallPackets(client, () => socket.destroy());
    client.once('handshake', () => {
      software = softwareOf(client);
    });
  });
}

/**
 * Told of a channel as soon as it is open, before anything more of the host is read: how a short program ended may have come in the
 * same breath, and is told once.
 */
export type Begin = (channel: ClientChannel) => void;

/** Starts a program; false where the host refuses. */
export function openExec(
  { client }: Upstream,
  command: string,
  setup: { readonly env: Readonly<Record<string, string>>; readonly pty: PseudoTtyOptions | undefined },
  begin: Begin,
): Promise<boolean> {
  const pty = setup.pty === undefined ? {} : { pty: setup.pty };
  return opened(begin, (done) => client.exec(command, { env: { ...setup.env }, ...pty }, done));
}

/** Starts the account's login shell, on a terminal where the client has one; false where the host refuses. */
export function openShell(
  { client }: Upstream,
  setup: { readonly env: Readonly<Record<string, string>>; readonly pty: PseudoTtyOptions | undefined },
  begin: Begin,
): Promise<boolean> {
  return opened(begin, (done) => client.shell(setup.pty ?? false, { env: { ...setup.env } }, done));
}

/** False where the host refuses. */
export function openSubsystem({ client }: Upstream, name: string, begin: Begin): Promise<boolean> {
  return opened(begin, (done) => client.subsys(name, done));
}

/** A connection from the host to somewhere. The originator is not told: it is nothing to the other end. */
export function openForward({ client }: Upstream, host: string, port: number): Promise<ClientChannel> {
  return new Promise((resolve, reject) => {
    client.forwardOut('127.0.0.1', 0, host, port, (error, channel) => (error === undefined ? resolve(channel) : reject(error)));
  });
}

/** Rejects with what `begin` throws. */
function opened(begin: Begin, open: (done: (error: Error | undefined, channel: ClientChannel) => void) => void): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const done = (error: Error | undefined, channel: ClientChannel): void => {
      if (error !== undefined) {
        resolve(false);
        return;
      }
      try {
        begin(channel);
        resolve(true);
      } catch (thrown) {
        reject(thrown);
      }
    };
    try {
      open(done);
    } catch {
      // The connection has ended, which its owner hears of otherwise: nothing was started.
      resolve(false);
    }
  });
}

function isPinned({ hostKeys }: Pick<SshTarget, 'hostKeys'>, shown: string | undefined): boolean {
  return shown !== undefined && hostKeys.includes(shown);
}

function softwareOf(client: Client): string {
  // Not in the types: what followed `SSH-2.0-` in the host's first line.
  const { _remoteVer: version } = client as unknown as { readonly _remoteVer?: string };
  return (version ?? '').replaceAll(/[^\x20-\x7e]/gu, '').slice(0, 128);
}

function faultOf(
  error: Error & { readonly level?: string },
  seen: {
    readonly target: string;
    readonly connected: boolean;
    readonly pinned: boolean;
    readonly shown: string | undefined;
    readonly kinds: readonly string[];
  },
): HostUnavailable {
  const at = `target "${seen.target}"`;
  if (!seen.connected) return new HostUnavailable('unreachable', `${at} cannot be reached`, { cause: error });
  if (error.level === 'client-timeout') return new HostUnavailable('timedOut', `${at} did not answer in time`, { cause: error });
  if (seen.shown !== undefined && !seen.pinned)
    return new HostUnavailable(
      'hostKey',
      `${at} shows the key ${seen.shown}, which is not pinned: it was changed, or somebody is in between`,
    );
  if (error.level === 'client-authentication')
    return new HostUnavailable('credential', `${at} does not take the credential`, { cause: error });
  if (error.level === 'handshake' && seen.shown === undefined)
    return new HostUnavailable('hostKey', `${at} has no key of the kind ${seen.kinds.join(', ')}, or no algorithm in common`, {
      cause: error,
    });
  if (error.level === 'client-socket') return new HostUnavailable('unreachable', `${at} broke the connection`, { cause: error });
  return new HostUnavailable('protocol', `${at} does not speak SSH as it should: ${error.message}`, { cause: error });
}
