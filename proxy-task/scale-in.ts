/** Keeps the task from being stopped while sessions live on it, a slice at a time. */
import type { Clock, TaskProtection } from './ports.ts';

export type ScaleInOptions = {
  readonly protection: TaskProtection;
  readonly clock: Clock;
  /** Whether the task is worth keeping: sessions live, nothing newer serves, and it does not drain. */
  readonly wanted: () => boolean;
  readonly report: (error: unknown) => void;
};

const LOOK_EVERY_MS = 10_000;
/** Protection holds up deployments too: a task that is stuck lets go by itself. */
const SLICE_MINUTES = 30;
/** A slice is renewed early enough for some failures. */
const RENEW_AFTER_MS = 10 * 60_000;

export class ScaleInProtection {
  readonly #options: ScaleInOptions;
  #timer: { cancel(): void } | undefined;
  #renewedUs: number | undefined;
  #stopped = false;
  #failing = false;

  constructor(options: ScaleInOptions) {
    this.#options = options;
    void this.#look();
  }

  /** Lets go now; nothing is asked for any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#set(false);
  }

  async #look(): Promise<void> {
    if (this.#stopped) return;
    const { clock, wanted } = this.#options;
    const sinceUs = this.#renewedUs === undefined ? Number.POSITIVE_INFINITY : clock.monoUs() - this.#renewedUs;
    if (wanted()) {
      if (sinceUs >= RENEW_AFTER_MS * 1_000) await this.#set(true);
    } else await this.#set(false);
    if (!this.#stopped) this.#timer = clock.after(LOOK_EVERY_MS, () => void this.#look());
  }

  async #set(on: boolean): Promise<void> {
    if (!on && this.#renewedUs === undefined) return;
    const { protection, clock, report } = this.#options;
    const askedUs = clock.monoUs();
    try {
      if (on) await protection.protect(SLICE_MINUTES);
      else await protection.release();
      this.#renewedUs = on ? askedUs : undefined;
      this.#failing = false;
    } catch (error) {
      // Asked again at the next look. Without protection a task that is stopped drains, as at any other stop.
      if (!this.#failing) report(error);
      this.#failing = true;
    }
  }
}
