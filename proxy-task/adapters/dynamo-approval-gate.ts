/**
 * The gate of a task on AWS. It reads what people decided and can never write it; of the one execution it writes the claim, the
 * first of claimed, withdrawn and expired, as one conditional write. Times are judged by this machine's clock at every use.
 */
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { Approval, ApprovalRequest, ClaimOutcome } from '../../core/approval/approval.ts';
import type { FoundApproval } from '../../core/approval/approval-items.ts';
import { GateUnavailable, RequestUnapprovable } from '../../core/approval/gate-errors.ts';
import { abandoned, asOf, step } from '../../core/approval/lifecycle.ts';
import { unapprovable } from '../../core/approval/quorum.ts';
import type { RawStatement } from '../../core/approval/raw-statement.ts';
import { unreadable } from '../../core/approval/readable.ts';
import type { StoredClaim } from '../../core/approval/stored-approval.ts';
import type { ApprovalAsker, ApprovalGate, Clock, StatePoller } from '../ports.ts';
import { ApprovalItems, type TaskApprovalTables } from './approval-items.ts';
import { ApprovalWatch } from './approval-watch.ts';

export type DynamoGateOptions = {
  /** With retries: every write is recognised when its answer was lost. */
  readonly client: DynamoDBClient;
  readonly tables: TaskApprovalTables;
  readonly asker: ApprovalAsker;
  readonly poller: StatePoller;
  readonly clock: Pick<Clock, 'now' | 'after'>;
  /** Random and unguessable, another one at each call. */
  readonly nonce: () => string;
  /** Told of what could not be read in the background. */
  readonly problem: (error: unknown) => void;
};

/** Longer than a write that was given up may still be on its way. */
const DISOWN_MS = 10_000;

/** A settlement may race with another about the same outcome. */
const MAX_WRITES = 5;

export class DynamoApprovalGate implements ApprovalGate {
  readonly #options: DynamoGateOptions;
  readonly #items: ApprovalItems;
  /** Claimed by this task, or being claimed: whoever writes the table cannot make them usable again while it runs. */
  readonly #used = new Set<string>();
  /** Of claims that are under way, or whose answers were lost for good: by them they are recognised. */
  readonly #nonces = new Map<string, string>();

  constructor(options: DynamoGateOptions) {
    this.#options = options;
    this.#items = new ApprovalItems(options.client, options.tables);
  }

  async request(request: ApprovalRequest, raw: RawStatement): Promise<ApprovalRequest> {
    const never = unapprovable(request) ?? unreadable(request);
    if (never !== undefined) throw new RequestUnapprovable(never);
    return this.#options.asker.ask(request, raw);
  }

