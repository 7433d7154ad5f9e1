/**
 * One operation that waits for people (design §8): finds or makes its approval, says where it waits, and once it is approved judges
 * it anew and claims the approval, exactly once, for exactly what would run then.
 */
import type { Approval, ApprovalRequest } from '../../core/approval/approval.ts';
import { RequestUnapprovable } from '../../core/approval/gate-errors.ts';
import type { RawStatement } from '../../core/approval/raw-statement.ts';
import { verifyDecision, type VerifyIdToken } from '../../core/approval/votes.ts';
import type { Approve, Block, Permit } from '../../core/decision.ts';
import type { SessionRecorder } from '../../core/evidence/recorder.ts';
import type { Bundle } from '../../core/policy/bundle.ts';
import type { Principal } from '../../core/principal.ts';
import type { ApprovalGate, Clock } from '../ports.ts';
import { approversOf, endOf, lostOutcome, NOTICE_EVERY_MS } from './approval-rules.ts';
import {
  blocked,
  ended,
  mismatch,
  pointerTo,
  required,
  takenBack,
  used,
  type ApprovalPointer,
  type ApprovalRefusal,
} from './approval-refusal.ts';

/** What is to run, as it is judged at this moment. */
export type JudgedNow = Permit | Block | (Approve & Asked);

export type Asked = {
  readonly digest: string;
  readonly bundle: Bundle;
  /** Called where people have to be asked: the request as they would see it, and the same for whoever does not take our word for it. */
  readonly ask: (nowMs: number) => { readonly request: ApprovalRequest; readonly raw: RawStatement };
};

export type WaitEnd =
  /** Policy needs nobody, or no longer. */
  | { readonly kind: 'permitted'; readonly judged: Permit }
  /** The approval is used up by this. Whoever runs it tells the gate what became of it (`settle`). */
  | { readonly kind: 'claimed'; readonly approvalId: string; readonly judged: Approve & Asked }
  | { readonly kind: 'refused'; readonly refusal: ApprovalRefusal };

export type WaitPorts = {
  readonly gate: ApprovalGate;
  readonly verifyIdToken: VerifyIdToken;
  readonly clock: Pick<Clock, 'now' | 'after'>;
  readonly recorder: Pick<SessionRecorder, 'append'>;
  readonly principal: Principal;
  readonly session: string;
  readonly writer: string;
  readonly approvalUrl: (id: string) => string;
};

export type WaitOptions = {
  /** The number under which the session records it. */
  readonly statement: number;
  /** `approvalId`: the approval that the client itself has named; empty for none. */
  readonly settings: { readonly approval: 'wait' | 'failfast'; readonly approvalId: string };
  /**
   * Judges under what holds now, paths of the host included. Asked at the start, when people have approved, and after `reconsider`.
   * Where it rejects, nothing runs.
   */
  readonly judge: () => Promise<JudgedNow>;
  /** Told at once that it waits, and every 20 s. */
  readonly tell: (reason: string, pointer: ApprovalPointer) => void;
};

/** Rules, paths or rivals that change more often than this within one hold are no ground to stand on. */
const MAX_ROUNDS = 100;

export class ApprovalWait {
  readonly #ports: WaitPorts;
  readonly #options: WaitOptions;
  readonly #startedAtMs: number;
  #approval: Approval | undefined;
  /** What was asked about: any change of it asks anew. */
  #asked = '';
  #watch: { stop(): void } | undefined;
  #timers: { cancel(): void }[] = [];
  #takenBack: string | undefined;
  #timedOut = false;
  #reconsider = false;
  #happened: (() => void) | undefined;

  constructor(ports: WaitPorts, options: WaitOptions) {
    this.#ports = ports;
    this.#options = options;
    this.#startedAtMs = ports.clock.now();
  }

  /** Resolves once it may run or may not; call it once. Never rejects: what cannot be asked is not run. */
  async run(): Promise<WaitEnd> {
    try {
      return await this.#rounds();
    } catch (error) {
      const reason = error instanceof RequestUnapprovable ? error.message : 'approvals cannot be asked for now';
      return refused(blocked(reason, []));
    } finally {
      this.#stop();
    }
  }

