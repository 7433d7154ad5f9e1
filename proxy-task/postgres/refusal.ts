/** Where every error of the gateway gets its code, its words and its form on the wire (design §3). */
import { type ErrorField, encodeErrorResponse, encodeNoticeResponse } from './messages/error-response.ts';
import { GATEWAY_SQLSTATES, type GatewaySqlstate } from './sqlstate.ts';

/** Whether the statement took effect on the target. */
export type Executed = 'no' | 'yes' | 'unknown';

export type Refusal = {
  readonly code: GatewaySqlstate;
  readonly severity: 'ERROR' | 'FATAL';
  readonly message: string;
  /** One line of JSON; always with `executed`. */
  readonly detail: string;
  /** The next step in words. */
  readonly hint?: string;
};

/** PostgreSQL clients show errors whole; longer reasons are cut so that one field stays readable. */
const MAX_FIELD_CHARACTERS = 8_192;

type Details = Readonly<Record<string, unknown>>;

/** Not let in. One wording for every cause: nothing tells a forger which check failed, or whether the target exists. */
export function notLetIn(): Refusal {
  return refusal(
    '28000',
    'the token was not accepted, or it may not use this target',
    {},
    'Get a fresh token for this gateway and check the target name.',
  );
}

/** A peer that is not on loopback came without TLS. */
export function tlsRequired(): Refusal {
  return refusal('28000', 'this gateway takes tokens over TLS only', {}, 'Connect with sslmode=require or stricter.');
}

/** Bytes that are no message. */
export function protocolViolation(message: string): Refusal {
  return refusal('08P01', message, {});
}

/** A kind of connection that does not exist here: replication, another protocol. */
export function unsupported(message: string): Refusal {
  return refusal('0A000', message, {});
}

/** A startup option or parameter that is not understood. */
export function invalidOption(message: string): Refusal {
  return refusal('22023', message, {});
}

export function tooManyConnections(message: string): Refusal {
  return refusal('53300', message, {}, 'Wait for other sessions to end, then connect again.');
}

/** Why the target could not be used; without its address, its role or its own words. */
export function targetUnavailable(target: string, cause: 'unreachable' | 'tooManyConnections' | 'startingUp' | 'misconfigured'): Refusal {
  switch (cause) {
    case 'unreachable':
      return refusal('08001', `target "${target}" cannot be reached`, { target }, 'Try again later.');
    case 'tooManyConnections':
      return refusal(
        '53300',
        `target "${target}" has no connection left`,
        { target },
        'Wait for other sessions to end, then connect again.',
      );
    case 'startingUp':
      return refusal('57P03', `target "${target}" is starting up or shutting down`, { target }, 'Try again in a moment.');
    case 'misconfigured':
      return refusal(
        '08001',
        `the gateway cannot log in to target "${target}"`,
        { target },
        "Tell the gateway's operator: its log has the cause.",
      );
  }
}

export type ApprovalPointer = {
  readonly approvalId: string;
  readonly url: string;
  /** ISO 8601. */
  readonly expiresAt: string;
  readonly digest: string;
  readonly retryAfterMs: number;
};

export function approvalRequired(reason: string, pointer: ApprovalPointer): Refusal {
  return refusal(
    'ZG001',
    `approval required: ${reason}`,
    { ...pointer },
    `Ask for approval at ${pointer.url}, then send the same statement again; it runs once when it is approved.`,
  );
}

export function approvalRejected(approvalId: string, approverReason: string): Refusal {
  const words = approverReason === '' ? 'approval rejected' : `approval rejected: ${approverReason}`;
  return refusal(
    'ZG003',
    words,
    { approvalId, reason: approverReason },
    'Change what you ask for, or its reason; the same request needs a new approval.',
  );
}

export function approvalExpired(approvalId: string, reason: string): Refusal {
  return refusal(
    'ZG004',
    'approval expired',
    { approvalId, reason },
    'Nobody answered, or the approval was not used, in time: send the statement again to ask anew.',
  );
}

export function approvalMismatch(details: {
  readonly approvalId: string;
  readonly digest: string;
  readonly approvedDigest: string;
}): Refusal {
  return refusal(
    'ZG005',
    'the approval named is not for this statement with these parameters and settings',
    details,
    'Send exactly what was approved, or RESET sallyport.approval_id to ask for a new approval.',
  );
}

export function approvalUsed(details: {
  readonly approvalId: string;
  /** ISO 8601. */
  readonly at: string;
  readonly rows: number;
  readonly outcome: 'committed' | 'rolledBack' | 'unknown';
}): Refusal {
  const executed = { committed: 'yes', rolledBack: 'no', unknown: 'unknown' } as const;
  return refusal(
    'ZG006',
    'this approval was already used and its answer was lost on the way',
    details,
    'Check the outcome in DETAIL before anything is repeated.',
    executed[details.outcome],
  );
}

