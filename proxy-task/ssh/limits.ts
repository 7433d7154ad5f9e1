/** How much a client may take of the gateway before and after it has said who it is. */
import { LISTENER_LIMITS, type ListenerLimits } from '../listener.ts';

export type SshListenerLimits = ListenerLimits & {
  /** From the connection to the proof of who it is. */
  readonly loginGraceMs: number;
  /** Proofs that fail, on one connection. */
  readonly maxFailedAttempts: number;
  readonly keepAliveMs: number;
  /** Keep-alives without an answer. */
  readonly keepAliveCount: number;
};

export const SSH_LIMITS: SshListenerLimits = {
  ...LISTENER_LIMITS,
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
