/** The task's lease as a writer: renewed while it lives, and ended by itself when it could not be. */
import { LEASE_MS, type WriterItem } from '../core/state/control.ts';
import type { Clock, Generations, WriterRegistry } from './ports.ts';

export type WriterLeaseOptions = {
  readonly registry: WriterRegistry;
  readonly generations: Generations;
  readonly clock: Clock;
  readonly writer: string;
  readonly generation: number;
  /** Digest of the container image. */
  readonly image: string;
  /** The recorder's next commit. */
  readonly nextSeq: () => number;
  /** Others may take this writer for dead: sessions end, and nothing more is recorded. Called once. */
  readonly onLost: (reason: string) => void;
  /** A newer deployment serves. Called once. */
  readonly onNewer: () => void;
  readonly report: (error: unknown) => void;
};

/** Four times in a lease. */
const RENEW_EVERY_MS = 5_000;

export class WriterLease {
  readonly #options: WriterLeaseOptions;
  #item: WriterItem | undefined;
  #beat: { cancel(): void } | undefined;
  #expiry: { cancel(): void } | undefined;
  #over = false;
  #newestKnown = 0;
  #newerSeen = false;
  #failing = false;
  /** It serves, and older deployments have not been told. */
  #unraised = false;

  constructor(options: WriterLeaseOptions) {
    this.#options = options;
  }

  /** Whether a deployment has begun to serve that is newer than all that were known when this task started. */
  get newerSeen(): boolean {
    return this.#newerSeen;
  }

  /** Registers this writer; its slot. Throws StateUnavailable. */
  async open(): Promise<number> {
    const { registry, generations, clock, writer, generation, image } = this.#options;
    const askedUs = clock.monoUs();
    // After a rollback an older deployment starts anew: what was the newest then does not drain it.
    this.#newestKnown = Math.max(generation, await generations.newest());
    const leaseUntilMs = clock.now() + LEASE_MS;
    this.#item = await registry.register({ writer, state: 'live', leaseUntilMs, nextSeq: this.#options.nextSeq(), generation, image });
    this.#renewedAt(askedUs);
    this.#beatLater();
    return this.#item.slot;
  }

  /** This task is ready for sessions: older deployments drain from now on. What fails is tried again with each renewal. */
  async serving(): Promise<void> {
    this.#unraised = true;
    try {
      await this.#raise();
    } catch (error) {
      this.#options.report(error);
    }
  }

  async #raise(): Promise<void> {
    if (!this.#unraised) return;
    await this.#options.generations.raise(this.#options.generation);
    this.#unraised = false;
  }

  /** Gives lease and slot back: nothing more will be recorded. Throws StateUnavailable. */
  async close(): Promise<void> {
    this.#stop();
    const item = this.#item;
    this.#item = undefined;
    if (item !== undefined) await this.#options.registry.close({ ...item, nextSeq: this.#options.nextSeq() });
  }

  #beatLater(): void {
    this.#beat = this.#options.clock.after(RENEW_EVERY_MS, () => void this.#renew());
  }

  async #renew(): Promise<void> {
    const { registry, generations, clock, report } = this.#options;
    const held = this.#item;
    if (this.#over || held === undefined) return;
    const askedUs = clock.monoUs();
    try {
      const item = { ...held, leaseUntilMs: clock.now() + LEASE_MS, nextSeq: this.#options.nextSeq() };
      if ((await registry.renew(item)) === 'fenced') {
        this.#lose('this writer was fenced: others took it for dead');
        return;
      }
      if (this.#isOver()) return;
      this.#item = item;
      this.#renewedAt(askedUs);
      await this.#raise();
      this.#see(await generations.newest());
      this.#failing = false;
    } catch (error) {
      // The lease itself says how long this may go on.
      if (!this.#failing) report(error);
      this.#failing = true;
    }
    if (!this.#isOver()) this.#beatLater();
  }

  #isOver(): boolean {
    return this.#over;
  }

  #see(newest: number): void {
    if (newest <= this.#newestKnown) return;
    this.#newestKnown = newest;
    if (this.#newerSeen) return;
    this.#newerSeen = true;
    this.#options.onNewer();
  }

  /** Counted on the monotonic clock from before the question, so that it is over here no later than for others. */
  #renewedAt(askedUs: number): void {
    const { clock } = this.#options;
    this.#expiry?.cancel();
    const leftMs = LEASE_MS - (clock.monoUs() - askedUs) / 1_000;
    this.#expiry = clock.after(Math.max(0, leftMs), () => this.#lose('its lease as a writer could not be renewed'));
  }

  #lose(reason: string): void {
    if (this.#over) return;
    this.#stop();
    this.#item = undefined;
    this.#options.onLost(reason);
  }

  #stop(): void {
    this.#over = true;
    this.#beat?.cancel();
    this.#expiry?.cancel();
  }
}
