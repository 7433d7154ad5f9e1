/** One case of `tests/*.yaml`: a statement or its effects in, a decision out; or a value in, its mask out. */
import type { Effect } from '../statement/effect.ts';
import type { MaskMethod } from '../masking/rules.ts';
import type { Facts } from '../statement/sql/reading.ts';

export type PolicyCase = DecisionCase | MaskCase;

type CaseHead = {
  readonly name: string;
  /** `tests/bank.yaml:12`. */
  readonly source: string;
};

export type DecisionCase = CaseHead & {
  readonly kind: 'decision';
  /** Namespaced agent. */
  readonly principal: string;
  readonly groups: readonly string[];
  readonly human?: string;
  readonly target: string;
  /** Exactly one of `sql` (needs a catalog), `command` (of a host) and `effects`. */
  readonly sql?: string;
  readonly command?: string;
  /** Who runs the command; absent: the host's first account. */
  readonly account?: string;
  readonly params: readonly (string | null)[];
  readonly effects?: readonly Effect[];
  readonly facts: Partial<Facts & { inTransaction: boolean; account: string }>;
  readonly expected: {
    readonly decision: 'permit' | 'approve' | 'block';
    /** All policies that decided, where the case names them. */
    readonly policies?: readonly string[];
    /** Groups that must approve, where the case names them. */
    readonly approvers?: readonly string[];
    /** Masked columns in the output, where the case names them. */
    readonly masked?: readonly string[];
  };
};

export type MaskCase = CaseHead & {
  readonly kind: 'mask';
  readonly method: MaskMethod;
  readonly value: string;
  readonly masked: string;
};
