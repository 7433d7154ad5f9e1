/**
 * Where a stream of text can be cut so that no match of a built-in detector is cut with it, whatever comes next. Whether a place
 * is one depends on the bytes before it only, so it is the same however the stream comes in pieces.
 */

import { byteClass } from './byte-classes.ts';

/** More than the longest printed IBAN (34 characters and their blanks), card or header of a private key. */
const LOOK_BACK_BYTES = 80;

const NEWLINE = 0x0a;
const BLANK = 0x20;
const DASH = 0x2d;
/** In no match: line ends, quotes, commas, colons, brackets and control characters among them. */
const APART = byteClass(/[^A-Za-z0-9._%+'&=~#$!^`{|}/?@ ()-]/);
/** What a match with blanks may have before a blank. */
const BEFORE_BLANK = byteClass(/[A-Z0-9)]/);
const IN_GROUPS = byteClass(/[A-Z0-9 ().+-]/);

/** The last cut in `(from, to]` of a text that was cut at `start` last; `start` where there is none. */
export function lastCut(text: Buffer, start: number, from: number, to: number): number {
  for (let at = to; at > from; at--) {
    const byte = text[at - 1] ?? 0;
    if (APART[byte] === 1 || (byte === BLANK && isCutAtBlank(text, start, at))) return at;
  }
  return start;
}

/** How far the first cut is that holds whatever stands before these bytes; the end of a line, with `line`. All of them where there is none. */
export function firstCut(bytes: Buffer, most: number, line: boolean): number {
  const end = Math.min(bytes.length, most);
  for (let at = 0; at < end; at++) if (line ? bytes[at] === NEWLINE : APART[bytes[at] ?? 0] === 1) return at + 1;
  return bytes.length;
}

/** The last cut at the end of a line, for expressions that may match all that a line can hold. */
export function lastLineCut(text: Buffer, start: number, from: number, to: number): number {
  const end = to > from ? text.lastIndexOf(NEWLINE, to - 1) : -1;
  return end >= from ? end + 1 : start;
}

/** Where words and groups that hold `text[at - 1]`, or begin at `at`, begin: no match goes over this place. */
export function wordStart(text: Buffer, start: number, at: number): number {
  let from = at;
  while (from > start && APART[text[from - 1] ?? 0] === 0) from--;
  return from;
}

/** Where they end. */
export function wordEnd(text: Buffer, at: number, end: number): number {
  let to = at;
  while (to < end && APART[text[to] ?? 0] === 0) to++;
  return to;
}

/** Groups that are joined by blanks all begin with one that has digits, or with the dashes of a header. */
function isCutAtBlank(text: Buffer, start: number, at: number): boolean {
  if (at - 2 < start || BEFORE_BLANK[text[at - 2] ?? 0] === 0) return true;
  const low = Math.max(start, at - LOOK_BACK_BYTES);
  for (let i = at - 2; i >= low; i--) {
    const byte = text[i] ?? 0;
    if (byte >= 0x30 && byte <= 0x39) return false;
    if (byte === DASH && text[i + 1] === DASH) return false;
    if (IN_GROUPS[byte] === 0) return true;
  }
  return true;
}
