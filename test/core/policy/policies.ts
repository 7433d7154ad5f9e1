/** Policies, principals and questions for tests. */
import { readPolicies } from '../../../core/policy/read-policies.ts';
import type { PolicyQuestion, PolicySet } from '../../../core/policy/bundle.ts';
import { createPolicySet } from '../../../core/policy/policy-set.ts';
import type { Policy } from '../../../core/policy/policy.ts';
import type { ConfigError } from '../../../core/config/config-error.ts';
import type { Principal } from '../../../core/principal.ts';
import type { Action, Effect, Resource } from '../../../core/statement/effect.ts';

export const KNOWN = { targets: new Set(['bank']), issuers: new Set(['corp']) };
const APPROVERS: Record<string, string> = { dba: 'corp/dba', security: 'corp/security' };

export function errorsOf(text: string): readonly ConfigError[] {
  return readPolicies(new Map([['policies/test.cedar', text]]), (name) => APPROVERS[name], KNOWN).errors;
}

/** Fails on any finding, so that no test decides with policies that would not be published. */
export function policySet(text: string): PolicySet {
  return createPolicySet(policiesOf(text));
}

export function policiesOf(text: string): readonly Policy[] {
  const { policies, errors } = readPolicies(new Map([['policies/test.cedar', text]]), (name) => APPROVERS[name], KNOWN);
  if (errors.length > 0) throw new Error(JSON.stringify(errors));
  return policies;
}

export function agent(...groups: readonly string[]): Principal {
  return { issuer: 'corp', agent: 'agent-7', groups, expiresAtMs: 0 };
}

/** `update public.accounts`, `select public.customers.ssn`: tables by two parts, columns by three, the target by none. */
export function effect(text: string): Effect {
  const [action = '', name = ''] = text.split(' ');
  const path = name === '' ? [] : name.split('.');
  const type = (['Target', 'Schema', 'Table', 'Column'] as const)[path.length] ?? 'Target';
  const resource: Resource = { type, path };
  // The texts in tests name real actions; a wrong one is blocked and fails its test.
  return { action: action as Action, resource };
}

export function ask(principal: Principal, effects: readonly string[], facts: Partial<PolicyQuestion['facts']> = {}): PolicyQuestion {
  return {
    principal,
    target: 'bank',
    effects: effects.map(effect),
    facts: { unbounded: false, fullExport: false, rows: 1, maskedColumns: [], opaque: false, inTransaction: false, ...facts },
  };
}
