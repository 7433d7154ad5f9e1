/** What a notice says: effects first, who asks for whom and why, the rule, and the link. The statement itself is on the page, behind its escapes. */
import type { ApprovalRequest } from '../../core/approval/approval.ts';
import { effectsInOrder } from '../../core/approval/effects-in-order.ts';
import { quorumNames } from '../../core/approval/quorum.ts';
import { visibleText } from '../../core/approval/visible.ts';
import { principalName } from '../../core/principal.ts';
import { resourceName } from '../../core/statement/effect.ts';
import type { NoticeText } from './ports.ts';

/** SNS takes subjects of at most 100 characters of ASCII. */
const MAX_SUBJECT = 100;
const MAX_LINE = 300;
const MAX_EFFECTS = 10;

/**
 * Mail and chat are read in more places than the page: neither the statement nor its parameters go there, since a literal may be
 * what masking hides. Everything that somebody else wrote is escaped and cut.
 */
export function noticeText(request: ApprovalRequest, publicUrl: string): NoticeText {
  const { target, principal, demand, facts } = request;
  const effects = effectsInOrder(request.effects).map(({ action, resource }) => `${action} ${resourceName(target, resource)}`);
  const agent = principalName(principal);
  const rows = facts.rows < 0 ? 'an unknown number of rows' : `about ${facts.rows} rows`;
  const host = request.protocol === 'ssh';
  const size = host
    ? `as ${request.database}${facts.unbounded ? ', without a bound' : ''}`
    : `${rows}${facts.unbounded ? ', without a condition' : ''}`;
  const lines = [
    ...effects.slice(0, MAX_EFFECTS),
    ...(effects.length > MAX_EFFECTS ? [`and ${effects.length - MAX_EFFECTS} more effects`] : []),
    `${size}${facts.opaque ? ', by code that cannot be read' : ''}`,
    `Asked by ${agent}${principal.human === undefined ? '' : ` for ${principal.human}`} on ${target}`,
    `Reason given: ${request.reasonGiven === '' ? '(none)' : request.reasonGiven}`,
    `Rule: ${request.policies.join(', ')}: ${request.policyReason}`,
    `Needed: ${quorumNames(demand)}, until ${new Date(request.expiresAtMs).toISOString()}`,
  ];
  return {
    subject: cut(ascii(`Approval needed: ${agent} on ${target}`), MAX_SUBJECT),
    lines: lines.map((line) => cut(visibleText(line, false), MAX_LINE)),
    url: `${publicUrl}/approvals/${request.id}`,
  };
}

function ascii(text: string): string {
  return visibleText(text, false).replaceAll(/[^\x20-\x7e]/gu, '?');
}

function cut(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length - 3)}...` : text;
}
