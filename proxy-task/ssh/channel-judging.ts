/** From an operation that a channel asks for to its verdict, with people's answer where policy needs one, on record before it takes effect. */
import type { Approve, Block } from '../../core/decision.ts';
import { judgeOperation, type JudgedOperation } from '../../core/judging/judge-operation.ts';
import { operationDigest } from '../../core/approval/operation-digest.ts';
import { operationRequest } from '../../core/approval/operation-request.ts';
import type { HostOperation } from '../../core/statement/host/host-operation.ts';
import { newApprovalId } from '../pipeline/approval-id.ts';
import type { ApprovalPointer } from '../pipeline/approval-refusal.ts';
import { ApprovalWait, type JudgedNow } from '../pipeline/approval-wait.ts';
import { ChannelRecord, durabilityOf } from './channel-record.ts';
import type { ChannelEnvironment } from './channel-settings.ts';
import type { LiveHostSession } from './live-session.ts';
import { blockedByPolicy, budgetUsedUp, hostRefusal, reconnect, type HostRefusal } from './refusal.ts';

export type Judgement =
  | { readonly kind: 'run'; readonly statement: number; readonly operation: HostOperation }
  | { readonly kind: 'refused'; readonly statement: number; readonly refusal: HostRefusal };

/** The operation as it is now: what the host says of paths may change while people decide. */
export type Asking = () => Promise<HostOperation>;

/** Operations of one channel that may wait for their verdict at once; a protocol that asks faster is a flood. */
const MAX_WAITING = 64;
const EXPIRED = 'the token or the session has expired';

export class ChannelJudging {
  readonly record: ChannelRecord;
  readonly #session: LiveHostSession;
  readonly #environment: ChannelEnvironment;
  readonly #tell: (reason: string, pointer: ApprovalPointer) => void;
  readonly #waits = new Set<ApprovalWait>();
  /** Approvals in use, by statement, and what became of them. */
  readonly #claimed = new Map<number, { readonly approval: string; result: 'committed' | 'unknown' }>();
  #waiting = 0;
  #over = false;

  /** `tell`: something waits for people; called at once and every 20 s. */
  constructor(session: LiveHostSession, environment: ChannelEnvironment, tell: (reason: string, pointer: ApprovalPointer) => void) {
    this.#session = session;
    this.#environment = environment;
    this.#tell = tell;
    this.record = new ChannelRecord(session);
  }

