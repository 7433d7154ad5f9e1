/** Three outcomes for one effect: allowed as it is, allowed once people approve, or not (design §6). */
import { preparsePolicySet, statefulIsAuthorized } from './cedar.ts';
import { withApproval, type CedarRequest } from './cedar-request.ts';
import type { Policy } from './policy.ts';

export type EffectJudgement = {
  readonly kind: 'permit' | 'approve' | 'block';
  /** Ids of the policies that determined the answer, sorted; empty when none permits. */
  readonly policies: readonly string[];
  /** Those of them that demand the approval. */
  readonly demanding: readonly string[];
  /** Why evaluation itself failed; then the answer is a block. */
  readonly failure?: string;
};

/** Judges Cedar requests against one set of policies. */
export type EffectJudge = (request: CedarRequest) => EffectJudgement;

type Answer = { readonly allowed: boolean; readonly reasons: readonly string[]; readonly failure?: string };

/**
 * Hands the policies to Cedar under `name`, which must stand for exactly this content: Cedar keeps prepared sets for the
 * life of the process. Throws when they do not parse, which checked policies always do.
 */
export function prepareJudge(name: string, policies: ReadonlyMap<string, Policy>): EffectJudge {
  const staticPolicies = Object.fromEntries([...policies].map(([id, policy]) => [id, policy.source.text]));
  const prepared = preparsePolicySet(name, { staticPolicies });
  if (prepared.type === 'failure') throw new Error(`checked policies do not parse: ${prepared.errors[0]?.message ?? 'unknown'}`);
  const mayDemand = [...policies.values()].some((policy) => policy.demand !== undefined);

  return (request) => {
    const first = ask(name, request);
    if (first.failure !== undefined) return { kind: 'block', policies: first.reasons, demanding: [], failure: first.failure };
    if (first.allowed) return { kind: 'permit', policies: first.reasons, demanding: [] };
    if (!mayDemand) return { kind: 'block', policies: first.reasons, demanding: [] };
    const second = ask(name, withApproval(request));
    if (second.failure !== undefined) return { kind: 'block', policies: second.reasons, demanding: [], failure: second.failure };
    if (!second.allowed) return { kind: 'block', policies: second.reasons, demanding: [] };
    // What asks for people: permits that needed the approval, and forbids that only the approval lifted.
    const determining = [...new Set([...second.reasons, ...first.reasons])].sort();
    const demanding = determining.filter((id) => policies.get(id)?.demand !== undefined);
    if (demanding.length > 0) return { kind: 'approve', policies: determining, demanding };
    return { kind: 'block', policies: determining, demanding, failure: 'approval would be needed, but no policy says whose' };
  };
}

function ask(name: string, request: CedarRequest): Answer {
  try {
    const answer = statefulIsAuthorized({ ...request, preparsedPolicySetId: name });
    if (answer.type === 'failure') return { allowed: false, reasons: [], failure: 'the policies could not be evaluated' };
    const { decision, diagnostics } = answer.response;
    const reasons = diagnostics.reason.toSorted();
    const [error] = diagnostics.errors;
    // Cedar skips a policy that errs. A forbid that is skipped forbids nothing, so that any error is a block.
    if (error === undefined) return { allowed: decision === 'allow', reasons };
    return { allowed: false, reasons: [error.policyId], failure: `policy ${error.policyId} could not be evaluated` };
  } catch {
    // Refusing is safe whatever went wrong inside the evaluator.
    return { allowed: false, reasons: [], failure: 'the policies could not be evaluated' };
  }
}
