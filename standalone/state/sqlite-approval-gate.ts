/** Approvals on one machine: every change is one transaction that reads, applies the lifecycle and writes. */
import type { Ballot, BallotOutcome, ApprovalDesk } from '../../console/ports.ts';
import type { Approval, ApprovalRequest, ClaimOutcome, Vote } from '../../core/approval/approval.ts';
import { GateUnavailable, RequestUnapprovable } from '../../core/approval/gate-errors.ts';
import type { ApprovalGate } from '../../core/approval/gate.ts';
import { abandoned, asOf, pendingApproval, step, type ApprovalEvent, type Transition } from '../../core/approval/lifecycle.ts';
import { unapprovable } from '../../core/approval/quorum.ts';
import { MAX_PENDING_PER_PRINCIPAL, unreadable } from '../../core/approval/readable.ts';
import { stillFresh, verifyVoter, type VerifyIdToken } from '../../core/approval/votes.ts';
import { principalName } from '../../core/principal.ts';
import { ApprovalTable } from './approval-table.ts';
import type { StateDatabase } from './state-database.ts';

export type GatePorts = {
  readonly db: StateDatabase;
  readonly clock: { now(): number; after(ms: number, run: () => void): { cancel(): void } };
  readonly verifyIdToken: VerifyIdToken;
  /** Tells people that somebody waits. Failures are its own business: the page has the request either way. */
  readonly notify: (approval: Approval) => void;
};

/** How soon a store that failed is tried again. */
const RETRY_MS = 1_000;

/** Timers overflow above 2^31 - 1 ms; a later deadline is looked at again then. */
const MAX_TIMER_MS = 2_147_483_647;

/**
 * The embedded gate, and the desk where people decide. One per data directory, whose lock must be held: opening it
 * marks executions that a dead process left under way as unknown.
 */
export class SqliteApprovalGate implements ApprovalGate, ApprovalDesk {
  readonly #ports: GatePorts;
  readonly #table: ApprovalTable;
  readonly #watchers = new Map<string, Set<(approval: Approval) => void>>();
  /** Claimed by this process: whoever writes the file cannot make them usable again while it runs. */
  readonly #used = new Set<string>();
  #timer: { cancel(): void } | undefined;

