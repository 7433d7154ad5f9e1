/** One person has one key, however an issuer spells the claim. */
import type { PersonKey } from '../principal.ts';

/** Trimmed, in Unicode's composed form, lower case: two spellings of one address are one person, who approves once. */
export function personKey(claim: string): PersonKey {
  return claim.trim().normalize('NFKC').toLowerCase();
}
