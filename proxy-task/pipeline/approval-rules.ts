/** What holds of every statement that waits for people, whatever protocol it came by (design §3, §8). */
import type { Approval, ClaimOutcome } from '../../core/approval/approval.ts';
import type { VerifiedIdToken } from '../../core/approval/votes.ts';
import type { ApprovalDemand } from '../../core/decision.ts';
import type { SessionEvent } from '../../core/evidence/event.ts';

/** A notice while it waits, so that people and idle timers see that it is alive. */
export const NOTICE_EVERY_MS = 20_000;
/** When whoever did not wait may usefully send it again. */
export const RETRY_AFTER_MS = 5_000;

/** Why an approval lets nothing run any more; undefined while it may. `told`: whether its end is news for the recording. */
export type ApprovalEnd = { readonly kind: 'rejected' | 'expired'; readonly reason: string; readonly told: boolean };

export function endOf(approval: Approval): ApprovalEnd | undefined {
  switch (approval.state) {
    case 'rejected':
      return { kind: 'rejected', reason: approval.votes.find((vote) => vote.answer === 'reject')?.reason ?? '', told: true };
    case 'expired':
      return { kind: 'expired', reason: 'nobody answered in time', told: true };
    case 'withdrawn':
      return { kind: 'expired', reason: 'the request was withdrawn', told: false };
    case 'claimed':
      return { kind: 'expired', reason: 'it was already used', told: false };
    case 'pending':
    case 'approved':
      return undefined;
  }
}

/**
 * The outcome of an execution whose answer never reached the client; undefined where the approval was not used, or its execution is
 * still under way in some session: what looks the same is then a second statement, which needs its own approval.
 */
export function lostOutcome(approval: Approval): (ClaimOutcome & { readonly told: 'committed' | 'rolledBack' | 'unknown' }) | undefined {
  const outcome = approval.claim?.outcome;
  if (approval.state !== 'claimed' || outcome === undefined || outcome.result === 'running') return undefined;
  return { ...outcome, told: outcome.result === 'failed' ? 'rolledBack' : outcome.result };
}

type Decided = SessionEvent & { readonly type: 'approval.decided' };

/** Who approved, as their tokens say it, not as the table does. */
export function approversOf(approvers: readonly VerifiedIdToken[], approval: Approval, demand: ApprovalDemand): Decided['approvers'] {
  return approvers.map(({ person, groups, issuer }, index) => ({
    person,
    group: groups.find((group) => demand.quorums.some((quorum) => quorum.group === group)) ?? '',
    at: new Date(approval.votes[index]?.atMs ?? 0).toISOString(),
    issuer,
  }));
}
