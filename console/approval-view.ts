/** An approval as the API tells it: everything an approver may read, and no token. */
import type { Approval } from '../core/approval/approval.ts';
import { effectsInOrder } from '../core/approval/effects-in-order.ts';
import { deadlineMs } from '../core/approval/lifecycle.ts';
import { approvalNonce } from '../core/approval/nonce.ts';
import { principalName } from '../core/principal.ts';
import { resourceName } from '../core/statement/effect.ts';

/** Times are ISO 8601; `parameters` and `text` are as stored and must be escaped before they are shown. */
export function approvalView(approval: Approval, publicUrl: string) {
  const { request, state, votes, decidedAtMs, withdrawal, claim } = approval;
  const until = state === 'approved' ? deadlineMs(approval) : undefined;
  return {
    id: request.id,
    state,
    url: `${publicUrl}/approvals/${request.id}`,
    digest: request.digest,
    nonce: approvalNonce(request.id, request.digest),
    principal: principalName(request.principal),
    human: request.principal.human,
    owner: request.principal.owner,
    session: request.session,
    target: request.target,
    protocol: request.protocol,
    database: request.database,
    text: request.text,
    textBytes: Buffer.byteLength(request.text),
    executes: request.executes,
    environment: request.environment,
    parameters: request.parameters,
    effects: effectsInOrder(request.effects).map(({ action, resource, via }) => ({
      action,
      resource: resourceName(request.target, resource),
      via,
    })),
    facts: request.facts,
    maskedColumns: request.maskedColumns,
    quorums: request.demand.quorums,
    maxRows: request.demand.maxRows,
    policies: request.policies,
    policyReason: request.policyReason,
    reasonGiven: request.reasonGiven,
    bundle: request.bundle,
    requestedAt: iso(request.requestedAtMs),
    expiresAt: iso(request.expiresAtMs),
    usableUntil: until === undefined ? undefined : iso(until),
    votes: votes.map(({ person, groups, answer, reason, atMs, channel }) => ({ person, groups, answer, reason, at: iso(atMs), channel })),
    decidedAt: decidedAtMs === undefined ? undefined : iso(decidedAtMs),
    withdrawn: withdrawal === undefined ? undefined : { reason: withdrawal.reason, at: iso(withdrawal.atMs) },
    claim:
      claim === undefined
        ? undefined
        : {
            session: claim.session,
            statement: claim.statement,
            at: iso(claim.atMs),
            result: claim.outcome.result,
            rows: claim.outcome.rows,
          },
  };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
