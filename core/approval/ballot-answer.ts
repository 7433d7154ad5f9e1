/** What the function that counts votes answers to the console, which then reads the approval itself. */
import type { RefusalCode } from './lifecycle.ts';

export type BallotAnswer =
  | { readonly kind: 'counted' }
  | { readonly kind: 'refused'; readonly code: RefusalCode | 'sign-in-invalid'; readonly reason: string }
  | { readonly kind: 'not-found' };

/** Every code once: the compiler complains of one that is missing. */
const CODES: Readonly<Record<RefusalCode | 'sign-in-invalid', true>> = {
  'already-approved': true,
  'already-rejected': true,
  'already-claimed': true,
  'already-settled': true,
  'already-voted': true,
  expired: true,
  withdrawn: true,
  'not-approved': true,
  'not-claimed': true,
  'not-due': true,
  'not-entitled': true,
  'sign-in-invalid': true,
};

/** Undefined for what is no such answer; fields beside those above are left out. */
export function readBallotAnswer(value: unknown): BallotAnswer | undefined {
  if (typeof value !== 'object' || value === null || !('kind' in value)) return undefined;
  if (value.kind === 'counted' || value.kind === 'not-found') return { kind: value.kind };
  if (value.kind !== 'refused' || !('code' in value) || !isCode(value.code)) return undefined;
  return 'reason' in value && typeof value.reason === 'string' ? { kind: 'refused', code: value.code, reason: value.reason } : undefined;
}

function isCode(value: unknown): value is RefusalCode | 'sign-in-invalid' {
  return typeof value === 'string' && Object.hasOwn(CODES, value);
}