  /** The client takes it back or goes, or the session ends: the request is withdrawn and `run` refuses. */
  withdraw(reason: string): void {
    this.#takenBack ??= reason;
    this.#wake();
  }

  /** What it was judged by may have changed: it is judged again. */
  reconsider(): void {
    this.#reconsider = true;
    this.#wake();
  }

  async #rounds(): Promise<WaitEnd> {
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      this.#reconsider = false;
      const judged = await this.#options.judge();
      if (this.#takenBack !== undefined) return this.#withdrawn(this.#takenBack);
      if (judged.kind !== 'approve') {
        this.#abandon(judged.kind === 'permit' ? 'it no longer needs an approval' : 'it may no longer run');
        return judged.kind === 'permit' ? { kind: 'permitted', judged } : refused(blocked(judged.reason, judged.policies));
      }
      const asked = JSON.stringify([judged.digest, judged.demand, judged.policies]);
      if (asked !== this.#asked) {
        this.#abandon('what it was asked for has changed');
        this.#asked = asked;
        const over = await this.#find(judged);
        if (over !== undefined) return over;
      }
      if (this.#approval?.state === 'approved') {
        const over = await this.#claim(judged, this.#approval);
        if (over !== undefined) return over;
        this.#forget();
        continue;
      }
      const over = await this.#wait(judged);
      if (over !== undefined) return over;
    }
    this.#abandon('what it was asked for does not stand still');
    return refused(blocked('what it would do changes all the time', []));
  }

  /** The approval that the client named, one that waits already for the same, or a new one. */
  async #find(judged: Approve & Asked): Promise<WaitEnd | undefined> {
    const { gate, clock } = this.#ports;
    const { approvalId } = this.#options.settings;
    if (approvalId !== '') {
      const named = await gate.read(approvalId);
      if (named === undefined || named.request.digest !== judged.digest) return refused(mismatch(approvalId, judged.digest, named));
      const over = this.#ended(named, judged);
      if (over !== undefined) return over;
    }
    for (const found of await gate.find(judged.digest)) {
      const lost = lostOutcome(found);
      if (lost !== undefined) {
        const { told: _, ...outcome } = lost;
        await gate.settle(found.request.id, { ...outcome, answerDelivered: true });
        return refused(used(found.request.id, lost));
      }
      // Its execution is still under way in some session: this is a second one that needs its own approval.
      if (found.state === 'claimed') continue;
      return this.#follow(found, judged);
    }
    if (this.#takenBack !== undefined) return this.#withdrawn(this.#takenBack);
    const { request, raw } = judged.ask(clock.now());
    const stored = await gate.request(request, raw);
    return this.#follow({ request: stored, state: 'pending', votes: [] }, judged);
  }

  #follow(approval: Approval, judged: Approve & Asked): WaitEnd | undefined {
    const { gate, recorder, clock, approvalUrl } = this.#ports;
    const { id, digest, expiresAtMs } = approval.request;
    const { approval: mode } = this.#options.settings;
    this.#approval = approval;
    recorder.append({
      type: 'approval.requested',
      statement: this.#options.statement,
      approval: id,
      digest,
      expiresAt: new Date(expiresAtMs).toISOString(),
      mode,
    });
    if (approval.state === 'pending') {
      if (mode === 'failfast') return refused(required(judged.reason, pointerTo(approval, approvalUrl)));
      this.#tell(approval, judged.reason);
      const left = Math.max(0, this.#startedAtMs + judged.demand.holdMs - clock.now());
      this.#timers.push(
        clock.after(left, () => {
          this.#timedOut = true;
          this.#wake();
        }),
      );
    }
    this.#watch = gate.watch(id, (changed) => {
      if (this.#approval?.request.id !== id) return;
      this.#approval = changed;
      this.#wake();
    });
    return undefined;
  }

  #tell(approval: Approval, reason: string): void {
    const { clock, approvalUrl } = this.#ports;
    this.#options.tell(reason, pointerTo(approval, approvalUrl));
    this.#timers.push(clock.after(NOTICE_EVERY_MS, () => this.#tell(approval, reason)));
  }

  /** Until something happens; undefined: it is to be judged again. */
  async #wait(judged: Approve & Asked): Promise<WaitEnd | undefined> {
    for (;;) {
      if (this.#takenBack !== undefined) return this.#withdrawn(this.#takenBack);
      const approval = this.#approval;
      if (approval === undefined) throw new Error('nothing is waited for');
      if (approval.state === 'claimed') {
        // Another session was first: this one needs an approval of its own.
        this.#forget();
        return undefined;
      }
      const over = this.#ended(approval, judged);
      if (over !== undefined) return over;
      if (approval.state === 'approved' || this.#reconsider) return undefined;
      if (this.#timedOut) return refused(required(judged.reason, pointerTo(approval, this.#ports.approvalUrl)));
      await new Promise<void>((resolve) => {
        this.#happened = resolve;
      });
    }
  }

  /** The votes are checked here, signature by signature: who can write the table can still not approve. */
  async #claim(judged: Approve & Asked, approval: Approval): Promise<WaitEnd | undefined> {
    const { gate, verifyIdToken, clock, principal, session, writer } = this.#ports;
    const { id } = approval.request;
    const { demand, policies, digest, bundle } = judged;
    const ruleAuthors = bundle.policies.authorsOf(policies);
    const check = await verifyDecision(approval, { digest, principal, demand, ruleAuthors, nowMs: clock.now() }, verifyIdToken);
    if (this.#takenBack !== undefined) return this.#withdrawn(this.#takenBack);
    if (!check.ok) return refused(blocked(`the approval does not hold: ${check.reason}`, policies));
    const claimed = await gate.claim(id, { session, writer, statement: this.#options.statement });
    if (this.#takenBack !== undefined) {
      // Taken back while it was claimed: it never runs.
      if (claimed) await gate.settle(id, { result: 'failed', rows: 0, atMs: clock.now(), answerDelivered: true });
      return this.#withdrawn(this.#takenBack);
    }
    // Another session was first, or it was withdrawn or expired meanwhile.
    if (!claimed) return undefined;
    this.#decided('approved', approversOf(check.approvers, approval, demand), approval.votes.at(-1)?.reason ?? '', bundle);
    return { kind: 'claimed', approvalId: id, judged };
  }

  #ended(approval: Approval, { bundle }: Asked): WaitEnd | undefined {
    const refusal = ended(approval);
    if (refusal === undefined) return undefined;
    const end = endOf(approval);
    this.#approval = approval;
    if (end?.told === true) this.#decided(end.kind, [], end.reason, bundle);
    return refused(refusal);
  }

  #withdrawn(reason: string): WaitEnd {
    const id = this.#approval?.request.id;
    if (id !== undefined) {
      this.#ports.gate.withdraw(id, reason).catch(() => undefined);
      this.#decided('withdrawn', [], reason);
    }
    return refused(takenBack(id ?? '', reason));
  }

  /** Nobody needs to answer any longer. That it could not be withdrawn leaves a request that expires. */
  #abandon(reason: string): void {
    const id = this.#approval?.request.id;
    this.#forget();
    if (id !== undefined) this.#ports.gate.withdraw(id, reason).catch(() => undefined);
  }

  #forget(): void {
    this.#stop();
    this.#approval = undefined;
    this.#asked = '';
  }

  #decided(
    outcome: 'approved' | 'rejected' | 'expired' | 'withdrawn',
    approvers: ReturnType<typeof approversOf>,
    reason: string,
    bundle?: Pick<Bundle, 'version'>,
  ): void {
    const requestBundle = this.#approval?.request.bundle ?? '';
    this.#ports.recorder.append({
      type: 'approval.decided',
      approval: this.#approval?.request.id ?? '',
      outcome,
      approvers,
      reason,
      requestBundle,
      bundle: bundle?.version ?? requestBundle,
    });
  }

  #wake(): void {
    this.#happened?.();
    this.#happened = undefined;
  }

  #stop(): void {
    this.#watch?.stop();
    this.#watch = undefined;
    for (const timer of this.#timers) timer.cancel();
    this.#timers = [];
  }
}

function refused(refusal: ApprovalRefusal): WaitEnd & { readonly kind: 'refused' } {
  return { kind: 'refused', refusal };
}
