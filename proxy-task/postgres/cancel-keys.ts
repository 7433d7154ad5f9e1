import { createHmac, timingSafeEqual } from 'node:crypto';
import type { CancelKey } from './messages/backend-key-data.ts';

const MAX_SLOT = 0xffff;
const MAX_SESSION = 0xffff;
const SHORT_SECRET_BYTES = 4;

/** Everything an issued key is checked against. */
type Issued = { readonly secret: Buffer };

/**
 * The gateway's own cancel keys (design §3). The process id is task slot and session, so that a task which does not
 * hold the session knows which one does; the secret is a MAC over both, the protocol's minor version and a serial number
 * that never returns. The task that issued a key alone can check it: numbers of ended sessions are used again, old keys
 * are not.
 */
export class CancelKeys {
  readonly #taskSlot: number;
  readonly #macKey: Buffer;
  readonly #issued = new Map<number, Issued>();
  #lastSession = 0;
  #serial = 0n;

  /** `macKey`: 32 random bytes of this process, not shared. */
  constructor(options: { readonly taskSlot: number; readonly macKey: Buffer }) {
    if (!Number.isInteger(options.taskSlot) || options.taskSlot < 0 || options.taskSlot > MAX_SLOT)
      throw new Error('a task slot has 16 bits');
    if (options.macKey.length < 32) throw new Error('a MAC key has 32 bytes');
    this.#taskSlot = options.taskSlot;
    this.#macKey = options.macKey;
  }

  /** A key for a new session: 4 bytes of secret for 3.0, 32 for 3.2. Undefined when all 65,535 numbers are in use. */
  issue(minor: 0 | 2): { readonly session: number; readonly key: CancelKey } | undefined {
    const session = this.#freeSession();
    if (session === undefined) return undefined;
    this.#serial += 1n;
    const mac = createHmac('sha256', this.#macKey).update(`cancel 3.${minor} ${this.#taskSlot} ${session} ${this.#serial}`).digest();
    const secret = minor === 0 ? mac.subarray(0, SHORT_SECRET_BYTES) : mac;
    this.#issued.set(session, { secret });
    return { session, key: { processId: (this.#taskSlot << 16) | session | 0, secret } };
  }

  /** The session ended: its key is void. */
  release(session: number): void {
    this.#issued.delete(session);
  }

  /** The session that the key cancels, or undefined. Takes the same time for every wrong secret of the right length. */
  verify(key: CancelKey): number | undefined {
    if (taskSlotOf(key) !== this.#taskSlot) return undefined;
    const session = key.processId & MAX_SESSION;
    const issued = this.#issued.get(session);
    if (issued === undefined || issued.secret.length !== key.secret.length) return undefined;
    return timingSafeEqual(issued.secret, key.secret) ? session : undefined;
  }

  /** Numbers go round, so that one comes back as late as possible. */
  #freeSession(): number | undefined {
    for (let tried = 0; tried < MAX_SESSION; tried++) {
      this.#lastSession = (this.#lastSession % MAX_SESSION) + 1;
      if (!this.#issued.has(this.#lastSession)) return this.#lastSession;
    }
    return undefined;
  }
}

/** The task that issued a key, if anyone did. */
export function taskSlotOf(key: Pick<CancelKey, 'processId'>): number {
  return (key.processId >>> 16) & MAX_SLOT;
}