  async find(digest: string): Promise<readonly Approval[]> {
    return this.#guarded(async () => {
      const ids = await this.#items.idsOf(digest);
      const found: Approval[] = [];
      for (const each of await this.#items.read(ids.toReversed())) {
        const approval = this.#now(await this.#withLiveClaim(each));
        if (approval.request.digest === digest && this.#usable(approval)) found.push(approval);
      }
      return found.toSorted((a, b) => b.request.requestedAtMs - a.request.requestedAtMs);
    });
  }

  async read(id: string): Promise<Approval | undefined> {
    const [found] = await this.#guarded(() => this.#items.read([id]));
    return found === undefined ? undefined : this.#now(found.approval);
  }

  watch(id: string, changed: (approval: Approval) => void): { stop(): void } {
    const { poller, clock, problem } = this.#options;
    return new ApprovalWatch({ id, poller, clock, problem, changed, read: async () => (await this.#items.read([id]))[0] });
  }

  async claim(id: string, by: { readonly session: string; readonly writer: string; readonly statement: number }): Promise<boolean> {
    if (this.#used.has(id)) return false;
    this.#used.add(id);
    let claimed = false;
    try {
      claimed = await this.#guarded(() => this.#claim(id, by));
    } finally {
      if (!claimed) this.#used.delete(id);
    }
    return claimed;
  }

  async withdraw(id: string, reason: string): Promise<boolean> {
    return this.#guarded(async () => {
      const [found] = await this.#items.read([id]);
      if (found === undefined) return false;
      const atMs = this.#options.clock.now();
      if (step(found.approval, { type: 'withdraw', reason, atMs }).kind === 'refused') return false;
      const put = await this.#items.putClaim(id, 0, { kind: 'withdrawn', reason, atMs });
      // Our own answer may have been lost on its way.
      return put.written || (put.found?.kind === 'withdrawn' && put.found.atMs === atMs && put.found.reason === reason);
    });
  }

  async settle(id: string, outcome: ClaimOutcome): Promise<void> {
    await this.#guarded(() => this.#settle(id, (approval) => step(approval, { type: 'settle', outcome })));
  }

  async #claim(id: string, by: { readonly session: string; readonly writer: string; readonly statement: number }): Promise<boolean> {
    const [found] = await this.#items.read([id]);
    if (found === undefined) return false;
    const next = step(found.approval, { type: 'claim', by, atMs: this.#options.clock.now() });
    if (next.kind === 'refused' || next.approval.claim === undefined) return false;
    const nonce = this.#nonces.get(id) ?? this.#options.nonce();
    this.#nonces.set(id, nonce);
    try {
      const put = await this.#items.putClaim(id, 0, { kind: 'claimed', nonce, ...next.approval.claim });
      this.#nonces.delete(id);
      return put.written || (put.found?.kind === 'claimed' && put.found.nonce === nonce);
    } catch (error) {
      this.#disownLater(id, nonce);
      throw error;
    }
  }

  /** Whether the claim was written is not known, and its statement is refused: if it was, it is told that nothing ran. */
  #disownLater(id: string, nonce: string): void {
    this.#options.clock.after(DISOWN_MS, () => {
      if (this.#nonces.get(id) !== nonce) return;
      this.#disown(id, nonce).catch((error: unknown) => {
        this.#options.problem(error);
        this.#disownLater(id, nonce);
      });
    });
  }

  async #disown(id: string, nonce: string): Promise<void> {
    const [found] = await this.#items.read([id]);
    this.#nonces.delete(id);
    if (found?.claim?.kind !== 'claimed' || found.claim.nonce !== nonce) return;
    await this.settle(id, { result: 'failed', rows: 0, atMs: this.#options.clock.now(), answerDelivered: true });
  }

  /** Changes the outcome of a claim until nobody else did at the same time; what stands there then. */
  async #settle(id: string, decide: (approval: Approval) => ReturnType<typeof step>): Promise<Approval | undefined> {
    for (let attempt = 0; attempt < MAX_WRITES; attempt += 1) {
      const [found] = await this.#items.read([id]);
      if (found === undefined) return undefined;
      const next = decide(found.approval);
      if (next.kind === 'refused' || next.approval.claim === undefined || found.claim?.kind !== 'claimed') return found.approval;
      const claim: StoredClaim = { ...found.claim, outcome: next.approval.claim.outcome };
      const put = await this.#items.putClaim(id, found.claimV, claim);
      if (put.written) return next.approval;
      // A lost answer: the next look finds the outcome told, and refuses to tell it again.
    }
    throw new GateUnavailable('the outcome of an approved statement could not be kept');
  }

  /** An execution under way in a task that is gone: nobody can say what became of it. */
  async #withLiveClaim(found: FoundApproval): Promise<Approval> {
    const { claim } = found.approval;
    if (claim?.outcome.result !== 'running' || (await this.#items.writerLives(claim.writer))) return found.approval;
    const nowMs = this.#options.clock.now();
    return (await this.#settle(found.approval.request.id, (approval) => abandoned(approval, nowMs))) ?? found.approval;
  }

  #usable({ request, state, claim }: Approval): boolean {
    if (state === 'pending') return true;
    if (state === 'approved') return !this.#used.has(request.id);
    return state === 'claimed' && claim !== undefined && !claim.outcome.answerDelivered;
  }

  #now(approval: Approval): Approval {
    return asOf(approval, this.#options.clock.now());
  }

  async #guarded<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (cause) {
      if (cause instanceof GateUnavailable) throw cause;
      throw new GateUnavailable('the approval store cannot be used', { cause });
    }
  }
}
