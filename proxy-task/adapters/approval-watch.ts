/** One approval as it changes: read once, then told by the task's poller, and by the clock when its time runs out. */
import type { Approval } from '../../core/approval/approval.ts';
import type { FoundApproval } from '../../core/approval/approval-items.ts';
import { asOf, deadlineMs } from '../../core/approval/lifecycle.ts';
import { parseClaim, parseDecision, storedApproval, type StoredClaim, type StoredDecision } from '../../core/approval/stored-approval.ts';

type Item = { readonly v: number; readonly body: unknown };

export type WatchParts = {
  readonly id: string;
  readonly read: () => Promise<FoundApproval | undefined>;
  readonly poller: {
    follow(table: 'decisions' | 'claims', id: string, changed: (item: Item | undefined) => void): { stop(): void };
  };
  readonly clock: { now(): number; after(ms: number, run: () => void): { cancel(): void } };
  readonly changed: (approval: Approval) => void;
  readonly problem: (error: unknown) => void;
};

/** How soon a read that failed is tried again. */
const RETRY_MS = 1_000;
/** Timers overflow above 2^31 - 1 ms; a later deadline is looked at again then. */
const MAX_TIMER_MS = 2_147_483_647;

export class ApprovalWatch {
  readonly #parts: WatchParts;
  readonly #follows: { stop(): void }[];
  #request: Approval['request'] | undefined;
  #decision: { readonly v: number; readonly value: StoredDecision | undefined } = { v: 0, value: undefined };
  #claim: { readonly v: number; readonly value: StoredClaim | undefined } = { v: 0, value: undefined };
  #told = '';
  #timer: { cancel(): void } | undefined;
  #stopped = false;

  constructor(parts: WatchParts) {
    this.#parts = parts;
    const { id, poller } = parts;
    this.#follows = [
      poller.follow('decisions', id, (item) => {
        // Items never go away: none, or an older one, is only a poll that was asked before.
        if (item !== undefined && item.v > this.#decision.v)
          this.#take(() => (this.#decision = { v: item.v, value: parseDecision(item.body) }));
      }),
      poller.follow('claims', id, (item) => {
        if (item !== undefined && item.v > this.#claim.v) this.#take(() => (this.#claim = { v: item.v, value: parseClaim(item.body) }));
      }),
    ];
    void this.#begin();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    for (const follow of this.#follows) follow.stop();
  }

  async #begin(): Promise<void> {
    if (this.#stopped) return;
    try {
      const found = await this.#parts.read();
      if (found === undefined) return;
      this.#request = found.approval.request;
      if (found.decisionV > this.#decision.v) this.#decision = { v: found.decisionV, value: found.decision };
      if (found.claimV > this.#claim.v) this.#claim = { v: found.claimV, value: found.claim };
    } catch (error) {
      this.#parts.problem(error);
      if (!this.#stopped) this.#timer = this.#parts.clock.after(RETRY_MS, () => void this.#begin());
      return;
    }
    this.#tell();
  }

  /** What cannot be read changes nothing: the statement waits on, and its claim will be refused by the same item. */
  #take(parse: () => void): void {
    try {
      parse();
    } catch (error) {
      this.#parts.problem(error);
      return;
    }
    this.#tell();
  }

  #tell(): void {
    if (this.#stopped || this.#request === undefined) return;
    const { clock, changed, problem } = this.#parts;
    const stored = storedApproval(this.#request, this.#decision.value, this.#claim.value);
    const approval = asOf(stored, clock.now());
    const { state, votes, decidedAtMs, claim } = approval;
    const telling = JSON.stringify([state, votes.length, decidedAtMs, claim?.outcome]);
    this.#timer?.cancel();
    const deadline = deadlineMs(approval);
    if (deadline !== undefined) this.#timer = clock.after(Math.min(Math.max(deadline - clock.now(), 1), MAX_TIMER_MS), () => this.#tell());
    if (telling === this.#told) return;
    this.#told = telling;
    try {
      changed(approval);
    } catch (error) {
      // One session's bug ends its own watch; the statement it holds ends with its hold, unsent.
      problem(error);
      this.stop();
    }
  }
}
