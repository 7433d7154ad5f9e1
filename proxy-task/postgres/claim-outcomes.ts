/** What became of approved statements: told to the gate when the transaction ends, and again when the client has its answer. */
import type { ClaimOutcome } from '../../core/approval/approval.ts';
import type { ApprovalGate, Clock } from '../ports.ts';
import type { TransactionStatus } from './session-machine.ts';

type Result = ClaimOutcome['result'];
type Undelivered = { readonly id: string; readonly rows: number; readonly result: Result };

export class ClaimOutcomes {
  readonly #gate: ApprovalGate;
  readonly #clock: Clock;
  /** Claimed and sent; the target has not said how it ended. */
  readonly #claimed = new Set<string>();
  /** Executed in the transaction that is open. */
  #open: { readonly id: string; readonly rows: number }[] = [];
  /** Settled, the answer not yet written to the client's socket. */
  #undelivered: Undelivered[] = [];
  #rolledBack = false;
  #partly = false;

  constructor(gate: ApprovalGate, clock: Clock) {
    this.#gate = gate;
    this.#clock = clock;
  }

  /** It goes upstream now, and nothing else is owed. */
  claimed(id: string): void {
    this.#claimed.add(id);
  }

  completed(id: string, rows: number): void {
    this.#claimed.delete(id);
    this.#open.push({ id, rows });
  }

  /** An error: the implicit transaction is undone, an explicit one can only be rolled back. */
  failed(id: string | undefined): void {
    this.#rolledBack = true;
    if (id === undefined) return;
    this.#claimed.delete(id);
    this.#settle({ id, rows: 0, result: 'failed' });
  }

  /** `toSavepoint`: part of the transaction is undone, and which part is not followed. */
  rolledBack(toSavepoint: boolean): void {
    if (toSavepoint) {
      this.#partly = true;
      this.#rolledBack = false;
    } else this.#rolledBack = true;
  }

  /** The target is ready for the next statement. */
  ready(status: TransactionStatus): void {
    if (status !== 'I') return;
    const result = this.#partly ? 'unknown' : this.#rolledBack ? 'rolledBack' : 'committed';
    for (const { id, rows } of this.#open) this.#settle({ id, rows, result });
    // Bound but never executed: its portal is gone with the transaction.
    for (const id of this.#claimed) this.#settle({ id, rows: 0, result: 'failed' });
    this.#claimed.clear();
    this.#open = [];
    this.#rolledBack = false;
    this.#partly = false;
  }

  /** Everything settled so far has reached the client's socket. */
  delivered(): void {
    if (this.#undelivered.length === 0) return;
    const told = this.#undelivered;
    this.#undelivered = [];
    for (const each of told) this.#tell(each, true);
  }

  get awaitsDelivery(): boolean {
    return this.#undelivered.length > 0;
  }

  /** The session ends: what is open was rolled back with the connection, what was under way is not known. */
  abandon(unfinished: readonly string[], commitPending: boolean): void {
    for (const { id, rows } of this.#open) this.#tell({ id, rows, result: commitPending ? 'unknown' : 'rolledBack' }, false);
    for (const id of unfinished) this.#tell({ id, rows: 0, result: 'unknown' }, false);
    this.#open = [];
  }

  #settle(outcome: Undelivered): void {
    this.#undelivered.push(outcome);
    this.#tell(outcome, false);
  }

  #tell({ id, rows, result }: Undelivered, answerDelivered: boolean): void {
    // The gate keeps `running`, which a later start turns into `unknown`: never less careful than the truth.
    this.#gate.settle(id, { result, rows, atMs: this.#clock.now(), answerDelivered }).catch(() => undefined);
  }
}
