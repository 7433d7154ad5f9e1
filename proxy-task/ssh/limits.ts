/** How much a client may take of the gateway before and after it has said who it is. */

export type SshListenerLimits = {
  /** Connections in all, sessions included. */
  readonly maxConnections: number;
  /** Connections of one address that have not authenticated yet. */
  readonly maxStartupsPerAddress: number;
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

  constructor(most: number) {
    this.#most = most;
  }

  /** A way to leave, good for one call or many; undefined where there are too many of this address. */
  enter(address: string): (() => void) | undefined {
    const now = this.#byAddress.get(address) ?? 0;
    if (now >= this.#most) return undefined;
    this.#byAddress.set(address, now + 1);
    let inside = true;
    return () => {
      if (!inside) return;
      inside = false;
      const left = (this.#byAddress.get(address) ?? 1) - 1;
      if (left > 0) this.#byAddress.set(address, left);
      else this.#byAddress.delete(address);
    };
  }
}
