/**
 * Which masking rules hold for one principal on one target, before they are bound to its catalog: `lookup-masking` answers with it at
 * the start of a session, and the proxy compares it with its own.
 */
import { createHash } from 'node:crypto';
import { canonicalJson } from '../evidence/canonical-json.ts';
import type { Bundle } from '../policy/bundle.ts';
import type { Principal } from '../principal.ts';
import type { MaskMethod } from './rules.ts';

export type MaskingPlan = {
  readonly rules: readonly {
    /** `public.customers.ssn`, as the rule has it. */
    readonly column: string;
    readonly method: MaskMethod;
    readonly source: string;
    /** Policy shows this principal the values in the clear. */
    readonly revealed: boolean;
  }[];
  readonly patterns: readonly { readonly detectors: readonly string[]; readonly expressions: readonly string[]; readonly source: string }[];
};

/** Pure: equal questions have equal plans. */
export function maskingPlan(bundle: Bundle, principal: Principal, target: string): MaskingPlan {
  const rules = bundle.masks.filter((rule) => rule.target === target);
  const patterns = bundle.patterns.filter((rule) => rule.target === target);
  return {
    rules: rules.map(({ schema, table, column, method, source }) => ({
      column: `${schema}.${table}.${column}`,
      method,
      source,
      revealed: bundle.policies.reveals(principal, target, { type: 'Column', path: [schema, table, column] }),
    })),
    patterns: patterns.map(({ detectors, expressions, source }) => ({
      detectors,
      expressions: expressions.map(({ name, pattern }) => `${name} ${pattern}`),
      source,
    })),
  };
}

/** Two plans are the same when their digests are. */
export function planDigest(version: string, plan: MaskingPlan): string {
  return createHash('sha256').update(canonicalJson({ version, plan })).digest('hex');
}
