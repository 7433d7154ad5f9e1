import { MASKED_XML } from './constants.ts';

/**
 * Whether a value that is about to be written to a masked column looks like one of our masks: a client that reads rows
 * and writes them back would destroy data (design §7). Any asterisk counts, since `partial` leaves shapes like `J*` and
 * `*-*-c`. Not recognised: typed constants (0, 1970-01-01), which are ordinary values, and hashes and tokens, which are
 * made to look like data; whoever sees those may not write the column at all.
 */
export function looksLikeMask(value: string): boolean {
  return (
    value.includes('*') || value.includes('[masked]') || value.includes('[masked:') || value.includes(MASKED_XML) || isMaskBytes(value)
  );
}

/** `[masked]` as bytea output, in either spelling of hex digits. */
function isMaskBytes(value: string): boolean {
  return value.toLowerCase() === '\\x5b6d61736b65645d';
}
