/** Detectors made of words: e-mail addresses, IBANs, AWS access keys, JSON web tokens, private keys. */
import { ALNUM, BASE64URL, DOMAIN, LOCAL_PART, UPPER_OR_DIGIT, type ByteClass } from './byte-classes.ts';
import type { Scan } from './scan.ts';

const LOCAL_PART_MOST_BYTES = 256;
const DOMAIN_MOST_BYTES = 255;
const IBAN_LEAST = 15;
const IBAN_MOST = 34;
const AWS_KEY_BYTES = 20;
const PEM_HEADER_MOST_BYTES = 80;

const JWT_LEAST_BYTES = 15;

function isIn(set: ByteClass, byte: number | undefined): boolean {
  return byte !== undefined && set[byte] === 1;
}

function runEnd(set: ByteClass, bytes: Buffer, at: number, end: number): number {
  let to = at;
  while (to < end && isIn(set, bytes[to])) to++;
  return to;
}

/** Something before an `@`, and a domain with a dot after it; both bounded as in RFC 5321 §4.5.3, and then some. */
export const scanEmails: Scan = (bytes, start, end, report) => {
  let done = start;
  for (let at = indexOf(bytes, 0x40, start, end); at !== -1; at = indexOf(bytes, 0x40, at + 1, end)) {
    let from = at;
    while (from > done && at - from < LOCAL_PART_MOST_BYTES && isIn(LOCAL_PART, bytes[from - 1])) from--;
    let to = runEnd(DOMAIN, bytes, at + 1, Math.min(end, at + 1 + DOMAIN_MOST_BYTES));
    while (to > at + 1 && (bytes[to - 1] === 0x2e || bytes[to - 1] === 0x2d)) to--;
    let dot = to - 1;
    while (dot > at && bytes[dot] !== 0x2e) dot--;
    if (from === at || dot <= at + 1 || to - dot < 3) continue;
    report(from, to);
    done = to;
  }
};

/** ISO 13616, in capitals as its electronic and print formats are: two letters, two check digits, 11 to 30 more, blanks allowed, and the remainder of 97 is 1. */
export const scanIbans: Scan = (bytes, start, end, report) => {
  for (let at = start; at + IBAN_LEAST <= end;) {
    if (!isIn(UPPER_OR_DIGIT, bytes[at])) {
      at++;
      continue;
    }
    const to = ibanEnd(bytes, at, end);
    if (to > at) report(at, to);
    at = to > at ? to : runEnd(ALNUM, bytes, at, end);
  }
};

function ibanEnd(bytes: Buffer, at: number, end: number): number {
  if (!isLetter(bytes[at]) || !isLetter(bytes[at + 1]) || !isDigit(bytes[at + 2]) || !isDigit(bytes[at + 3])) return at;
  let remainder = 0;
  let characters = 0;
  let found = at;
  for (let p = at; p < end && characters < IBAN_MOST; p++) {
    const byte = bytes[p] ?? 0;
    if (!isIn(UPPER_OR_DIGIT, byte)) {
      if (byte !== 0x20 || p + 1 >= end || !isIn(UPPER_OR_DIGIT, bytes[p + 1])) break;
      continue;
    }
    // The first four stand behind the others in the number that is divided.
    if (characters >= 4) remainder = remainderWith(remainder, byte);
    characters++;
    if (characters < IBAN_LEAST || (p + 1 < end && isIn(UPPER_OR_DIGIT, bytes[p + 1]))) continue;
    let whole = remainder;
    for (let first = at; first < at + 4; first++) whole = remainderWith(whole, bytes[first] ?? 0);
    if (whole === 1) found = p + 1;
  }
  return found;
}

/** The remainder of 97 with one more character: a digit counts as itself, letters as 10 to 35 (ISO 7064). */
function remainderWith(remainder: number, byte: number): number {
  return isDigit(byte) ? (remainder * 10 + byte - 0x30) % 97 : (remainder * 100 + byte - 0x41 + 10) % 97;
}

function isLetter(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x41 && byte <= 0x5a;
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}

