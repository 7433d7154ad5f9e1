/** Locks, ends and budgets on one machine. Locks and sums are in `state.db`; live sessions are this process's own. */
import type { LiveSession, Lock, LockDirectory, SessionDirectory } from '../../console/ports.ts';
import { principalName, type Principal } from '../../core/principal.ts';
import type { Budget } from '../../core/target.ts';
import type { Control, StateView } from '../../proxy-task/ports.ts';
import { numberColumn, textColumn, type StateDatabase } from './state-database.ts';

export type ControlPorts = {
  readonly db: StateDatabase;
  readonly clock: { now(): number; after(ms: number, run: () => void): { cancel(): void } };
  /** The budgets of a target; undefined for a target that is gone, which has nothing to spend. */
  readonly budgetsOf: (target: string) => readonly Budget[] | undefined;
};

type Measure = Budget['measure'];
type Window = {
  readonly principal: string;
  readonly target: string;
  readonly measure: Measure;
  readonly per: 'hour' | 'day';
  startMs: number;
  used: number;
};
type Watched = { session: LiveSession; readonly principal: Principal; readonly ended: (by: string, reason: string) => void };

const WINDOW_MS = { hour: 3_600_000, day: 86_400_000 } as const;

/** Sums reach the disk this long after they change: a killed process forgets at most so much spending. */
const SAVE_AFTER_MS = 1_000;

/** Windows are kept in memory up to this many; over it, finished ones are dropped. */
const MAX_WINDOWS = 10_000;

/**
 * Budgets run in calendar hours and days of UTC, so that everyone can say when they renew. Budgets per session are the
 * session's own to count. One per data directory.
 */
export class SqliteControl implements Control, SessionDirectory, LockDirectory {
  readonly #ports: ControlPorts;
  readonly #locks = new Map<string, Lock>();
  readonly #watched = new Map<string, Watched>();
  readonly #windows = new Map<string, Window>();
  readonly #unsaved = new Set<Window>();
  #save: { cancel(): void } | undefined;