export function blockedByPolicy(reason: string, policies: readonly string[], executed: Executed = 'no'): Refusal {
  return refusal('ZG010', `blocked by policy: ${reason}`, { policies, reason }, 'Use a statement that the policy permits.', executed);
}

/** `executed` is `unknown` where part of the rows was released before the cap. */
export function capHit(
  details: { readonly measure: 'rows' | 'bytes'; readonly limit: number; readonly used: number },
  executed: Executed,
): Refusal {
  return refusal(
    'ZG011',
    `the cap of ${details.limit} ${details.measure} per statement is hit`,
    details,
    'Ask for less: add a predicate or a LIMIT.',
    executed,
  );
}

export function budgetUsedUp(
  details: { readonly measure: string; readonly limit: number; readonly used: number; readonly renewsAt: string },
  executed: Executed = 'no',
): Refusal {
  return refusal(
    'ZG012',
    `the budget of ${details.limit} ${details.measure} is used up`,
    details,
    `It renews at ${details.renewsAt}.`,
    executed,
  );
}

export function maskedUse(details: { readonly column: string; readonly use: string; readonly allowed: string }): Refusal {
  return refusal('ZG013', `masked column ${details.column} is used in ${details.use}`, details, `Allowed instead: ${details.allowed}`);
}

/** `atByte` counts from the start of the statement's text. */
export function unjudgeable(reason: string, atByte?: number): Refusal {
  const details = atByte === undefined ? { reason } : { reason, atByte };
  return refusal('ZG014', `the statement could not be judged: ${reason}`, details, 'Rewrite it in a form that the gateway can read.');
}

/** A name that the gateway has not seen the target confirm: in PostgreSQL's own words. */
export function noSuchName(kind: 'statement' | 'portal', name: string): Refusal {
  if (kind === 'portal') return refusal('34000', `portal "${name}" does not exist`, {});
  return refusal('26000', name === '' ? 'unnamed prepared statement does not exist' : `prepared statement "${name}" does not exist`, {});
}

export function canceledWhileHeld(approvalId: string): Refusal {
  return refusal('57014', 'canceling statement due to user request', { approvalId });
}

export function endedByOperator(by: string, reason: string, executed: Executed = 'no'): Refusal {
  return refusal('ZG020', `session ended by ${by}: ${reason}`, { by, reason }, undefined, executed);
}

/** Told to a principal that has proved who it is. `reason` says by whom and why. */
export function lockedOut(reason: string): Refusal {
  return refusal('ZG020', `no session is opened: ${reason}`, { reason }, 'Ask the operator of the gateway.');
}

export function recorderFailed(executed: Executed): Refusal {
  return refusal('ZG030', 'the recording cannot be written, so the session ends', {}, 'Try again later.', executed);
}

export function reconnect(reason: string, executed: Executed = 'no'): Refusal {
  return refusal('57P01', `terminating connection: ${reason}`, {}, 'Connect again.', executed);
}

/** What may be told to any session, in the words of this protocol. */
export const SESSION_WORDS = { reconnect, endedByOperator, recorderFailed, notLetIn, lockedOut } as const;

/** ErrorResponse with S, V, C, M, D and H. */
export function encodeRefusal(refused: Refusal): Buffer {
  return encodeErrorResponse(fieldsOf(refused, refused.severity));
}

/** The same fields as a NoticeResponse: what a held statement is told while it waits. */
export function encodeRefusalNotice(refused: Refusal): Buffer {
  return encodeNoticeResponse(fieldsOf(refused, 'NOTICE'));
}

function fieldsOf(refused: Refusal, severity: string): ErrorField[] {
  const fields: ErrorField[] = [
    ['S', severity],
    ['V', severity],
    ['C', refused.code],
    ['M', refused.message],
    ['D', refused.detail],
  ];
  if (refused.hint !== undefined) fields.push(['H', refused.hint]);
  return fields;
}

function refusal(code: GatewaySqlstate, message: string, details: Details, hint?: string, executed: Executed = 'no'): Refusal {
  const { severity } = GATEWAY_SQLSTATES[code];
  const detail = escapeInvisible(JSON.stringify({ executed, ...details }));
  const base = { code, severity, message: oneLine(message), detail };
  return hint === undefined ? base : { ...base, hint: oneLine(hint) };
}

/** What JSON lets through and a terminal acts on: bidirectional marks, line separators, C1 controls. */
function escapeInvisible(json: string): string {
  return json.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) =>
    Array.from({ length: character.length }, (_, i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`).join(''),
  );
}

/** Reasons come from people and policies: control characters would forge lines in a terminal or a log. */
function oneLine(text: string): string {
  const flat = text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ');
  return flat.length > MAX_FIELD_CHARACTERS ? `${flat.slice(0, MAX_FIELD_CHARACTERS)}…` : flat;
}