/** `AKIA` or `ASIA` and 16 more: the identifiers of long-term and temporary access keys (IAM User Guide, unique identifiers). */
export const scanAwsKeys: Scan = (bytes, start, end, report) => {
  for (let at = start; at + AWS_KEY_BYTES <= end;) {
    if (!isIn(ALNUM, bytes[at])) {
      at++;
      continue;
    }
    const to = runEnd(ALNUM, bytes, at, end);
    if (
      to - at === AWS_KEY_BYTES &&
      runEnd(UPPER_OR_DIGIT, bytes, at, to) === to &&
      /^A[KS]IA/.test(bytes.toString('latin1', at, at + 4))
    ) {
      report(at, to);
    }
    at = to;
  }
};

/** RFC 7519 in compact form: header and claims are JSON objects, so both begin with `eyJ`; the signature may be empty. */
export const scanJwts: Scan = (bytes, start, end, report) => {
  let at = indexOf(bytes, 'eyJ', start, end);
  while (at !== -1) {
    const header = runEnd(BASE64URL, bytes, at, end);
    if (bytes[header] !== 0x2e || header + 4 > end || bytes.toString('latin1', header + 1, header + 4) !== 'eyJ') {
      // Any other `eyJ` in this run would end at the same byte.
      at = indexOf(bytes, 'eyJ', header, end);
      continue;
    }
    const claims = runEnd(BASE64URL, bytes, header + 1, end);
    if (claims < end && bytes[claims] === 0x2e) {
      const to = runEnd(BASE64URL, bytes, claims + 1, end);
      if (to - at >= JWT_LEAST_BYTES) report(at, to);
      at = indexOf(bytes, 'eyJ', to, end);
    } else at = indexOf(bytes, 'eyJ', header + 1, end);
  }
};

/** Where a JSON web token begins whose claims go on to `end`; undefined where there is none. */
export function openJwt(bytes: Buffer, start: number, end: number): number | undefined {
  let claims = end;
  while (claims > start && isIn(BASE64URL, bytes[claims - 1])) claims--;
  // The signature may be what goes on.
  for (let parts = 0; parts < 2; parts++) {
    const dot = claims - 1;
    if (dot <= start || bytes[dot] !== 0x2e) return undefined;
    let header = dot;
    while (header > start && isIn(BASE64URL, bytes[header - 1])) header--;
    if (claims + 3 <= end && bytes.toString('latin1', claims, claims + 3) === 'eyJ') {
      const from = indexOf(bytes, 'eyJ', header, dot);
      if (from !== -1) return from;
    }
    claims = header;
  }
  return undefined;
}

/** The end of the bytes from `at` on that a JSON web token may consist of. */
export function tokenEnd(bytes: Buffer, at: number, end: number): number {
  let to = at;
  while (to < end && (isIn(BASE64URL, bytes[to]) || bytes[to] === 0x2e)) to++;
  return to;
}

/** RFC 7468 from the header line through the footer, or to the end of the value where the footer is cut off. */
export const scanPrivateKeys: Scan = (bytes, start, end, report) => {
  for (let at = indexOf(bytes, '-----BEGIN ', start, end); at !== -1;) {
    const header = /^-----BEGIN [A-Z0-9 ]{0,48}PRIVATE KEY/.exec(bytes.toString('latin1', at, Math.min(end, at + PEM_HEADER_MOST_BYTES)));
    if (header === null) {
      at = indexOf(bytes, '-----BEGIN ', at + 1, end);
      continue;
    }
    const footer = indexOf(bytes, '-----END ', at, end);
    const dashes = footer === -1 ? -1 : indexOf(bytes, '-----', footer + 9, end);
    const to = dashes === -1 ? end : dashes + 5;
    report(at, to);
    at = indexOf(bytes, '-----BEGIN ', to, end);
  }
};

/** The first occurrence that lies within `[start, end)`, or -1. */
function indexOf(bytes: Buffer, what: string | number, start: number, end: number): number {
  const at = bytes.subarray(start, end).indexOf(what, 0, 'latin1');
  return at === -1 ? -1 : at + start;
}
