/** Where every error of the gateway gets its code and its words for SSH clients (design §3, §11): lines on standard error, status 77. */
import { visibleText } from '../../core/approval/visible.ts';

/** EX_NOPERM of sysexits.h: what a refused command ends with. */
export const REFUSED_STATUS = 77;

const CODES = [
  '28000',
  '53300',
  '57P01',
  '57014',
  '08001',
  '08P01',
  '0A000',
  'ZG001',
  'ZG003',
  'ZG004',
  'ZG005',
  'ZG006',
  'ZG010',
  'ZG011',
  'ZG012',
  'ZG014',
  'ZG020',
  'ZG030',
] as const;
export type HostRefusalCode = (typeof CODES)[number];

export function isHostRefusalCode(code: string): code is HostRefusalCode {
  return CODES.some((known) => known === code);
}

/** Whether what was asked for took effect on the host. */
export type Executed = 'no' | 'yes' | 'unknown';

export type HostRefusal = {
  readonly code: HostRefusalCode;
  /** One line. */
  readonly message: string;
  /** One line of JSON for machines; always with `executed`. */
  readonly detail: string;
  /** The next step in words. */
  readonly hint?: string;
};

/** A terminal shows lines whole; longer reasons are cut. */
const MAX_FIELD_CHARACTERS = 4_096;

type Details = Readonly<Record<string, unknown>>;

export function hostRefusal(
  code: HostRefusalCode,
  message: string,
  details: Details = {},
  hint?: string,
  executed: Executed = 'no',
): HostRefusal {
  const detail = visibleText(JSON.stringify({ executed, ...details }), false);
  const base = { code, message: oneLine(message), detail };
  return hint === undefined ? base : { ...base, hint: oneLine(hint) };
}

/** One wording for every cause: nothing tells a forger which check failed, or whether the target exists. */
export function notLetIn(): HostRefusal {
  const message = 'the login was not accepted, or it may not use this target';
  return hostRefusal('28000', message, {}, 'Get a fresh token for this gateway, register the key again and check the target name.');
}

/** Told to a principal that has proved who it is. */
export function lockedOut(reason: string): HostRefusal {
  return hostRefusal('ZG020', `no session is opened: ${reason}`, { reason }, 'Ask the operator of the gateway.');
}

export function reconnect(reason: string, executed: Executed = 'no'): HostRefusal {
  return hostRefusal('57P01', `the session ends: ${reason}`, {}, 'Connect again.', executed);
}

export function endedByOperator(by: string, reason: string, executed: Executed): HostRefusal {
  return hostRefusal('ZG020', `the session was ended by ${by}: ${reason}`, { by, reason }, undefined, executed);
}

export function recorderFailed(executed: Executed): HostRefusal {
  return hostRefusal('ZG030', 'the recording cannot be written, so the session ends', {}, 'Try again later.', executed);
}

/** What may be told to any session, in the words of this protocol. */
export const SESSION_WORDS = { reconnect, endedByOperator, recorderFailed, notLetIn, lockedOut } as const;

export function targetUnavailable(
  target: string,
  cause: 'unreachable' | 'misconfigured' | 'closed',
  executed: Executed = 'no',
): HostRefusal {
  switch (cause) {
    case 'unreachable':
      return hostRefusal('08001', `target "${target}" cannot be reached`, { target }, 'Try again later.', executed);
    case 'closed':
      return hostRefusal('08001', `target "${target}" closed the connection`, { target }, 'Connect again.', executed);
    case 'misconfigured':
      return hostRefusal(
        '08001',
        `the gateway cannot log in to target "${target}"`,
        { target },
        "Tell the gateway's operator: its log has the cause.",
        executed,
      );
  }
}

/** The host itself did not open the channel or start the program. */
export function targetRefused(target: string, what: string): HostRefusal {
  return hostRefusal('08001', `target "${target}" did not ${what}`, { target });
}

export function unjudgeable(reason: string): HostRefusal {
  const hint = 'Rewrite it in a form that the gateway can read.';
  return hostRefusal('ZG014', `the command could not be judged: ${reason}`, { reason }, hint);
}

/** What came is not SSH, or not as it is spoken here. */
export function protocolBroken(message: string, hint = 'Check the client.'): HostRefusal {
  return hostRefusal('08P01', message, {}, hint, 'unknown');
}

export function tooManyRefused(most: number): HostRefusal {
  const message = `more than ${most} requests were refused: the session ends`;
  return hostRefusal('53300', message, { limit: most }, 'Ask for what is offered.', 'unknown');
}

export function unsupported(message: string): HostRefusal {
  return hostRefusal('0A000', message);
}

export function blockedByPolicy(reason: string, policies: readonly string[]): HostRefusal {
  return hostRefusal('ZG010', `blocked by policy: ${reason}`, { policies, reason }, 'Use a command that the policy permits.');
}

export function capHit(limit: number, executed: Executed): HostRefusal {
  const message = `the cap of ${limit} bytes per command is hit`;
  return hostRefusal('ZG011', message, { measure: 'bytes', limit }, 'Ask for less.', executed);
}

export function budgetUsedUp(
  measure: string,
  spent: { readonly limit: number; readonly used: number; readonly renewsAtMs: number },
  executed: Executed,
): HostRefusal {
  const renewsAt = new Date(spent.renewsAtMs).toISOString();
  const details = { measure, limit: spent.limit, used: spent.used, renewsAt };
  return hostRefusal('ZG012', `the budget of ${spent.limit} ${measure} is used up`, details, `It renews at ${renewsAt}.`, executed);
}

/** What a client reads. `newline` is CR LF where a terminal in raw mode shows it. */
export function refusalLines(refusal: HostRefusal, newline: '\n' | '\r\n'): string {
  const lines = [`${refusal.code} ${refusal.message}`, refusal.detail, ...(refusal.hint === undefined ? [] : [refusal.hint])];
  return lines.map((line) => `sallyport: ${line}${newline}`).join('');
}

/** The same in the one line of SSH_MSG_DISCONNECT. */
export function refusalLine({ code, message, hint }: HostRefusal): string {
  return hint === undefined ? `sallyport: ${code} ${message}` : `sallyport: ${code} ${message}. ${hint}`;
}

/** Reasons come from people and policies: control characters would forge lines in a terminal or a log. */
function oneLine(text: string): string {
  const flat = visibleText(text.replaceAll(/\s+/gu, ' '), false);
  return flat.length > MAX_FIELD_CHARACTERS ? `${flat.slice(0, MAX_FIELD_CHARACTERS)}…` : flat;
}
