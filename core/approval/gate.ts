/** The proxy's side of approvals: ask, wait, claim once. Embedded and AWS adapters pass one contract suite. */
import type { Approval, ApprovalRequest, ClaimOutcome } from './approval.ts';
import type { RawStatement } from './raw-statement.ts';

export interface ApprovalGate {
  /**
   * Stores the request and tells the approvers; resolves with it as it was stored, its times by the store's own clock. Idempotent
   * by id. `raw` lets another process make the request anew from what was received. Throws GateUnavailable, RequestUnapprovable.
   */
  request(request: ApprovalRequest, raw: RawStatement): Promise<ApprovalRequest>;
  /**
   * An approval for the same digest that this principal may still use or is still waiting for: pending, approved and
   * unclaimed, or claimed with an answer that never reached the client. Newest first.
   */
  find(digest: string): Promise<readonly Approval[]>;
  read(id: string): Promise<Approval | undefined>;
  /** Calls back on every change of the approval until `stop`; at once with the present state. */
  watch(id: string, changed: (approval: Approval) => void): { stop(): void };
  /** First of claimed, withdrawn, expired. False when another was first, or it is not approved. */
  claim(id: string, by: { readonly session: string; readonly writer: string; readonly statement: number }): Promise<boolean>;
  withdraw(id: string, reason: string): Promise<boolean>;
  /** Tells what became of the claimed execution. */
  settle(id: string, outcome: ClaimOutcome): Promise<void>;
}
