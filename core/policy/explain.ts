/** The one sentence that an agent, an approver and an examiner read about a decision. */
import type { ApprovalDemand } from '../decision.ts';
import { resourceName, type Effect } from '../statement/effect.ts';
import type { EffectJudgement } from './judge-effect.ts';
import type { Policy } from './policy.ts';

/** An effect with what policy said of it. */
export type JudgedEffect = { readonly effect: Effect; readonly judgement: EffectJudgement };

/** Refusals named one by one; more are counted. A statement on hundreds of tables must not make a message of pages. */
const MAX_NAMED = 3;

/** `Permitted by analysts-read.` */
export function explainPermit(policies: readonly string[]): string {
  return policies.length === 0 ? 'Permitted: nothing that policy decides is touched.' : `Permitted by ${policies.join(', ')}.`;
}

/** `Approval by dba is needed (analysts-write: Production writes need a second person).` */
export function explainApprove(demanding: readonly Policy[], demand: ApprovalDemand): string {
  const who = demand.quorums.map(({ group, quorum }) => (quorum === 1 ? group : `${quorum} of ${group}`)).join(' and ');
  return `Approval by ${who} is needed (${demanding.map(withReason).join('; ')}).`;
}

/** Names the forbids with their reasons, or what no policy permits. */
export function explainBlock(target: string, blocked: readonly JudgedEffect[], policies: ReadonlyMap<string, Policy>): string {
  // What somebody forbade on purpose says more than what nobody thought of.
  const forbidden = new Set<string>();
  const unpermitted = new Set<string>();
  for (const { effect, judgement } of blocked) {
    if (judgement.failure !== undefined) forbidden.add(`Blocked: ${judgement.failure}`);
    for (const id of judgement.policies) {
      const policy = policies.get(id);
      if (policy !== undefined && judgement.failure === undefined) forbidden.add(`Blocked by ${withReason(policy)}`);
    }
    if (judgement.policies.length === 0 && judgement.failure === undefined) {
      const via = effect.via === undefined ? '' : ` (via ${effect.via})`;
      unpermitted.add(`No policy permits ${effect.action} on ${resourceName(target, effect.resource)}${via}`);
    }
  }
  const sentences = [...forbidden, ...unpermitted];
  const named = sentences.slice(0, MAX_NAMED).join('. ');
  return sentences.length > MAX_NAMED ? `${named}. And ${sentences.length - MAX_NAMED} more.` : `${named}.`;
}

function withReason(policy: Policy): string {
  return policy.reason === '' ? policy.id : `${policy.id}: ${policy.reason.replace(/[.!]+$/, '')}`;
}
