/** One policy, parsed and checked: its Cedar text, what people annotated it with, and what it speaks of. */
import type { PolicyJson } from './cedar.ts';
import type { PolicyAnnotations } from './annotations.ts';
import type { PolicySource } from './policy-source.ts';

export type Policy = PolicyAnnotations & {
  readonly effect: 'permit' | 'forbid';
  readonly source: PolicySource;
  readonly json: PolicyJson;
};
