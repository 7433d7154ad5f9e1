/**
 * One statement that waits for people (design §8): finds or makes its approval, tells the client, and once it is
 * approved claims it, exactly once, for exactly the bytes in hand. Asked again at every wake with the statement as it is
 * judged then: if anything that the approval is bound to has changed, it asks anew.
 */
import { approvalRequest, statementDigest } from '../../core/approval/build-request.ts';
import type { Approval, ApprovalRequest } from '../../core/approval/approval.ts';
import { RequestUnapprovable } from '../../core/approval/gate-errors.ts';
import type { RawSql } from '../../core/approval/raw-statement.ts';
import { verifyDecision } from '../../core/approval/votes.ts';
import { newApprovalId } from '../pipeline/approval-id.ts';
import { approversOf, endOf, lostOutcome, NOTICE_EVERY_MS, RETRY_AFTER_MS } from '../pipeline/approval-rules.ts';
import type { HeldStatement } from './held-statement.ts';
import type { LiveSession } from './live-session.ts';
import {
  approvalExpired,
  approvalMismatch,
  approvalRejected,
  approvalRequired,
  approvalUsed,
  blockedByPolicy,
  canceledWhileHeld,
  encodeRefusalNotice,
  type Refusal,
} from './refusal.ts';

export type HoldStatus =
  | { readonly kind: 'waiting' }
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  | { readonly kind: 'claimed'; readonly approvalId: string };

/** Locks of an open transaction block others (design §8). */
const MAX_HOLD_IN_TRANSACTION_MS = 15_000;

const WAITING: HoldStatus = { kind: 'waiting' };

export class Hold {
  readonly #session: LiveSession;
  readonly #startedAtMs: number;
  #digest = '';
  #demand = '';
  #status: HoldStatus = WAITING;
  #approval: Approval | undefined;
  #watch: { stop(): void } | undefined;
  #timers: { cancel(): void }[] = [];
  #generation = 0;
  #claiming = false;
  /** Whether the catalog was read again since the approval was seen. */
  #recheck: 'due' | 'reading' | 'done' = 'due';

  constructor(session: LiveSession, _statement: HeldStatement) {
    this.#session = session;
    this.#startedAtMs = session.clock.now();
  }

  get status(): HoldStatus {
    return this.#status;
  }

  get approvalId(): string | undefined {
    return this.#approval?.request.id;
  }

