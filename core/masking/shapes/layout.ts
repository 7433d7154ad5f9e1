/** Where things are in the memory that the searches share, and what they write. */

/** A table of what each byte may be part of. */
export const CLASSES_AT = 0;
export const CLASS = { upperOrDigit: 1, localPart: 2, domain: 4 } as const;

/** Before the text and behind it are zeros, which are of no class: a search may look there. */
export const TEXT_AT = 1024;
export const TEXT_BYTES = 32 * 1024;
export const ZEROS_BYTES = 128;

/** Shapes, in the order in which they are found: what kind, and from where to where in the text, as three i32. */
export const FOUND_AT = 64 * 1024;
export const FOUND_BYTES = 12;

/** At most one shape of numbers ends, and one of words begins, within four bytes: `eyJ` has three, but only once for each. */
export const PAGES = 6;

/** Bit n of what is wanted stands for kind n. */
export const KINDS = ['us-ssn', 'us-phone', 'payment-card', 'iban', 'email', 'private-key', 'jwt', 'aws-access-key'] as const;
export type Kind = (typeof KINDS)[number];

export function bitOf(kind: Kind): number {
  return 1 << KINDS.indexOf(kind);
}
