/** Annotations of a policy: who must approve, and how long each step may take. */
import { DURATION_FORM, parseDuration } from '../config/duration.ts';
import type { ApprovalDemand } from '../decision.ts';

export const DEFAULT_HOLD_MS = 55_000;
export const DEFAULT_EXPIRES_MS = 4 * 3_600_000;
export const DEFAULT_GRANT_MS = 15 * 60_000;
/** A statement held longer than this outlives the patience of every driver and load balancer (design §8). */
const MAX_HOLD_MS = 10 * 60_000;
/** An answer older than this is about another situation. */
const MAX_EXPIRES_MS = 7 * 86_400_000;
const MAX_GRANT_MS = 86_400_000;
const MAX_QUORUM = 20;
const CHANNELS: readonly string[] = ['slack'];

export type PolicyAnnotations = {
  readonly id: string;
  /** A sentence for people; empty when the policy has none. */
  readonly reason: string;
  /** Person key of who wrote the rule. */
  readonly author?: string;
  /** What must be approved before the policy lets a statement run; absent without `@approvers`. */
  readonly demand?: ApprovalDemand;
};

export type AnnotationError = { readonly annotation: string; readonly message: string; readonly fix: string };

/** Resolves a name of `@approvers` to a namespaced group, or undefined when there is none. */
export type ApproverLookup = (name: string) => string | undefined;

const NEED_APPROVERS = ['quorum', 'hold', 'expires', 'grant', 'maxRows', 'channel'];
const KNOWN = ['id', 'reason', 'author', 'approvers', ...NEED_APPROVERS];

/** Reads the annotations of one policy. All of it is checked; what is returned counts only when there are no errors. */
export function readAnnotations(
  raw: Readonly<Record<string, string | null>>,
  lookUp: ApproverLookup,
): { readonly annotations: PolicyAnnotations; readonly errors: readonly AnnotationError[] } {
  const errors: AnnotationError[] = [];
  const refuse = (annotation: string, message: string, fix: string) => void errors.push({ annotation, message, fix });
  const text = (name: string): string | undefined => (Object.hasOwn(raw, name) ? (raw[name] ?? '') : undefined);

  for (const name of Object.keys(raw)) {
    if (!KNOWN.includes(name)) refuse(name, `unknown annotation @${name}`, `use one of ${KNOWN.map((known) => `@${known}`).join(', ')}`);
    // Reasons and ids reach terminals, notices and logs: nothing in them may steer those.
    if (/[\p{Cc}\p{Cf}]/u.test(raw[name] ?? '')) refuse(name, `@${name} holds control or invisible characters`, 'remove them');
  }
  const duration = (name: string, fallback: number, max: number): number => {
    const value = text(name);
    if (value === undefined) return fallback;
    const ms = parseDuration(value);
    if (ms === undefined) refuse(name, `@${name}("${value}") is no duration`, `write ${DURATION_FORM}`);
    else if (ms > max) refuse(name, `@${name}("${value}") is too long`, `use at most ${max / 60_000} minutes`);
    return ms ?? fallback;
  };
  const count = (name: string, max: number): number | undefined => {
    const value = text(name);
    if (value === undefined) return undefined;
    if (/^[1-9]\d{0,14}$/.test(value) && Number(value) <= max) return Number(value);
    refuse(name, `@${name}("${value}") is no count`, `write a whole number from 1 to ${max}`);
    return 1;
  };

  const id = text('id') ?? '';
  if (text('id') === undefined) refuse('id', 'the policy has no @id', 'start it with @id("a-name"): decisions and evidence name it');
  else if (!/^[A-Za-z0-9][\w.-]{0,63}$/.test(id))
    refuse('id', `@id("${id}") is no name`, 'use up to 64 letters, digits, dots, dashes and underscores');
  if (text('reason')?.trim() === '') refuse('reason', '@reason is empty', 'write one sentence for the agent and the approver');
  if (text('author')?.trim() === '') refuse('author', '@author is empty', 'name the person, as the person claim does');

  const quorum = count('quorum', MAX_QUORUM) ?? 1;
  const maxRows = count('maxRows', Number.MAX_SAFE_INTEGER);
  const holdMs = duration('hold', DEFAULT_HOLD_MS, MAX_HOLD_MS);
  const expiresMs = duration('expires', DEFAULT_EXPIRES_MS, MAX_EXPIRES_MS);
  const grantMs = duration('grant', DEFAULT_GRANT_MS, MAX_GRANT_MS);
  if (holdMs > expiresMs) refuse('hold', '@hold is longer than @expires', 'shorten @hold: a request cannot be held after it expired');
  const channels = list(text('channel'));
  for (const channel of channels)
    if (!CHANNELS.includes(channel)) refuse('channel', `unknown channel \`${channel}\``, 'use @channel("slack")');

  const approvers = text('approvers');
  if (approvers === undefined) {
    for (const name of NEED_APPROVERS)
      if (text(name) !== undefined) refuse(name, `@${name} without @approvers`, 'add @approvers("group") or remove it');
  }
  const quorums: { group: string; quorum: number }[] = [];
  for (const name of list(approvers)) {
    const group = lookUp(name);
    if (group === undefined) refuse('approvers', `unknown approver group \`${name}\``, 'add it to approverGroups in sallyport.yaml');
    else quorums.push({ group, quorum });
  }
  if (approvers !== undefined && list(approvers).length === 0) refuse('approvers', '@approvers names no group', 'write @approvers("dba")');

  const author = text('author')?.trim().toLowerCase();
  const demand = { quorums, holdMs, expiresMs, grantMs, ...(maxRows === undefined ? {} : { maxRows }), channels };
  const annotations = {
    id,
    reason: text('reason')?.trim() ?? '',
    ...(author === undefined ? {} : { author }),
    ...(approvers === undefined ? {} : { demand }),
  };
  return { annotations, errors };
}

function list(text: string | undefined): readonly string[] {
  if (text === undefined) return [];
  return text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}
