/** One published version of the configuration, ready to decide with. */
import type { Decision } from '../decision.ts';
import type { MaskRule, PatternRule } from '../masking/rules.ts';
import type { PersonKey, Principal } from '../principal.ts';
import type { Effect, Resource } from '../statement/effect.ts';
import type { Facts } from '../statement/sql/reading.ts';

export type Bundle = {
  /** `b-` and the first 16 hex digits of the SHA-256 over the canonical content. */
  readonly version: string;
  readonly masks: readonly MaskRule[];
  readonly patterns: readonly PatternRule[];
  readonly policies: PolicySet;
};

export type PolicyQuestion = {
  readonly principal: Principal;
  readonly target: string;
  readonly effects: readonly Effect[];
  /** `account`: on a host, the one that the statement runs as. */
  readonly facts: Facts & { readonly inTransaction: boolean; readonly account?: string };
};

/** Pure: equal questions have equal answers. Implementations cache by the whole Cedar request. */
export interface PolicySet {
  /** Every effect must be permitted; any block blocks, else any approve holds. An empty list of effects is permitted. */
  decide(question: PolicyQuestion): Decision;
  /**
   * Whether there is any file of this host that the principal may read, list or change, people's approval included: what starts a
   * service for files. `account` as in questions.
   */
  mayUseFiles(principal: Principal, target: string, account: string): Decision;
  /** May this principal open a session on this target: `Action::"connect"`. */
  mayConnect(principal: Principal, target: string): Decision;
  /** Whether policy lifts the mask of this column: `Action::"reveal"`. */
  reveals(principal: Principal, target: string, column: Resource): boolean;
  /** Whether policy allows a keyed look-up on this masked column: `Action::"lookup"`. */
  mayLookUp(principal: Principal, target: string, column: Resource): Decision;
  /** `@author` of those of these policies that demand approval: they may not approve what their own rule holds (design §8). */
  authorsOf(policies: readonly string[]): readonly PersonKey[];
}
