/** The bundle in force as a task follows it: the pointer through the poller, each version loaded and checked once. */
import type { KeyObject } from 'node:crypto';
import { BundleInForce, type InForce } from '../../core/config/bundle-in-force.ts';
import { NO_CONFIG } from '../../core/config/no-config.ts';
import { BundleRefused } from '../../core/config/published-bundle.ts';
import { BUNDLE_ITEM } from '../../core/state/control.ts';
import type { Clock, StateItem, StatePoller } from '../ports.ts';
import { ConfigInForce } from './config-in-force.ts';

export type FollowedBundlePorts = {
  readonly poller: Pick<StatePoller, 'follow'>;
  /** The object of a version; undefined where there is none. */
  readonly object: (version: string) => Promise<string | undefined>;
  /** The public key for bundles. */
  readonly publicKey: () => Promise<KeyObject>;
  readonly clock: Pick<Clock, 'after'>;
  /** One line for the operator about what was taken up. */
  readonly report: (message: string) => void;
  /** Told of what was not: a mistake, an attack, or a store that does not answer. */
  readonly problem: (error: unknown) => void;
};

/** What could not be loaded is tried again: first soon, since a session waits for it, later seldom. */
const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 30_000;

export class FollowedBundle extends ConfigInForce {
  readonly #ports: FollowedBundlePorts;
  readonly #inForce: BundleInForce;
  readonly #following: { stop(): void };
  #item: StateItem | undefined;
  #taken: InForce | undefined;
  #loading = false;
  #again = false;
  #retryMs = FIRST_RETRY_MS;
  #retry: { cancel(): void } | undefined;
  #reported = '';
  #stopped = false;
  readonly #begun: () => void;

  private constructor(ports: FollowedBundlePorts, begun: () => void) {
    super(NO_CONFIG);
    this.#ports = ports;
    this.#begun = begun;
    this.#inForce = new BundleInForce({ pointer: () => Promise.resolve(this.#item), object: ports.object, publicKey: ports.publicKey });
    this.#following = ports.poller.follow('control', BUNDLE_ITEM, (item) => {
      this.#item = item;
      this.#retryMs = FIRST_RETRY_MS;
      this.#take();
    });
  }

  /**
   * Resolves when it is known what is in force: the bundle of a pointer that holds, or, where nothing was ever activated, nothing at
   * all. A pointer that does not hold, or cannot be followed, keeps a task from starting; `report` says why. Never rejects.
   */
  static start(ports: FollowedBundlePorts): Promise<FollowedBundle> {
    return new Promise((resolve) => {
      const followed: FollowedBundle = new FollowedBundle(ports, () => resolve(followed));
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#following.stop();
    this.#retry?.cancel();
  }

  /** One at a time; a change that comes meanwhile is taken up afterwards. */
  #take(): void {
    this.#retry?.cancel();
    if (this.#loading) {
      this.#again = true;
      return;
    }
    this.#loading = true;
    this.#load()
      .catch((error: unknown) => {
        // The old one stays: neither a mistake nor an attack opens or closes anything.
        const message = `the bundle that is named as in force is not taken up: ${reasonOf(error)}`;
        this.#tell(message, () => this.#ports.problem(new BundleRefused(message, { cause: error })));
        this.#retry = this.#ports.clock.after(this.#retryMs, () => this.#take());
        this.#retryMs = Math.min(2 * this.#retryMs, LONGEST_RETRY_MS);
      })
      .finally(() => {
        this.#loading = false;
        if (!this.#again) return;
        this.#again = false;
        this.#take();
      });
  }

  async #load(): Promise<void> {
    const found = await this.#inForce.find();
    if (this.#stopped) return;
    if (found === undefined) {
      // What was in force stays: an item that is gone puts nothing out of force.
      if (this.#taken !== undefined) throw new BundleRefused('the item that names it is gone');
      this.#report('no bundle is in force: nobody is let in');
      this.#begun();
      return;
    }
    const { config, bundle, pointer } = found;
    const before = this.#taken?.pointer;
    this.#taken = found;
    if (before?.version !== pointer.version || before.digest !== pointer.digest) {
      const { publishedBy } = found.published;
      this.take(config, bundle, () =>
        this.#report(`bundle ${pointer.version} is in force, published by ${publishedBy}, activated by ${pointer.activatedBy}`),
      );
    }
    this.#begun();
  }

  /** The same words once. */
  #tell(message: string, tell: () => void): void {
    if (this.#reported !== message) tell();
    this.#reported = message;
  }

  #report(message: string): void {
    this.#tell(message, () => this.#ports.report(message));
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof BundleRefused) return error.message;
  return error instanceof Error ? error.name : 'unknown';
}
