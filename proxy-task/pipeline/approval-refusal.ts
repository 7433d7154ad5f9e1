/** Why a statement that people were, or would be, asked about does not run: the same codes and facts for every protocol (design §3). */
import type { Approval } from '../../core/approval/approval.ts';
import { endOf, RETRY_AFTER_MS, type lostOutcome } from './approval-rules.ts';

export type ApprovalRefusal = {
  readonly code: 'ZG001' | 'ZG003' | 'ZG004' | 'ZG005' | 'ZG006' | 'ZG010' | '57014';
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
  readonly hint?: string;
  /** Whether what was asked for took effect on the target. */
  readonly executed: 'no' | 'yes' | 'unknown';
};

/** Where a request stands that nobody has answered yet. */
export type ApprovalPointer = {
  readonly approvalId: string;
  readonly url: string;
  /** ISO 8601. */
  readonly expiresAt: string;
  readonly digest: string;
  readonly retryAfterMs: number;
};

export function pointerTo({ request }: Approval, approvalUrl: (id: string) => string): ApprovalPointer {
  return {
    approvalId: request.id,
    url: approvalUrl(request.id),
    expiresAt: new Date(request.expiresAtMs).toISOString(),
    digest: request.digest,
    retryAfterMs: RETRY_AFTER_MS,
  };
}

/** ZG001 */
export function required(reason: string, pointer: ApprovalPointer): ApprovalRefusal {
  const hint = `Ask for approval at ${pointer.url}, then send the same again; it runs once when it is approved.`;
  return { code: 'ZG001', message: `approval required: ${reason}`, details: pointer, hint, executed: 'no' };
}

/** ZG003, ZG004; undefined where the approval may still be used. */
export function ended(approval: Approval): ApprovalRefusal | undefined {
  const end = endOf(approval);
  if (end === undefined) return undefined;
  const details = { approvalId: approval.request.id, reason: end.reason };
  if (end.kind === 'expired') {
    const hint = 'Nobody answered, or the approval was not used, in time: send it again to ask anew.';
    return { code: 'ZG004', message: `approval expired: ${end.reason}`, details, hint, executed: 'no' };
  }
  const message = end.reason === '' ? 'approval rejected' : `approval rejected: ${end.reason}`;
  const hint = 'Change what you ask for, or its reason; the same request needs a new approval.';
  return { code: 'ZG003', message, details, hint, executed: 'no' };
}

/** ZG005 */
export function mismatch(approvalId: string, digest: string, approved: Approval | undefined): ApprovalRefusal {
  const message = 'the approval named is not for exactly this, with these settings';
  const hint = 'Send exactly what was approved, or name no approval to ask for a new one.';
  return { code: 'ZG005', message, details: { approvalId, digest, approvedDigest: approved?.request.digest ?? '' }, hint, executed: 'no' };
}

const EXECUTED = { committed: 'yes', rolledBack: 'no', unknown: 'unknown' } as const;

/** ZG006 */
export function used(approvalId: string, lost: NonNullable<ReturnType<typeof lostOutcome>>): ApprovalRefusal {
  return {
    code: 'ZG006',
    message: 'this approval was already used and its answer was lost on the way',
    details: { approvalId, at: new Date(lost.atMs).toISOString(), rows: lost.rows, outcome: lost.told },
    hint: 'Check the outcome before anything is repeated.',
    executed: EXECUTED[lost.told],
  };
}

/** ZG010 */
export function blocked(reason: string, policies: readonly string[]): ApprovalRefusal {
  return { code: 'ZG010', message: `blocked by policy: ${reason}`, details: { policies, reason }, executed: 'no' };
}

/** 57014, as a statement that its own client cancels. */
export function takenBack(approvalId: string, reason: string): ApprovalRefusal {
  return { code: '57014', message: `taken back while it waited: ${reason}`, details: { approvalId }, executed: 'no' };
}
