/** What happens to each cell of one result. Computed once per judged statement, applied per row. */
import type { BoundMask } from './rules.ts';

export type CellPlan =
  /** Released as it is, after the detectors. */
  { readonly kind: 'clear' } | { readonly kind: 'mask'; readonly mask: BoundMask };

export type ResultPlan = {
  readonly cells: readonly CellPlan[];
  /** Names of detectors that run on every clear text cell; empty: none. */
  readonly detectors: readonly string[];
};