  constructor(ports: ControlPorts) {
    this.#ports = ports;
    for (const row of ports.db.prepare('SELECT subject, locked_by, reason, locked_at FROM control_lock').all()) {
      const subject = textColumn(row, 'subject');
      this.#locks.set(subject, {
        subject,
        by: textColumn(row, 'locked_by'),
        reason: textColumn(row, 'reason'),
        lockedAtMs: numberColumn(row, 'locked_at'),
      });
    }
  }

  refusal(principal: Principal): string | undefined {
    const lock = this.#lockOf(principal);
    return lock === undefined ? undefined : `locked by ${lock.by}: ${lock.reason}`;
  }

  watch(session: { readonly id: string; readonly principal: Principal }, ended: (by: string, reason: string) => void): { stop(): void } {
    const { id, principal } = session;
    const { human, owner } = principal;
    const live: LiveSession = {
      id,
      principal: principalName(principal),
      ...(human === undefined ? {} : { human }),
      ...(owner === undefined ? {} : { owner }),
      openedAtMs: this.#ports.clock.now(),
    };
    const watched: Watched = { session: live, principal, ended };
    this.#watched.set(id, watched);
    const lock = this.#lockOf(principal);
    // Locked between its login and now: the session ends as if the lock had come later.
    if (lock !== undefined) queueMicrotask(() => this.#end(watched, lock.by, lock.reason));
    return {
      stop: () => {
        if (this.#watched.get(id) === watched) this.#watched.delete(id);
      },
    };
  }

  /** Adds what `watch` is not told, for the list of live sessions. */
  describe(id: string, known: { readonly target: string; readonly source: string }): void {
    const watched = this.#watched.get(id);
    if (watched !== undefined) watched.session = { ...watched.session, ...known };
  }

  async list(limit: number): Promise<{ readonly sessions: readonly LiveSession[]; readonly more: boolean }> {
    const sessions = [...this.#watched.values()].slice(0, limit).map(({ session }) => session);
    return { sessions, more: this.#watched.size > limit };
  }

  async end(id: string, by: string, reason: string): Promise<boolean> {
    const watched = this.#watched.get(id);
    return watched !== undefined && this.#end(watched, by, reason);
  }

  async locks(): Promise<readonly Lock[]> {
    return [...this.#locks.values()];
  }

  /**
   * Locks a principal (`corp/agent-7`) or a person (`alice@bank.example`): no new sessions for it or on its behalf, and
   * the live ones end. On disk before the first of them is told.
   */
  async lock(subject: string, by: string, reason: string): Promise<number> {
    const lockedAtMs = this.#ports.clock.now();
    this.#ports.db
      .prepare('INSERT OR REPLACE INTO control_lock (subject, locked_by, reason, locked_at) VALUES (?, ?, ?, ?)')
      .run(subject, by, reason, lockedAtMs);
    this.#locks.set(subject, { subject, by, reason, lockedAtMs });
    const theirs = [...this.#watched.values()].filter(({ principal }) => subjectsOf(principal).includes(subject));
    return theirs.filter((watched) => this.#end(watched, by, reason)).length;
  }

  /** False when it was not locked. */
  async unlock(subject: string): Promise<boolean> {
    this.#ports.db.prepare('DELETE FROM control_lock WHERE subject = ?').run(subject);
    return this.#locks.delete(subject);
  }

  spend(principal: Principal, target: string, measure: Measure, amount: number): ReturnType<Control['spend']> {
    const nowMs = this.#ports.clock.now();
    if (!Number.isFinite(amount) || amount < 0) throw new Error(`not an amount: ${amount}`);
    const budgets = this.#ports.budgetsOf(target);
    if (budgets === undefined) return { ok: false, limit: 0, used: 0, renewsAtMs: nowMs };
    const charged: Window[] = [];
    for (const budget of budgets) {
      if (budget.measure !== measure || budget.per === 'session') continue;
      const window = this.#window(principalName(principal), target, measure, budget.per, nowMs);
      if (window.used + amount > budget.limit) {
        return { ok: false, limit: budget.limit, used: window.used, renewsAtMs: window.startMs + WINDOW_MS[budget.per] };
      }
      if (!charged.includes(window)) charged.push(window);
    }
    // Nothing is charged unless all of it fits.
    for (const window of charged) {
      window.used += amount;
      this.#unsaved.add(window);
    }
    if (charged.length > 0) this.#save ??= this.#ports.clock.after(SAVE_AFTER_MS, () => this.#saveLater());
    return { ok: true };
  }

  // One process holds every session of one machine.
  async cancelElsewhere(): Promise<void> {}

  async prepare(): Promise<void> {}

  // What this process was told is all there is.
  view(): StateView {
    return 'current';
  }

  /** Writes the sums that changed; also for a serving process that ends. */
  flush(): void {
    this.#save?.cancel();
    this.#save = undefined;
    const { db } = this.#ports;
    const write = db.prepare(
      'INSERT OR REPLACE INTO control_budget (principal, target, measure, per, window_start, used) VALUES (?, ?, ?, ?, ?, ?)',
    );
    db.transaction(() => {
      for (const { principal, target, measure, per, startMs, used } of this.#unsaved)
        write.run(principal, target, measure, per, startMs, used);
    }).immediate();
    this.#unsaved.clear();
  }

  #saveLater(): void {
    try {
      this.flush();
    } catch {
      // The sums in memory still hold and are tried again; only a process killed meanwhile forgets them.
      this.#save = this.#ports.clock.after(SAVE_AFTER_MS, () => this.#saveLater());
    }
  }

  #end(watched: Watched, by: string, reason: string): boolean {
    const { id } = watched.session;
    if (this.#watched.get(id) !== watched) return false;
    this.#watched.delete(id);
    watched.ended(by, reason);
    return true;
  }

  #lockOf(principal: Principal): Lock | undefined {
    for (const subject of subjectsOf(principal)) {
      const lock = this.#locks.get(subject);
      if (lock !== undefined) return lock;
    }
    return undefined;
  }

  #window(principal: string, target: string, measure: Measure, per: 'hour' | 'day', nowMs: number): Window {
    const key = JSON.stringify([principal, target, measure, per]);
    const startMs = nowMs - (nowMs % WINDOW_MS[per]);
    let window = this.#windows.get(key);
    if (window === undefined) {
      if (this.#windows.size >= MAX_WINDOWS) this.#dropFinished(nowMs);
      window = this.#stored(principal, target, measure, per) ?? { principal, target, measure, per, startMs, used: 0 };
      this.#windows.set(key, window);
    }
    // A clock that was set back must not open the old window again with nothing used.
    if (startMs > window.startMs) Object.assign(window, { startMs, used: 0 });
    return window;
  }

  #stored(principal: string, target: string, measure: Measure, per: 'hour' | 'day'): Window | undefined {
    const row: unknown = this.#ports.db
      .prepare('SELECT window_start, used FROM control_budget WHERE principal = ? AND target = ? AND measure = ? AND per = ?')
      .get(principal, target, measure, per);
    if (row === undefined) return undefined;
    return { principal, target, measure, per, startMs: numberColumn(row, 'window_start'), used: numberColumn(row, 'used') };
  }

  #dropFinished(nowMs: number): void {
    for (const [key, window] of this.#windows) {
      if (nowMs >= window.startMs + WINDOW_MS[window.per] && !this.#unsaved.has(window)) this.#windows.delete(key);
    }
  }
}

function subjectsOf(principal: Principal): readonly string[] {
  return [principalName(principal), principal.human, principal.owner].filter((subject) => subject !== undefined);
}