  constructor(ports: GatePorts) {
    this.#ports = ports;
    this.#table = new ApprovalTable(ports.db);
    for (const id of this.#table.running()) this.#change(id, (approval, nowMs) => abandoned(approval, nowMs));
    this.#expireDue();
  }

  async request(request: ApprovalRequest): Promise<ApprovalRequest> {
    const never = unapprovable(request) ?? unreadable(request);
    if (never !== undefined) throw new RequestUnapprovable(never);
    const added = this.#guarded(() => {
      const known = this.#table.load(request.id);
      if (known !== undefined) {
        if (known.approval.request.digest !== request.digest)
          throw new GateUnavailable('an approval with this id is for another statement');
        return { approval: known.approval, isNew: false };
      }
      const principal = principalName(request.principal);
      if (this.#table.countPending(principal, this.#ports.clock.now()) >= MAX_PENDING_PER_PRINCIPAL) {
        throw new GateUnavailable(`${principal} already waits for ${MAX_PENDING_PER_PRINCIPAL} answers: withdraw some or wait`);
      }
      const approval = pendingApproval(request);
      this.#table.insert(approval, principal);
      return { approval, isNew: true };
    });
    if (added.isNew) {
      this.#arm();
      this.#ports.notify(added.approval);
    }
    return added.approval.request;
  }

  async find(digest: string): Promise<readonly Approval[]> {
    const nowMs = this.#ports.clock.now();
    return this.#guarded(() => this.#table.byDigest(digest))
      .map((approval) => asOf(approval, nowMs))
      .filter(
        ({ request, state, claim }) =>
          state === 'pending' ||
          (state === 'approved' && !this.#used.has(request.id)) ||
          (state === 'claimed' && claim !== undefined && !claim.outcome.answerDelivered),
      );
  }

  async read(id: string): Promise<Approval | undefined> {
    const stored = this.#guarded(() => this.#table.load(id));
    return stored === undefined ? undefined : asOf(stored.approval, this.#ports.clock.now());
  }

  async list(filter: { readonly open: boolean; readonly limit: number }): Promise<readonly Approval[]> {
    const nowMs = this.#ports.clock.now();
    return this.#guarded(() => this.#table.newest(filter, nowMs)).map((approval) => asOf(approval, nowMs));
  }

  watch(id: string, changed: (approval: Approval) => void): { stop(): void } {
    const watchers = this.#watchers.get(id) ?? new Set();
    // A wrapper of its own, so that two watches with one function are two.
    const watcher = (approval: Approval): void => changed(approval);
    watchers.add(watcher);
    this.#watchers.set(id, watchers);
    // After this returns, so that the callback can already stop the watch.
    queueMicrotask(() => {
      if (watchers.has(watcher)) this.#present(id, watchers, watcher);
    });
    return {
      stop: () => {
        watchers.delete(watcher);
        if (watchers.size === 0 && this.#watchers.get(id) === watchers) this.#watchers.delete(id);
      },
    };
  }

  async claim(id: string, by: { readonly session: string; readonly writer: string; readonly statement: number }): Promise<boolean> {
    if (this.#used.has(id) || !this.#applied(id, (atMs) => ({ type: 'claim', by, atMs }))) return false;
    this.#used.add(id);
    return true;
  }

  async withdraw(id: string, reason: string): Promise<boolean> {
    return this.#applied(id, (atMs) => ({ type: 'withdraw', reason, atMs }));
  }

  async settle(id: string, outcome: ClaimOutcome): Promise<void> {
    this.#applied(id, () => ({ type: 'settle', outcome }));
  }

  async vote(id: string, ballot: Ballot): Promise<BallotOutcome> {
    const before = await this.read(id);
    if (before === undefined) return { kind: 'not-found' };
    const { request } = before;
    const checked = await verifyVoter(request, ballot.idToken, this.#ports.clock.now(), this.#ports.verifyIdToken);
    if (!checked.ok) return { kind: 'refused', code: 'sign-in-invalid', reason: checked.reason, approval: before };
    const { voter } = checked;
    let stale: string | undefined;
    const next = this.#change(id, (approval, nowMs) => {
      // Never before an earlier vote: a clock that was set back must not move the decision.
      const atMs = Math.max(nowMs, ...approval.votes.map((vote) => vote.atMs));
      const fresh = stillFresh(voter, atMs);
      if (!fresh.ok) {
        stale = fresh.reason;
        return undefined;
      }
      const vote: Vote = { ...ballot, person: voter.person, groups: voter.groups, atMs };
      return step(approval, { type: 'vote', vote });
    });
    if (stale !== undefined) return { kind: 'refused', code: 'sign-in-invalid', reason: stale, approval: before };
    if (next === undefined) return { kind: 'not-found' };
    return next.kind === 'changed' ? { kind: 'counted', approval: next.approval } : next;
  }

  /** Stops the clock; for a serving process that ends, before the database is closed. */
  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#watchers.clear();
  }

  #applied(id: string, eventAt: (nowMs: number) => ApprovalEvent): boolean {
    return this.#change(id, (approval, nowMs) => step(approval, eventAt(nowMs)))?.kind === 'changed';
  }

  /** Reads, decides and writes in one transaction; watchers hear of it after it is on disk. */
  #change(id: string, decide: (approval: Approval, nowMs: number) => Transition | undefined): Transition | undefined {
    const next = this.#guarded(() => {
      const stored = this.#table.load(id);
      if (stored === undefined) return undefined;
      const transition = decide(stored.approval, this.#ports.clock.now());
      // A refusal may still have found that the time is up: that is stored too.
      const moved = transition !== undefined && (transition.kind === 'changed' || transition.approval.state !== stored.approval.state);
      if (moved) this.#table.update(stored, transition.approval);
      return transition === undefined ? undefined : { transition, moved };
    });
    if (next === undefined) return undefined;
    if (next.moved) {
      this.#arm();
      this.#tell(next.transition.approval);
    }
    return next.transition;
  }

  #guarded<T>(run: () => T): T {
    try {
      return this.#ports.db.transaction(run).immediate();
    } catch (cause) {
      if (cause instanceof GateUnavailable) throw cause;
      throw new GateUnavailable('the approval store cannot be used', { cause });
    }
  }

  #present(id: string, watchers: Set<(approval: Approval) => void>, watcher: (approval: Approval) => void): void {
    try {
      const stored = this.#table.load(id);
      if (stored !== undefined) watcher(asOf(stored.approval, this.#ports.clock.now()));
    } catch {
      // As in `#tell`; a store that cannot be read refuses the claim too.
      watchers.delete(watcher);
    }
  }

  #tell(approval: Approval): void {
    const watchers = this.#watchers.get(approval.request.id) ?? new Set();
    for (const watcher of watchers) {
      try {
        watcher(approval);
      } catch {
        // One session's bug must not undo another's answer, which is stored. The statement it holds ends with its hold, unsent.
        watchers.delete(watcher);
      }
    }
  }

  #expireDue(): void {
    for (const id of this.#guarded(() => this.#table.due(this.#ports.clock.now()))) {
      this.#applied(id, (atMs) => ({ type: 'expire', atMs }));
    }
    this.#arm();
  }

  /** One timer for the nearest deadline. */
  #arm(): void {
    this.#timer?.cancel();
    const nearest = this.#guarded(() => this.#table.nearestDeadline());
    if (nearest === undefined) {
      this.#timer = undefined;
      return;
    }
    this.#wakeAfter(Math.min(Math.max(nearest - this.#ports.clock.now(), 1), MAX_TIMER_MS));
  }

  #wakeAfter(ms: number): void {
    this.#timer = this.#ports.clock.after(ms, () => {
      try {
        this.#expireDue();
      } catch {
        // Nothing can be used late because of this: every read and claim judges the time by itself.
        this.#wakeAfter(RETRY_MS);
      }
    });
  }
}
