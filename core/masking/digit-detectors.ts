/** Detectors made of digit groups: US social security numbers, US telephone numbers, payment cards. */
import type { Scan } from './scan.ts';

const CARD_LEAST_DIGITS = 13;
const CARD_MOST_DIGITS = 19;

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}

function digitAt(bytes: Buffer, at: number): number {
  return (bytes[at] ?? 0) - 0x30;
}

/** End of the digits that start at `at`, looking at no more than `most` + 1 of them. */
function groupEnd(bytes: Buffer, at: number, end: number, most: number): number {
  let to = at;
  while (to < end && to - at <= most && isDigit(bytes[to])) to++;
  return to;
}

function skipGroup(bytes: Buffer, at: number, end: number): number {
  let to = at;
  while (to < end && isDigit(bytes[to])) to++;
  return to;
}

/** Three, two and four digits with a dash or a blank between; not 000, 666 or 9xx, no group of zeros (SSA's own rule). */
export const scanSsns: Scan = (bytes, start, end, report) => {
  for (let at = start; at + 11 <= end;) {
    if (!isDigit(bytes[at])) {
      at++;
      continue;
    }
    if (isSsn(bytes, at, end)) {
      report(at, at + 11);
      at += 11;
    } else at = skipGroup(bytes, at, end);
  }
};

function isSsn(bytes: Buffer, at: number, end: number): boolean {
  if (groupEnd(bytes, at, end, 3) !== at + 3 || !isDashOrBlank(bytes[at + 3])) return false;
  if (groupEnd(bytes, at + 4, end, 2) !== at + 6 || !isDashOrBlank(bytes[at + 6])) return false;
  if (groupEnd(bytes, at + 7, end, 4) !== at + 11) return false;
  const area = bytes.toString('latin1', at, at + 3);
  if (area === '000' || area === '666' || area.startsWith('9')) return false;
  return bytes.toString('latin1', at + 4, at + 6) !== '00' && bytes.toString('latin1', at + 7, at + 11) !== '0000';
}

function isDashOrBlank(byte: number | undefined): boolean {
  return byte === 0x2d || byte === 0x20;
}

/**
 * 13 to 19 digits, single dashes or blanks between groups, first digit 2 to 6 (ISO/IEC 7812 ranges of payment cards),
 * correct Luhn digit. Every group of digits is tried as a beginning and as an end, so that a card after another number is
 * found; the longest match from a beginning wins. At most 37 bytes are read per beginning.
 */
export const scanCards: Scan = (bytes, start, end, report) => {
  for (let at = start; at + CARD_LEAST_DIGITS <= end;) {
    if (!isDigit(bytes[at])) {
      at++;
      continue;
    }
    const to = cardEnd(bytes, at, end);
    if (to > at) report(at, to);
    at = to > at ? to : skipGroup(bytes, at, end);
  }
};

function cardEnd(bytes: Buffer, at: number, end: number): number {
  const first = digitAt(bytes, at);
  if (first < 2 || first > 6) return at;
  // Both parities are summed on the way, since the number of digits is known only at the end.
  let evenDoubled = 0;
  let oddDoubled = 0;
  let digits = 0;
  let found = at;
  for (let p = at; p < end && digits < CARD_MOST_DIGITS; p++) {
    if (!isDigit(bytes[p])) {
      if (!isDashOrBlank(bytes[p]) || p + 1 >= end || !isDigit(bytes[p + 1])) break;
      continue;
    }
    const digit = digitAt(bytes, p);
    const doubled = digit > 4 ? digit * 2 - 9 : digit * 2;
    evenDoubled += digits % 2 === 0 ? doubled : digit;
    oddDoubled += digits % 2 === 0 ? digit : doubled;
    digits++;
    if (digits < CARD_LEAST_DIGITS || (p + 1 < end && isDigit(bytes[p + 1]))) continue;
    if ((digits % 2 === 0 ? evenDoubled : oddDoubled) % 10 === 0) found = p + 1;
  }
  return found;
}

/** North American numbers: `212-555-1234`, `(212) 555-1234`, `212.555.1234`, with or without `+1`, and `+12125551234`. */
export const scanPhones: Scan = (bytes, start, end, report) => {
  for (let at = start; at + 10 <= end;) {
    if (!isDigit(bytes[at])) {
      at++;
      continue;
    }
    const to = phoneEnd(bytes, at, end, at > start && bytes[at - 1] === 0x2b);
    if (to > at) {
      report(at > start && (bytes[at - 1] === 0x2b || bytes[at - 1] === 0x28) ? at - 1 : at, to);
      at = to;
    } else at = skipGroup(bytes, at, end);
  }
};

function phoneEnd(bytes: Buffer, at: number, end: number, plus: boolean): number {
  let p = at;
  if (bytes[p] === 0x31 && groupEnd(bytes, p, end, 1) === p + 1) {
    p++;
    if (isPhoneGap(bytes[p])) p++;
    if (bytes[p] === 0x28) p++;
  } else if (plus) {
    return bytes[p] === 0x31 && groupEnd(bytes, p, end, 11) === p + 11 && isAreaDigit(bytes[p + 1]) && isAreaDigit(bytes[p + 4])
      ? p + 11
      : at;
  }
  if (!isAreaDigit(bytes[p]) || groupEnd(bytes, p, end, 3) !== p + 3) return at;
  p += 3;
  const closed = bytes[p] === 0x29;
  if (closed) p++;
  if (isPhoneGap(bytes[p])) p++;
  else if (!closed) return at;
  if (!isAreaDigit(bytes[p]) || groupEnd(bytes, p, end, 3) !== p + 3 || !isPhoneGap(bytes[p + 3])) return at;
  p += 4;
  return groupEnd(bytes, p, end, 4) === p + 4 ? p + 4 : at;
}

function isPhoneGap(byte: number | undefined): boolean {
  return byte === 0x2d || byte === 0x2e || byte === 0x20;
}

/** Area codes and exchanges begin with 2 to 9. */
function isAreaDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x32 && byte <= 0x39;
}
