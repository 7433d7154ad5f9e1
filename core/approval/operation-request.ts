/** What people are asked about one operation on a host: made where it is held, and made anew where it is stored. */
import type { Approve } from '../decision.ts';
import type { JudgedOperation } from '../judging/judge-operation.ts';
import type { Bundle } from '../policy/bundle.ts';
import type { Principal } from '../principal.ts';
import { effectKey, type Effect } from '../statement/effect.ts';
import { describeOperation } from '../statement/host/describe-operation.ts';
import type { ApprovalRequest } from './approval.ts';
import type { HostEnvironment } from './operation-digest.ts';

export type OperationRequestParts = {
  readonly id: string;
  readonly digest: string;
  readonly judged: JudgedOperation & { readonly decision: Approve };
  readonly environment: HostEnvironment;
  readonly principal: Principal;
  readonly session: string;
  readonly target: string;
  readonly bundle: Bundle;
  readonly reasonGiven: string;
  readonly nowMs: number;
};

/** The request as people see it. */
export function operationRequest(parts: OperationRequestParts): ApprovalRequest {
  const { judged, nowMs, environment } = parts;
  const { operation, reading, facts, decision } = judged;
  const { demand, policies, reason } = decision;
  const effects = new Map<string, Effect>(reading.effects.map((effect) => [`${effectKey(effect)} ${effect.via ?? ''}`, effect]));
  const { issuer, agent, human, owner, groups } = parts.principal;
  return {
    id: parts.id,
    digest: parts.digest,
    principal: { issuer, agent, groups, ...(human === undefined ? {} : { human }), ...(owner === undefined ? {} : { owner }) },
    session: parts.session,
    protocol: 'ssh',
    target: parts.target,
    database: operation.account,
    text: describeOperation(operation),
    ...(environment.length === 0 ? {} : { environment: environment.map(([name, value]) => `${name}=${value}`).sort() }),
    parameters: [],
    effects: [...effects.values()],
    facts: { unbounded: facts.unbounded, fullExport: false, rows: -1, maskedColumns: [], opaque: facts.opaque },
    maskedColumns: [],
    demand,
    policies,
    policyReason: reason,
    reasonGiven: parts.reasonGiven,
    bundle: parts.bundle.version,
    requestedAtMs: nowMs,
    expiresAtMs: nowMs + demand.expiresMs,
    ruleAuthors: parts.bundle.policies.authorsOf(policies),
  };
}
