import { randomBytes } from 'node:crypto';

/** Crockford's base 32: no letters that are read as digits. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const TIME_CHARACTERS = 10;
const RANDOM_CHARACTERS = 16;

/** `ap_` and 26 characters: milliseconds, then 80 random bits. Sorts by time, cannot be guessed, is never used twice. */
export function newApprovalId(nowMs: number): string {
  return `ap_${sortableId(nowMs)}`;
}

/** `s_` and 26 characters, of the same shape. */
export function newSessionId(nowMs: number): string {
  return `s_${sortableId(nowMs)}`;
}

function sortableId(nowMs: number): string {
  let time = '';
  let left = nowMs;
  for (let i = 0; i < TIME_CHARACTERS; i += 1) {
    time = ALPHABET.charAt(left % 32) + time;
    left = Math.floor(left / 32);
  }
  let random = '';
  for (const byte of randomBytes(RANDOM_CHARACTERS)) random += ALPHABET.charAt(byte % 32);
  return time + random;
}
