/** Counts clients that have not said who they are yet. */
import { isIPv6 } from 'node:net';

/** Connections that have not said who they are yet: of one address, or one network of IPv6 (/64), and of all. */
export type StartupLimits = { readonly maxStartupsPerAddress: number; readonly maxStartups: number };

export class StartupCounter {
  readonly #byAddress = new Map<string, number>();
  readonly #most: number;
  readonly #mostInAll: number;
  #inAll = 0;

  constructor({ maxStartupsPerAddress, maxStartups }: StartupLimits) {
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
