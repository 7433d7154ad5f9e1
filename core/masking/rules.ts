/** Masking rules as configured, and as bound to the objects of one target. */
import type { ColumnKey } from '../statement/sql/catalog.ts';

export const MASK_METHODS = ['redact', 'null', 'partial', 'hash', 'tokenize'] as const;
export type MaskMethodName = (typeof MASK_METHODS)[number];

export type MaskMethod =
  | { readonly kind: 'redact' }
  | { readonly kind: 'null' }
  /** Keeps `keepFirst` and `keepLast` characters (code points) of the text form, masks the rest. */
  | { readonly kind: 'partial'; readonly keepFirst: number; readonly keepLast: number }
  /** Keyed, stable: equal values have equal masks. */
  | { readonly kind: 'hash' }
  /** Keyed, stable, keeps the format: digits stay digits, letters letters, punctuation stays. */
  | { readonly kind: 'tokenize' };

/** One line of masking.yaml. */
export type MaskRule = {
  readonly target: string;
  readonly schema: string;
  readonly table: string;
  readonly column: string;
  readonly method: MaskMethod;
  /** Where the rule stands: `masking.yaml:12`. */
  readonly source: string;
};

/** Pattern rules: names of built-in detectors, and own linear-time expressions (RE2 syntax). */
export type PatternRule = {
  readonly target: string;
  readonly detectors: readonly string[];
  readonly expressions: readonly { readonly name: string; readonly pattern: string }[];
  readonly source: string;
};

export type BoundMask = {
  readonly column: ColumnKey;
  /** `public.customers.ssn` */
  readonly columnName: string;
  readonly method: MaskMethod;
  readonly notNull: boolean;
  readonly source: string;
};

/** What masks hold on one target, after binding to its catalog and following inheritance, views and generated columns. */
export type BoundMasks = ReadonlyMap<ColumnKey, BoundMask>;
