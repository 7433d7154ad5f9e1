/** Whether a vote is really this person's answer to this approval: the server asks when it is cast, the proxy again before it runs. */
import type { ApprovalDemand } from '../decision.ts';
import type { PersonKey } from '../principal.ts';
import type { Approval, ApprovalRequest, Vote } from './approval.ts';
import { approvalNonce } from './nonce.ts';
import { mayDecide, quorumStands, type Approver } from './quorum.ts';

/** What a verified ID token says. Groups are namespaced by the issuer's short name (`corp/dba`). */
export type VerifiedIdToken = {
  readonly person: PersonKey;
  readonly groups: readonly string[];
  readonly issuer: string;
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
};

/**
 * Verifies signature, issuer, audience and nonce of an approver's ID token. Its lifetime is judged at `atMs`, not now:
 * a token that was good when the vote was cast may have expired since. Rejects for every other token.
 */
export type VerifyIdToken = (idToken: string, expected: { readonly nonce: string; readonly atMs: number }) => Promise<VerifiedIdToken>;

/** A sign-in older than this does not decide: whoever answers has just been at the keyboard. */
export const MAX_SIGN_IN_AGE_MS = 10 * 60_000;

/** The issuer's clock may be ahead of ours by this much. */
const CLOCK_SKEW_MS = 60_000;

export type VerifiedVote = { readonly ok: true; readonly voter: VerifiedIdToken } | { readonly ok: false; readonly reason: string };

/** The person behind a token that was issued for exactly this approval, at the time of the vote. */
export async function verifyVoter(
  approval: { readonly id: string; readonly digest: string },
  idToken: string,
  atMs: number,
  verify: VerifyIdToken,
): Promise<VerifiedVote> {
  let voter: VerifiedIdToken;
  try {
    voter = await verify(idToken, { nonce: approvalNonce(approval.id, approval.digest), atMs });
  } catch {
    // Which check failed helps only a forger; the sign-in can simply be repeated.
    return { ok: false, reason: 'the sign-in is not valid for this approval: sign in again from its page' };
  }
  return stillFresh(voter, atMs);
}

/** Whether the sign-in is recent enough for a vote at this time. */
export function stillFresh(voter: VerifiedIdToken, atMs: number): VerifiedVote {
  if (!(voter.issuedAtMs <= atMs + CLOCK_SKEW_MS)) return { ok: false, reason: 'the sign-in lies in the future: check the clocks' };
  if (!(atMs - voter.issuedAtMs <= MAX_SIGN_IN_AGE_MS)) return { ok: false, reason: 'the sign-in is older than 10 minutes: sign in again' };
  if (!(atMs < voter.expiresAtMs)) return { ok: false, reason: 'the sign-in has expired: sign in again' };
  return { ok: true, voter };
}

/** What the proxy itself knows of the statement it is about to send; nothing of it is taken from the stored approval. */
export type ExpectedDecision = {
  readonly digest: string;
  readonly principal: ApprovalRequest['principal'];
  /** The demand under the current bundle. */
  readonly demand: ApprovalDemand;
  readonly ruleAuthors: readonly PersonKey[];
  readonly nowMs: number;
};

export type DecisionCheck =
  /** `grantedUntilMs`: the approval must be claimed before. */
  | { readonly ok: true; readonly approvers: readonly VerifiedIdToken[]; readonly grantedUntilMs: number }
  | { readonly ok: false; readonly reason: string };

/**
 * Checks an approved or claimed approval anew, before the statement is sent: every vote's token signature, nonce,
 * groups and age, and that these people fill the quorum that is demanded now. Whoever can write the table can
 * therefore neither approve, nor stretch a grant, nor move an approval to another statement.
 */
export async function verifyDecision(approval: Approval, expected: ExpectedDecision, verify: VerifyIdToken): Promise<DecisionCheck> {
  const { request, votes, decidedAtMs } = approval;
  if (approval.state !== 'approved' && approval.state !== 'claimed') return { ok: false, reason: `the approval is ${approval.state}` };
  if (request.digest !== expected.digest) return { ok: false, reason: 'the approval is for another statement' };
  const parties = { principal: expected.principal, ruleAuthors: expected.ruleAuthors, demand: expected.demand };
  const approvers: VerifiedIdToken[] = [];
  for (const vote of votes) {
    const checked = await verifyStoredVote({ id: request.id, digest: expected.digest }, vote, expected, verify);
    if (!checked.ok) return checked;
    const entitled = mayDecide(parties, checked.voter);
    if (!entitled.may) return { ok: false, reason: `${vote.person} may not decide this: ${entitled.reason}` };
    approvers.push(checked.voter);
  }
  if (!quorumStands(parties, approvers satisfies readonly Approver[])) {
    return { ok: false, reason: 'the votes do not fill the quorum that is demanded' };
  }
  const lastVoteMs = Math.max(...votes.map((vote) => vote.atMs));
  if (decidedAtMs !== lastVoteMs) return { ok: false, reason: 'the time of the decision is not that of its last vote' };
  const grantedUntilMs = lastVoteMs + Math.min(expected.demand.grantMs, request.demand.grantMs);
  if (!(expected.nowMs < grantedUntilMs)) return { ok: false, reason: 'the approval was given too long ago' };
  return { ok: true, approvers, grantedUntilMs };
}

async function verifyStoredVote(
  approval: { readonly id: string; readonly digest: string },
  vote: Vote,
  expected: ExpectedDecision,
  verify: VerifyIdToken,
): Promise<VerifiedVote> {
  if (vote.answer !== 'approve') return { ok: false, reason: `${vote.person} did not approve` };
  if (vote.channel === 'slack' && !expected.demand.channels.includes('slack')) {
    return { ok: false, reason: 'an answer from Slack does not count for this policy' };
  }
  if (!(vote.atMs <= expected.nowMs + CLOCK_SKEW_MS)) return { ok: false, reason: 'a vote lies in the future' };
  const checked = await verifyVoter(approval, vote.idToken, vote.atMs, verify);
  if (!checked.ok) return checked;
  if (checked.voter.person !== vote.person) return { ok: false, reason: 'a vote is signed by somebody else' };
  return checked;
}
