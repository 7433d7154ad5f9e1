import { principalName, type Principal } from '../../core/principal.ts';
import type { Budget } from '../../core/target.ts';
import { StateUnavailable, type BudgetCounter, type Clock, type Control } from '../ports.ts';

export type SharedBudgetPorts = {
  readonly counter: BudgetCounter;
  readonly clock: Clock;
  /** The budgets of a target; undefined for a target that is gone, which has nothing to spend. */
  readonly budgetsOf: (target: string) => readonly Budget[] | undefined;
  /** Told when counting begins to fail. */
  readonly report: (error: unknown) => void;
};

type Window = {
  readonly counter: string;
  readonly startMs: number;
  readonly endMs: number;
  /** The total of all tasks at the last answer, and when its question was asked; 0 and never before the first. */
  known: number;
  knownUs: number | undefined;
  /** Spent here and on its way to the counter, or waiting for it. */
  sending: number;
  waiting: number;
  /** Since when something spent here is not confirmed. */
  unconfirmedUs: number | undefined;
  flushing: boolean;
};

const WINDOW_MS = { hour: 3_600_000, day: 86_400_000 } as const;
/** A total that is older is asked for again with the next spending. */
const COUNT_EVERY_MS = 1_000;
/** What is spent is told at once when it is more than this part of what was left. */
const TOLD_AT_ONCE = 1 / 16;
/** Nothing could be counted for so long: nothing more is spent, since others may spend it too. */
const UNCONFIRMED_MS = 5_000;
/** Counters are kept after their window for clocks that go wrong; then DynamoDB removes them. */
const KEPT_MS = 86_400_000;
/** Windows are kept in memory up to this many; over it, finished ones are dropped. */
const MAX_WINDOWS = 10_000;

/**
 * Budgets that many tasks spend from, in calendar hours and days of UTC. What is spent here is checked against the last total of
 * all tasks plus what this task has added since, and told to the counter within a second; at once when the last total is older
 * than that, or when it is more than a sixteenth of what was left. So a budget is exceeded by at most what the *other* tasks release
 * to the same principal between two of their own answers: one round trip each when little is left, a second each otherwise, and
 * never more than what was left at their last answer. One task alone exceeds nothing. Where counting fails, a task spends for 5 s
 * at most, then refuses. An answer that was lost may be counted twice: never too little.
 */
export class SharedBudgets {
  readonly #ports: SharedBudgetPorts;
  readonly #windows = new Map<string, Window>();
  readonly #owing = new Set<Window>();
  #timer: { cancel(): void } | undefined;
  #failing = false;

  constructor(ports: SharedBudgetPorts) {
    this.#ports = ports;
  }

