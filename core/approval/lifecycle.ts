/**
 * What may become of an approval: a total function from state and event to the next state or a refusal. Time comes
 * with the event; expiry is judged before anything else, so that an answer that comes too late is never first.
 */
import { personKey } from '../identity/person-key.ts';
import type { Approval, ApprovalRequest, ClaimOutcome, Vote } from './approval.ts';
import { mayDecide, quorumStands } from './quorum.ts';

export type ApprovalEvent =
  | { readonly type: 'vote'; readonly vote: Vote }
  | {
      readonly type: 'claim';
      readonly by: { readonly session: string; readonly writer: string; readonly statement: number };
      readonly atMs: number;
    }
  | { readonly type: 'withdraw'; readonly reason: string; readonly atMs: number }
  | { readonly type: 'expire'; readonly atMs: number }
  | { readonly type: 'settle'; readonly outcome: ClaimOutcome };

export type RefusalCode =
  | 'already-approved'
  | 'already-rejected'
  | 'already-claimed'
  | 'already-settled'
  | 'already-voted'
  | 'expired'
  | 'withdrawn'
  | 'not-approved'
  | 'not-claimed'
  | 'not-due'
  | 'not-entitled';

export type Transition =
  | { readonly kind: 'changed'; readonly approval: Approval }
  /** `approval` is what holds: in state `expired` where the time has passed, whether or not the event was refused for it. */
  | { readonly kind: 'refused'; readonly approval: Approval; readonly code: RefusalCode; readonly reason: string };

/** A new request, waiting for its answer. */
export function pendingApproval(request: ApprovalRequest): Approval {
  return { request, state: 'pending', votes: [] };
}

/** When the present state ends by itself; undefined when it does not. */
export function deadlineMs(approval: Approval): number | undefined {
  if (approval.state === 'pending') return approval.request.expiresAtMs;
  // The grant runs from the decision, and nothing after the decision moves it.
  if (approval.state === 'approved') return (approval.decidedAtMs ?? 0) + approval.request.demand.grantMs;
  return undefined;
}

/** The approval as it stands at this time: expired when its deadline has come, whether or not anyone stored that. */
export function asOf(approval: Approval, nowMs: number): Approval {
  const deadline = deadlineMs(approval);
  return deadline !== undefined && nowMs >= deadline ? { ...approval, state: 'expired' } : approval;
}

/** Applies one event. */
export function step(approval: Approval, event: ApprovalEvent): Transition {
  const atMs = event.type === 'vote' ? event.vote.atMs : event.type === 'settle' ? event.outcome.atMs : event.atMs;
  const current = asOf(approval, atMs);
  switch (event.type) {
    case 'vote':
      return vote(current, event.vote);
    case 'claim':
      if (current.state !== 'approved') return notApproved(current);
      return changed({
        ...current,
        state: 'claimed',
        claim: { ...event.by, atMs, outcome: { result: 'running', rows: 0, atMs, answerDelivered: false } },
      });
    case 'withdraw':
      if (current.state !== 'pending' && current.state !== 'approved') return ended(current);
      return changed({ ...current, state: 'withdrawn', withdrawal: { reason: event.reason, atMs } });
    case 'expire':
      if (current.state !== approval.state) return changed(current);
      if (current.state === 'pending' || current.state === 'approved') return refused(current, 'not-due', 'the time has not come');
      return ended(current);
    case 'settle':
      return settle(current, event.outcome);
  }
}

/** An approval whose execution was under way when its process died: nobody can say what became of it. */
export function abandoned(approval: Approval, nowMs: number): Transition {
  const outcome = approval.claim?.outcome;
  if (approval.state !== 'claimed' || outcome?.result !== 'running') return refused(approval, 'not-claimed', 'nothing was under way');
  return settle(approval, { ...outcome, result: 'unknown', atMs: nowMs });
}

function vote(approval: Approval, ballot: Vote): Transition {
  if (approval.state !== 'pending') return ended(approval);
  const entitled = mayDecide(approval.request, ballot);
  if (!entitled.may) return refused(approval, 'not-entitled', entitled.reason);
  const before = approval.votes.find((earlier) => personKey(earlier.person) === personKey(ballot.person));
  // Who approved may still think better of it while others are awaited; a rejection needs no second one.
  if (before !== undefined && ballot.answer === 'approve') return refused(approval, 'already-voted', 'you have approved already');
  const votes = [...approval.votes, ballot];
  if (ballot.answer === 'reject') return changed({ ...approval, votes, state: 'rejected', decidedAtMs: ballot.atMs });
  if (!quorumStands(approval.request, votes)) return changed({ ...approval, votes });
  return changed({ ...approval, votes, state: 'approved', decidedAtMs: ballot.atMs });
}

function settle(approval: Approval, outcome: ClaimOutcome): Transition {
  if (approval.state !== 'claimed' || approval.claim === undefined) return refused(approval, 'not-claimed', 'it was never claimed');
  const before = approval.claim.outcome;
  if (before.result !== 'running' && (outcome.result !== before.result || outcome.rows !== before.rows || !outcome.answerDelivered)) {
    // A known outcome is history. What can still be learned is that the client has its answer.
    return refused(approval, 'already-settled', `its outcome is already known: ${before.result}`);
  }
  const answerDelivered = before.answerDelivered || outcome.answerDelivered;
  return changed({ ...approval, claim: { ...approval.claim, outcome: { ...outcome, answerDelivered } } });
}

function notApproved(approval: Approval): Transition {
  if (approval.state === 'pending') return refused(approval, 'not-approved', 'nobody has approved it yet');
  return ended(approval);
}

function ended(approval: Approval): Transition {
  switch (approval.state) {
    case 'approved':
      return refused(approval, 'already-approved', 'it is already approved');
    case 'rejected':
      return refused(approval, 'already-rejected', 'it is already rejected, and a rejection is final');
    case 'expired':
      return refused(approval, 'expired', 'its time has run out');
    case 'withdrawn':
      return refused(approval, 'withdrawn', 'the request was withdrawn');
    case 'claimed':
      return refused(approval, 'already-claimed', 'it was already used, and an approval is used once');
    case 'pending':
      return refused(approval, 'not-due', 'it is still waiting for an answer');
  }
}

function changed(approval: Approval): Transition {
  return { kind: 'changed', approval };
}

function refused(approval: Approval, code: RefusalCode, reason: string): Transition {
  return { kind: 'refused', approval, code, reason };
}
