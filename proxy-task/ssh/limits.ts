/** How much a client may take of the gateway before and after it has said who it is. */
import { isIPv6 } from 'node:net';

export type SshListenerLimits = {
  /** Connections in all, sessions included. */
  readonly maxConnections: number;
  /** Connections that have not authenticated yet: of one address, or one network of IPv6 (/64), and of all. */
  readonly maxStartupsPerAddress: number;
  readonly maxStartups: number;
  /** From the connection to the proof of who it is. */
  readonly loginGraceMs: number;
  /** Proofs that fail, on one connection. */
  readonly maxFailedAttempts: number;
  readonly keepAliveMs: number;
  /** Keep-alives without an answer. */
  readonly keepAliveCount: number;
};

export const SSH_LIMITS: SshListenerLimits = {
  maxConnections: 10_000,
  maxStartupsPerAddress: 512,
  maxStartups: 4_096,
  loginGraceMs: 30_000,
  maxFailedAttempts: 6,
  keepAliveMs: 30_000,
  keepAliveCount: 3,
};

/** Requests of one login, questions and signatures together: an agent that offers twenty keys asks twice for each. */
export const MAX_AUTH_REQUESTS = 48;
/** Key exchange and proof take a few kilobytes; RSA, certificates and many offered keys a few more. */
export const MAX_LOGIN_BYTES = 1_048_576;
/** Answers that a client has not read: beyond them nothing of it is read either. */
export const MAX_BACKLOG_BYTES = 8_388_608;
/** The same before it has authenticated; beyond them it is cut. */
export const MAX_LOGIN_BACKLOG_BYTES = 262_144;
/** How long a client may take to read its last words. */
export const LAST_WORDS_MS = 2_000;
/** Longer names are no names: what is recorded of them is cut. */
export const MAX_LABEL_CHARACTERS = 128;

/** One message of SSH, as OpenSSH has it: a command comes in one. Without the transport's own ciphers it is 35,000. */
export const MAX_PACKET_BYTES = 262_144;

/** Counts connections that have not authenticated, by address. */
export class StartupCounter {
  readonly #byAddress = new Map<string, number>();
  readonly #most: number;
  readonly #mostInAll: number;
  #inAll = 0;

  constructor({ maxStartupsPerAddress, maxStartups }: Pick<SshListenerLimits, 'maxStartupsPerAddress' | 'maxStartups'>) {
    this.#most = maxStartupsPerAddress;
    this.#mostInAll = maxStartups;
  }

  /** A way to leave, good for one call or many; undefined where there are too many of this address. */
  enter(peer: string): (() => void) | undefined {
    const address = networkOf(peer);
    const now = this.#byAddress.get(address) ?? 0;
    if (now >= this.#most || this.#inAll >= this.#mostInAll) return undefined;
    this.#inAll += 1;
    this.#byAddress.set(address, now + 1);
    let inside = true;
    return () => {
      if (!inside) return;
      inside = false;
      this.#inAll -= 1;
      const left = (this.#byAddress.get(address) ?? 1) - 1;
      if (left > 0) this.#byAddress.set(address, left);
      else this.#byAddress.delete(address);
    };
  }
}

/** Whoever has one address of IPv6 mostly has a network of 2^64 of them: they count as one. */
function networkOf(address: string): string {
  if (!isIPv6(address) || address.includes('.')) return address;
  const [head = '', tail = ''] = address.split('::');
  const first = head === '' ? [] : head.split(':');
  const last = tail === '' ? [] : tail.split(':');
  const zeros = address.includes('::') ? 8 - first.length - last.length : 0;
  const groups = [...first, ...Array.from({ length: zeros }, () => '0'), ...last];
  const network = groups.slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16));
  return `${network.join(':')}::/64`;
}
