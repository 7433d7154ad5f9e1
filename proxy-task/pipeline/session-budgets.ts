import type { Principal } from '../../core/principal.ts';
import type { Budget, Target } from '../../core/target.ts';
import type { Control } from '../ports.ts';

export type Spent = ReturnType<Control['spend']>;

/** What one session may still release and run: its own budgets first, then those that its principal shares with others. */
export class SessionBudgets {
  readonly #control: Control;
  readonly #principal: Principal;
  readonly #target: string;
  readonly #budgets: readonly Budget[];
  readonly #endsAtMs: () => number;
  readonly #used = new Map<Budget['measure'], number>();

  /** `endsAtMs`: a session's budget renews with the next session. */
  constructor(options: {
    readonly control: Control;
    readonly principal: Principal;
    readonly target: Pick<Target, 'name' | 'limits'>;
    readonly endsAtMs: () => number;
  }) {
    this.#control = options.control;
    this.#principal = options.principal;
    this.#target = options.target.name;
    this.#budgets = options.target.limits.budgets.filter((budget) => budget.per === 'session');
    this.#endsAtMs = options.endsAtMs;
  }

  spend(measure: Budget['measure'], amount: number): Spent {
    const used = (this.#used.get(measure) ?? 0) + amount;
    for (const budget of this.#budgets) {
      if (budget.measure !== measure || used <= budget.limit) continue;
      return { ok: false, limit: budget.limit, used: used - amount, renewsAtMs: this.#endsAtMs() };
    }
    const spent = this.#control.spend(this.#principal, this.#target, measure, amount);
    if (spent.ok) this.#used.set(measure, used);
    return spent;
  }
}
