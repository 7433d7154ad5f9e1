/** From serving to gone: drained where there is time, ended where there is none, and everything that was recorded sealed. */
import { SallyportError } from '../core/errors.ts';
import type { Clock } from './ports.ts';

export type LifecycleParts = {
  readonly clock: Clock;
  readonly gateway: {
    readonly sessions: number;
    drain(): void;
    end(reason: string): void;
    endUnrecorded(reason: string): void;
    ended(): Promise<void>;
  };
  readonly listener: { stop(): Promise<void>; cut(): void };
  /** Seals what is recorded and ends the writer. */
  readonly seal: () => Promise<void>;
  /** Others need not wait until the lease has run out. */
  readonly closeLease: () => Promise<void>;
  /** What else ends with the task; the order is that of the list. */
  readonly last: readonly (() => void | Promise<void>)[];
  readonly report: (error: unknown) => void;
  readonly exit: (status: 0 | 1) => void;
};

/** The load balancer needs two failed checks, 5 s apart, to send new clients elsewhere; until then they are let in. */
const ROUTED_MS = 15_000;
/** ECS waits 120 s (`stopTimeout`): ten are left for what cannot be drained. */
const DRAIN_MS = 110_000;
/** Clients that do not read their last words. */
const CUT_AFTER_MS = 2_000;
/** What has failed may hang: the process goes all the same, and others find its lease run out. */
const PATIENCE_MS = 8_000;

/** Something without which no session may go on. */
export class TaskFailed extends SallyportError {
  readonly code = 'task-failed';
}

export class Lifecycle {
  readonly #parts: LifecycleParts;
  #state: 'serving' | 'draining' | 'stopping' | 'failed' = 'serving';

  constructor(parts: LifecycleParts) {
    this.#parts = parts;
  }

  /** No session should come any more. */
  get draining(): boolean {
    return this.#state !== 'serving';
  }

  /**
   * A newer deployment serves: this task says at once that it wants no more sessions, and a little later ends those it has at their
   * next transaction boundary. Then it waits for its stop.
   */
  drain(): void {
    if (this.#state !== 'serving') return;
    this.#state = 'draining';
    const { clock, gateway } = this.#parts;
    clock.after(ROUTED_MS, () => gateway.drain());
  }

  /** No session comes in any more, all end within two minutes, and the process with status 0. */
  stop(): void {
    if (this.#state === 'stopping' || this.#state === 'failed') return;
    this.#state = 'stopping';
    const { clock, gateway, listener } = this.#parts;
    gateway.drain();
    const stopped = listener.stop();
    const patience = clock.after(DRAIN_MS, () => gateway.end('the gateway is shutting down'));
    const cut = clock.after(DRAIN_MS + CUT_AFTER_MS, () => listener.cut());
    void this.#finish(stopped, [patience, cut]);
  }

  /** Sessions end now; the process follows within seconds, with status 1. */
  fail(error: unknown, sessions: 'unrecorded' | 'interrupted'): void {
    const { clock, gateway, listener, report, exit } = this.#parts;
    report(error);
    if (this.#state === 'failed') return;
    const stopping = this.#state === 'stopping';
    this.#state = 'failed';
    const reason = error instanceof SallyportError ? error.message : 'the gateway met an error of its own';
    clock.after(PATIENCE_MS, () => exit(1));
    clock.after(CUT_AFTER_MS, () => listener.cut());
    if (sessions === 'unrecorded') gateway.endUnrecorded(reason);
    else gateway.end(reason);
    // A stop that is under way goes on from here, faster.
    if (!stopping) void this.#finish(listener.stop(), []);
  }

  async #finish(stopped: Promise<void>, timers: readonly { cancel(): void }[]): Promise<void> {
    const { gateway, seal, closeLease, last, clock, exit } = this.#parts;
    await this.#done(() => gateway.ended());
    await this.#done(() => stopped);
    for (const timer of timers) timer.cancel();
    // From here on nobody waits for anything but these.
    clock.after(PATIENCE_MS, () => exit(1));
    const sealed = await this.#done(seal);
    // What is not sealed is for the sweeper, who looks at leases that have run out.
    if (sealed) await this.#done(closeLease);
    for (const step of last) await this.#done(step);
    exit(sealed && this.#state !== 'failed' ? 0 : 1);
  }

  /** One part that cannot end well must not keep the others. */
  async #done(step: () => void | Promise<void>): Promise<boolean> {
    try {
      await step();
      return true;
    } catch (error) {
      this.#parts.report(error);
      return false;
    }
  }
}
