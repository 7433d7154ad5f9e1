import type { Clock } from '../ports.ts';

export type CancelThrottleLimits = {
  /** Attempts of one address in a window, right or wrong: another task may be the one to tell. */
  readonly perAddress: number;
  /** Attempts of all addresses in a window: whoever has many addresses guesses no faster. */
  readonly overall: number;
  readonly windowMs: number;
};

/** A 3.0 key has 32 bits of MAC: at 200 attempts a second, half of them take four months. */
export const DEFAULT_CANCEL_LIMITS: CancelThrottleLimits = { perAddress: 20, overall: 2_000, windowMs: 10_000 };

/** Counts attempts in fixed windows. The map is emptied with each window and `overall` bounds it. */
export class CancelThrottle {
  readonly #limits: CancelThrottleLimits;
  readonly #clock: Pick<Clock, 'monoUs'>;
  readonly #attempts = new Map<string, number>();
  #window = -1;
  #overall = 0;

  constructor(clock: Pick<Clock, 'monoUs'>, limits: CancelThrottleLimits = DEFAULT_CANCEL_LIMITS) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** Whether this attempt may be looked at. */
  allows(remoteAddress: string): boolean {
    const window = Math.floor(this.#clock.monoUs() / (this.#limits.windowMs * 1_000));
    if (window !== this.#window) {
      this.#window = window;
      this.#overall = 0;
      this.#attempts.clear();
    }
    const key = throttleKey(remoteAddress);
    const attempts = this.#attempts.get(key) ?? 0;
    if (attempts >= this.#limits.perAddress || this.#overall >= this.#limits.overall) return false;
    this.#attempts.set(key, attempts + 1);
    this.#overall += 1;
    return true;
  }
}

/** One IPv6 customer has a /64 at least, so its first four groups count as one address. */
function throttleKey(address: string): string {
  if (!address.includes(':') || address.startsWith('::ffff:')) return address;
  const [head = '', tail] = address.split('::');
  const groups = head === '' ? [] : head.split(':');
  if (tail !== undefined) while (groups.length < 8 - (tail === '' ? 0 : tail.split(':').length)) groups.push('0');
  return groups.slice(0, 4).join(':');
}
