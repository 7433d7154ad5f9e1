/**
 * DDL that sessions of one target have under way: until its transaction has ended and the catalog has been read again, names
 * may come to mean something else under the statements of all others. PostgreSQL makes a statement wait for locks before it
 * looks names up, so one that was judged before may read what was renamed after.
 */
import type { Effect } from '../../core/statement/effect.ts';

export class NamesInFlux {
  readonly #sessions = new Set<string>();
  readonly #startedAt = new WeakMap<object, number>();
  readonly #waiting = new Set<() => void>();
  #changes = 0;

  begin(session: string): void {
    this.#sessions.add(session);
    this.#changes += 1;
  }

  /** The catalog that everyone judges by holds what the session did. */
  end(session: string): void {
    if (!this.#sessions.delete(session)) return;
    this.#changes += 1;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const settled of waiting) settled();
  }

  /** Calls back once, when some session's change is over. */
  onceSettled(settled: () => void): { stop(): void } {
    this.#waiting.add(settled);
    return { stop: () => void this.#waiting.delete(settled) };
  }

  has(session: string): boolean {
    return this.#sessions.has(session);
  }

  /** Whether another session is changing names now. */
  byOthers(session: string): boolean {
    return this.#sessions.size > (this.#sessions.has(session) ? 1 : 0);
  }

  /** A statement is about to be sent. */
  started(run: object): void {
    this.#startedAt.set(run, this.#changes);
  }

  /** Whether names may have changed since the statement was sent. */
  changedSince(run: object): boolean {
    return this.#startedAt.get(run) !== this.#changes;
  }
}

/** Whether a statement can make an existing name mean another relation or column: creating what did not exist cannot. */
export function movesNames(effects: readonly Effect[]): boolean {
  return effects.some(
    ({ action, resource }) =>
      (action === 'alter' || action === 'alterMasked' || action === 'drop') &&
      resource.type !== 'Function' &&
      resource.path[0]?.startsWith('pg_temp') !== true,
  );
}