  /** Where it stands, for the statement as it is judged now. */
  advance(statement: HeldStatement): HoldStatus {
    const { keys, principal, target, judge } = this.#session;
    const digest = statementDigest(keys.digest, statement, { principal, target, state: judge.view.state });
    const demand = JSON.stringify([statement.verdict.demand, statement.verdict.policies]);
    if (digest !== this.#digest || demand !== this.#demand) {
      if (this.#digest !== '') this.#abandon();
      this.#digest = digest;
      this.#demand = demand;
      this.#status = WAITING;
      this.#generation += 1;
      this.#attempt(this.#begin(statement, this.#generation));
      return this.#status;
    }
    if (this.#status.kind === 'waiting' && this.#approval?.state === 'approved' && !this.#claiming) {
      if (this.#recheck === 'due') this.#attempt(this.#readCatalog(this.#generation));
      else if (this.#recheck === 'done') {
        this.#claiming = true;
        this.#attempt(this.#claim(statement, this.#approval, this.#generation));
      }
    }
    return this.#status;
  }

  /** What is reached may have been changed while people decided, and the snapshot not yet know: it is judged once more. */
  async #readCatalog(generation: number): Promise<void> {
    this.#recheck = 'reading';
    await this.#session.runtime.catalogSource.refresh();
    if (generation !== this.#generation) return;
    this.#recheck = 'done';
    this.#session.wake();
  }

  /** Whether the statement still waits, for what it was when this began. */
  #waitsIn(generation: number): boolean {
    return generation === this.#generation && this.#status.kind === 'waiting';
  }

  /** The client cancels or goes, or the statement may no longer run. */
  withdraw(reason: string): void {
    if (this.#status.kind !== 'waiting') return;
    const id = this.approvalId;
    this.#finish({ kind: 'refused', refusal: canceledWhileHeld(id ?? '') });
    if (id === undefined) return;
    this.#session.gate.withdraw(id, reason).catch(() => undefined);
    this.#decided(id, 'withdrawn', [], reason);
  }

  /** Refusals of the store are refusals of the statement: what cannot be asked is not run. */
  #attempt(work: Promise<void>): void {
    const generation = this.#generation;
    work.catch((error: unknown) => {
      if (generation !== this.#generation) return;
      const reason = error instanceof RequestUnapprovable ? error.message : 'approvals cannot be asked for now';
      this.#finish({ kind: 'refused', refusal: blockedByPolicy(reason, []) });
    });
  }

  async #begin(statement: HeldStatement, generation: number): Promise<void> {
    const { gate, settings } = this.#session;
    const digest = this.#digest;
    if (settings.approvalId !== '') {
      const named = await gate.read(settings.approvalId);
      if (generation !== this.#generation) return;
      if (named === undefined || named.request.digest !== digest) {
        const approvedDigest = named?.request.digest ?? '';
        this.#finish({ kind: 'refused', refusal: approvalMismatch({ approvalId: settings.approvalId, digest, approvedDigest }) });
        return;
      }
      const over = this.#ofEnded(named);
      if (over !== undefined) {
        this.#finish({ kind: 'refused', refusal: over });
        return;
      }
    }
    for (const found of await gate.find(digest)) {
      if (!this.#waitsIn(generation)) return;
      const lost = lostOutcome(found);
      if (lost !== undefined) {
        const { told: outcome, ...settled } = lost;
        await gate.settle(found.request.id, { ...settled, answerDelivered: true });
        const at = new Date(lost.atMs).toISOString();
        this.#finish({ kind: 'refused', refusal: approvalUsed({ approvalId: found.request.id, at, rows: lost.rows, outcome }) });
        return;
      }
      // Its execution is still under way in some session: this is a second statement that needs its own approval.
      if (found.state === 'claimed') continue;
      this.#follow(found, statement);
      return;
    }
    if (!this.#waitsIn(generation)) return;
    const request = await gate.request(this.#request(statement, digest), this.#raw(statement));
    if (!this.#waitsIn(generation)) {
      await gate.withdraw(request.id, 'the statement was taken back');
      return;
    }
    this.#follow({ request, state: 'pending', votes: [] }, statement);
  }

  /** Waits for the answer, or says at once where it will come. */
  #follow(approval: Approval, statement: HeldStatement): void {
    const session = this.#session;
    const { id, expiresAtMs } = approval.request;
    this.#approval = approval;
    const mode = session.settings.approval;
    session.recorder.append({
      type: 'approval.requested',
      statement: session.statementCount + 1,
      approval: id,
      digest: approval.request.digest,
      expiresAt: new Date(expiresAtMs).toISOString(),
      mode,
    });
    if (approval.state === 'pending' && mode === 'failfast') {
      this.#finish({ kind: 'refused', refusal: this.#required(approval, statement) });
      session.flushToClient();
      return;
    }
    if (approval.state === 'pending') {
      this.#tell(approval, statement);
      const { holdMs } = statement.verdict.demand;
      const hold = Math.min(holdMs, statement.inTransaction ? MAX_HOLD_IN_TRANSACTION_MS : holdMs);
      const left = Math.max(0, this.#startedAtMs + hold - session.clock.now());
      this.#timers.push(
        session.clock.after(left, () => {
          if (this.#status.kind === 'waiting' && !this.#claiming)
            this.#finish({ kind: 'refused', refusal: this.#required(approval, statement) });
        }),
      );
    }
    this.#watch = session.gate.watch(id, (changed) => {
      if (this.#approval?.request.id !== id || this.#status.kind !== 'waiting') return;
      if (changed.state === 'claimed') {
        // By us, or by another session that was first: this statement needs an approval of its own.
        if (!this.#claiming) this.#askAnew();
        return;
      }
      this.#approval = changed;
      const over = this.#ofEnded(changed);
      if (over !== undefined) this.#finish({ kind: 'refused', refusal: over });
      else session.wake();
    });
  }

  #tell(approval: Approval, statement: HeldStatement): void {
    const session = this.#session;
    if (this.#status.kind !== 'waiting') return;
    session.toClient.addMessage(encodeRefusalNotice(this.#required(approval, statement)));
    session.flushToClient();
    this.#timers.push(session.clock.after(NOTICE_EVERY_MS, () => this.#tell(approval, statement)));
  }

  /** The votes are checked here, signature by signature: who can write the table can still not approve. */
  async #claim(statement: HeldStatement, approval: Approval, generation: number): Promise<void> {
    const session = this.#session;
    const { id } = approval.request;
    // What runs may go on for a while after the token; nothing begins that waited for people beyond it.
    if (session.isPastDeadline) {
      this.#finish({ kind: 'refused', refusal: blockedByPolicy('the token or the session has expired', []) });
      return;
    }
    const { policies } = session.judge.view.bundle;
    const check = await verifyDecision(
      approval,
      {
        digest: this.#digest,
        principal: session.principal,
        demand: statement.verdict.demand,
        ruleAuthors: policies.authorsOf(statement.verdict.policies),
        nowMs: session.clock.now(),
      },
      session.verifyIdToken,
    );
    if (!this.#waitsIn(generation)) return;
    if (!check.ok) {
      this.#finish({
        kind: 'refused',
        refusal: blockedByPolicy(`the approval does not hold: ${check.reason}`, statement.verdict.policies),
      });
      return;
    }
    const claimed = await session.gate.claim(id, { session: session.id, writer: session.writer, statement: session.statementCount + 1 });
    if (!this.#waitsIn(generation)) {
      // Taken back while it was claimed: it never runs.
      if (claimed) await session.gate.settle(id, { result: 'failed', rows: 0, atMs: session.clock.now(), answerDelivered: true });
      return;
    }
    if (!claimed) {
      // Another session was first, or it was withdrawn or expired meanwhile.
      this.#askAnew();
      return;
    }
    const approvers = approversOf(check.approvers, approval, statement.verdict.demand);
    this.#decided(id, 'approved', approvers, approval.votes.at(-1)?.reason ?? '');
    this.#finish({ kind: 'claimed', approvalId: id });
  }

  #askAnew(): void {
    this.#stop();
    this.#approval = undefined;
    this.#claiming = false;
    this.#recheck = 'due';
    this.#digest = '';
    this.#session.wake();
  }

  #ofEnded(approval: Approval): Refusal | undefined {
    const { id } = approval.request;
    const end = endOf(approval);
    if (end === undefined) return undefined;
    if (end.told) this.#decided(id, end.kind, [], end.reason);
    return end.kind === 'rejected' ? approvalRejected(id, end.reason) : approvalExpired(id, end.reason);
  }

  #decided(
    id: string,
    outcome: 'approved' | 'rejected' | 'expired' | 'withdrawn',
    approvers: ReturnType<typeof approversOf>,
    reason: string,
  ): void {
    const session = this.#session;
    session.recorder.append({
      type: 'approval.decided',
      approval: id,
      outcome,
      approvers,
      reason,
      requestBundle: this.#approval?.request.bundle ?? '',
      bundle: session.judge.view.bundle.version,
    });
  }

  #abandon(): void {
    const status = this.#status;
    const id = this.approvalId;
    this.#stop();
    this.#approval = undefined;
    this.#claiming = false;
    this.#recheck = 'due';
    if (id === undefined) return;
    if (status.kind === 'claimed') {
      // Claimed for what is no longer true: it never ran.
      const outcome = { result: 'failed', rows: 0, atMs: this.#session.clock.now(), answerDelivered: true } as const;
      this.#session.gate.settle(id, outcome).catch(() => undefined);
    } else {
      this.#session.gate.withdraw(id, 'what it was asked for has changed').catch(() => undefined);
    }
  }

  #finish(status: HoldStatus): void {
    this.#stop();
    this.#status = status;
    this.#session.wake();
  }

  #stop(): void {
    this.#watch?.stop();
    this.#watch = undefined;
    for (const timer of this.#timers) timer.cancel();
    this.#timers = [];
  }

  #required(approval: Approval, statement: HeldStatement): Refusal {
    const { id, digest, expiresAtMs } = approval.request;
    const url = this.#session.approvalUrl(id);
    return approvalRequired(statement.verdict.reason, {
      approvalId: id,
      url,
      expiresAt: new Date(expiresAtMs).toISOString(),
      digest,
      retryAfterMs: RETRY_AFTER_MS,
    });
  }

  #request(statement: HeldStatement, digest: string): ApprovalRequest {
    const { clock, principal, id, target, settings, judge } = this.#session;
    const nowMs = clock.now();
    return approvalRequest({
      id: newApprovalId(nowMs),
      digest,
      statement,
      principal,
      session: id,
      target,
      bundle: judge.view.bundle,
      detectors: this.#session.detectors(),
      reasonGiven: settings.reason,
      nowMs,
    });
  }

  /** The same for whoever does not take our word for it. */
  #raw(statement: HeldStatement): RawSql {
    const { principal, id, target, settings, judge, runtime } = this.#session;
    const { sql, fromSql, prepared, parameters, inTransaction, unsettled } = statement;
    const { catalog, state } = judge.view;
    return {
      protocol: 'postgres',
      sql,
      fromSql,
      prepared,
      parameters,
      inTransaction,
      unsettled,
      principal,
      session: id,
      target: target.name,
      reasonGiven: settings.reason,
      state,
      pinned: runtime.pinned,
      catalog: { version: catalog.version, dump: () => runtime.catalogSource.dump(catalog.version) },
    };
  }
}