  /** Reads what the principal has spent on the target, so that a new task does not begin at nothing. Throws StateUnavailable. */
  async prepare(principal: Principal, target: string): Promise<void> {
    const nowMs = this.#ports.clock.now();
    const windows = new Set<Window>();
    for (const { per, measure } of this.#ports.budgetsOf(target) ?? [])
      if (per !== 'session') windows.add(this.#window(principal, target, measure, per, nowMs));
    await Promise.all([...windows].filter((window) => this.#isOld(window)).map((window) => this.#count(window)));
  }

  spend(principal: Principal, target: string, measure: Budget['measure'], amount: number): ReturnType<Control['spend']> {
    const nowMs = this.#ports.clock.now();
    if (!Number.isFinite(amount) || amount < 0) throw new Error(`not an amount: ${amount}`);
    const budgets = this.#ports.budgetsOf(target);
    if (budgets === undefined) return { ok: false, limit: 0, used: 0, renewsAtMs: nowMs };
    const charged = new Map<Window, number>();
    for (const budget of budgets) {
      if (budget.measure !== measure || budget.per === 'session') continue;
      const window = this.#window(principal, target, measure, budget.per, nowMs);
      const used = usedIn(window);
      if (used + amount > budget.limit || this.#isUncounted(window)) {
        return { ok: false, limit: budget.limit, used, renewsAtMs: window.endMs };
      }
      charged.set(window, Math.min(budget.limit, charged.get(window) ?? budget.limit));
    }
    // Nothing is charged unless all of it fits.
    for (const [window, limit] of charged) {
      window.waiting += amount;
      window.unconfirmedUs ??= this.#ports.clock.monoUs();
      this.#owing.add(window);
      if (this.#isOld(window) || window.waiting + window.sending > (limit - window.known) * TOLD_AT_ONCE) this.#tell(window);
    }
    if (this.#owing.size > 0) this.#tellLater();
    return { ok: true };
  }

  /** Tells everything that was spent here: for a task that ends. Throws StateUnavailable. */
  async flush(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    await Promise.all(Array.from(this.#owing, (window) => this.#count(window)));
  }

  #isOld(window: Window): boolean {
    return window.knownUs === undefined || this.#ports.clock.monoUs() - window.knownUs >= COUNT_EVERY_MS * 1_000;
  }

  #isUncounted(window: Window): boolean {
    return window.unconfirmedUs !== undefined && this.#ports.clock.monoUs() - window.unconfirmedUs >= UNCONFIRMED_MS * 1_000;
  }

  #tellLater(): void {
    this.#timer ??= this.#ports.clock.after(COUNT_EVERY_MS, () => {
      this.#timer = undefined;
      for (const window of this.#owing) this.#tell(window);
      if (this.#owing.size > 0) this.#tellLater();
    });
  }

  #tell(window: Window): void {
    if (window.flushing) return;
    this.#count(window).then(
      () => {
        this.#failing = false;
      },
      (error: unknown) => {
        // What could not be told stays owed, and is told again within the second.
        if (!this.#failing) this.#ports.report(error);
        this.#failing = true;
      },
    );
  }

  async #count(window: Window): Promise<void> {
    const { counter, clock } = this.#ports;
    const askedUs = clock.monoUs();
    const amount = window.waiting;
    window.flushing = true;
    window.waiting -= amount;
    window.sending += amount;
    try {
      const total = await counter.add(window.counter, amount, window.endMs + KEPT_MS);
      // Two questions may be under way, and the sum never falls: the greater answer is the newer.
      window.known = Math.max(window.known, total);
      window.knownUs = askedUs;
      window.unconfirmedUs = window.waiting > 0 ? askedUs : undefined;
    } catch (error) {
      window.waiting += amount;
      if (window.waiting > 0) window.unconfirmedUs ??= askedUs;
      throw error instanceof StateUnavailable ? error : new StateUnavailable('a budget could not be counted', { cause: error });
    } finally {
      window.sending -= amount;
      window.flushing = false;
    }
    if (window.waiting === 0 && window.sending === 0) this.#owing.delete(window);
  }

  #window(principal: Principal, target: string, measure: Budget['measure'], per: 'hour' | 'day', nowMs: number): Window {
    const scope = [principalName(principal), target, measure, per].map(encodeURIComponent).join('|');
    const startMs = nowMs - (nowMs % WINDOW_MS[per]);
    const held = this.#windows.get(scope);
    // A clock that was set back must not open the old window again with nothing used.
    if (held !== undefined && startMs <= held.startMs) return held;
    if (this.#windows.size >= MAX_WINDOWS) this.#dropFinished(nowMs);
    const window: Window = {
      counter: `${scope}|${new Date(startMs).toISOString()}`,
      startMs,
      endMs: startMs + WINDOW_MS[per],
      known: 0,
      knownUs: undefined,
      sending: 0,
      waiting: 0,
      unconfirmedUs: undefined,
      flushing: false,
    };
    this.#windows.set(scope, window);
    return window;
  }

  #dropFinished(nowMs: number): void {
    for (const [scope, window] of this.#windows) if (nowMs >= window.endMs) this.#windows.delete(scope);
  }
}

function usedIn(window: Window): number {
  return window.known + window.sending + window.waiting;
}