  /** Resolves when the verdict, and for what may run the intent, is on record. Never rejects. */
  async ask(asking: Asking): Promise<Judgement> {
    const statement = this.#session.nextStatement();
    if (this.#waiting >= MAX_WAITING) return refusedAs(statement, hostRefusal('53300', 'too many operations wait on this channel'));
    this.#waiting += 1;
    try {
      return await this.#judge(statement, asking);
    } catch (error) {
      this.#session.failed(error);
      return refusedAs(statement, reconnect('the gateway met an error of its own', 'no'));
    } finally {
      this.#waiting -= 1;
    }
  }

  /** What became of a statement that ran. */
  completed(statement: number, outcome: 'ok' | 'error' | 'unknown', tag = ''): void {
    this.record.completed(statement, outcome, tag);
    const claimed = this.#claimed.get(statement);
    if (claimed === undefined) return;
    // What failed on a host may have done half of it.
    claimed.result = outcome === 'ok' ? 'committed' : 'unknown';
    this.#settle(claimed.approval, claimed.result, false);
  }

  /** The client has all that there was to tell. */
  delivered(): void {
    for (const { approval, result } of this.#claimed.values()) this.#settle(approval, result, true);
    this.#claimed.clear();
  }

  /** The channel is over, or its session: nothing more is asked, and what still waits is taken back. */
  close(reason: string): void {
    if (this.#over) return;
    this.#over = true;
    for (const wait of this.#waits) wait.withdraw(reason);
    this.record.closed();
    for (const { approval, result } of this.#claimed.values()) this.#settle(approval, result, false);
    this.#claimed.clear();
  }

  async #judge(statement: number, asking: Asking): Promise<Judgement> {
    const session = this.#session;
    if (!(await session.whenCurrent()) || this.#over) return refusedAs(statement, reconnect('the session has ended'));
    const settings = this.#environment.settings;
    const asked = { environment: this.#environment.variables, reason: settings.reason };
    let judged = this.#decide(await asking());
    // What runs may go on for a while; nothing begins.
    if (session.isPastDeadline) return this.#refuse(statement, judged, asked, reconnect(EXPIRED));
    const spent = session.budgets.spend('statements', 1);
    if (!spent.ok) return this.#refuse(statement, judged, asked, budgetUsedUp('statements', spent, 'no'));
    let approval: string | undefined;
    if (judged.decision.kind === 'approve') {
      const wait = new ApprovalWait(
        {
          gate: session.gate,
          verifyIdToken: session.verifyIdToken,
          clock: session.clock,
          recorder: session.turn,
          principal: session.principal,
          session: session.id,
          writer: session.writer,
          approvalUrl: (id) => session.approvalUrl(id),
        },
        {
          statement,
          settings,
          judge: async () => {
            judged = this.#decide(await asking());
            return session.isPastDeadline ? { kind: 'block', reason: EXPIRED, policies: [] } : this.#now(judged);
          },
          tell: this.#tell,
        },
      );
      this.#waits.add(wait);
      const end = await wait.run();
      this.#waits.delete(wait);
      if (end.kind === 'refused') {
        const { code, message, details, hint, executed } = end.refusal;
        return this.#refuse(statement, judged, asked, hostRefusal(code, message, details, hint, executed));
      }
      if (end.kind === 'claimed') approval = end.approvalId;
    }
    if (judged.decision.kind === 'block') return this.#refuse(statement, judged, asked, refusalOf(judged.decision));
    if (this.#over) {
      if (approval !== undefined) this.#settle(approval, 'failed', true);
      return this.#refuse(statement, judged, asked, reconnect('the session has ended'));
    }
    this.record.judged(statement, judged, asked, undefined);
    this.record.sent(statement, approval);
    if (approval !== undefined) this.#claimed.set(statement, { approval, result: 'unknown' });
    const { operation } = judged;
    const durability = durabilityOf(judged, approval);
    return new Promise((resolve) => {
      session.turn.after(() => resolve({ kind: 'run', statement, operation }), durability);
    });
  }

  #decide(operation: HostOperation): JudgedOperation {
    const { principal, target, commands } = this.#session;
    return judgeOperation(operation, { principal, target, bundle: this.#session.bundle() }, commands.read);
  }

  #now(judged: JudgedOperation): JudgedNow {
    const { decision } = judged;
    if (decision.kind !== 'approve') return decision;
    const { digestKey, principal, target, id } = this.#session;
    const bundle = this.#session.bundle();
    const environment = this.#environment.variables;
    const reasonGiven = this.#environment.settings.reason;
    const digest = operationDigest(digestKey, judged.operation, { principal, target: target.name, environment });
    const held = { ...judged, decision } satisfies JudgedOperation & { readonly decision: Approve };
    return {
      ...decision,
      digest,
      bundle,
      ask: (nowMs) => ({
        request: operationRequest({
          id: newApprovalId(nowMs),
          digest,
          judged: held,
          environment,
          principal,
          session: id,
          target: target.name,
          bundle,
          reasonGiven,
          nowMs,
        }),
        raw: { protocol: 'ssh', operation: held.operation, environment, principal, session: id, target: target.name, reasonGiven },
      }),
    };
  }

  #refuse(statement: number, judged: JudgedOperation, asked: Parameters<ChannelRecord['judged']>[2], refusal: HostRefusal): Judgement {
    this.record.judged(statement, judged, asked, refusal);
    return refusedAs(statement, refusal);
  }

  #settle(approval: string, result: 'committed' | 'failed' | 'unknown', answerDelivered: boolean): void {
    const outcome = { result, rows: 0, atMs: this.#session.clock.now(), answerDelivered };
    // The gate keeps `running`, which a later start turns into `unknown`: never less careful than the truth.
    this.#session.gate.settle(approval, outcome).catch(() => undefined);
  }
}

function refusedAs(statement: number, refusal: HostRefusal): Judgement {
  return { kind: 'refused', statement, refusal };
}

function refusalOf({ reason, policies }: Block): HostRefusal {
  return blockedByPolicy(reason, policies);
}
