/**
 * Where a stream of text can be cut so that no match of a built-in detector is cut with it, whatever comes next. Whether a place
 * is one depends on the bytes before it only, so it is the same however the stream comes in pieces.
 */

/** More than the longest printed IBAN (34 characters and their blanks), card or header of a private key. */
const LOOK_BACK_BYTES = 80;

const BLANK = 0x20;
const DASH = 0x2d;
/** In no match: line ends, quotes, commas, colons, brackets and control characters among them. */
const APART = classOf(/[^A-Za-z0-9._%+'&=~#$!^`{|}/?@ ()-]/);
/** What a match with blanks may have before a blank. */
const BEFORE_BLANK = classOf(/[A-Z0-9)]/);
const IN_GROUPS = classOf(/[A-Z0-9 ().+-]/);

/** Bytes of characters beyond ASCII belong to words. */
function classOf(pattern: RegExp): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) => (byte < 128 ? Number(pattern.test(String.fromCharCode(byte))) : 0));
}

/** The last cut in `(from, to]` of a text that was cut at `start` last; `start` where there is none. */
export function lastCut(text: Buffer, start: number, from: number, to: number): number {
  for (let at = to; at > from; at--) {
    const byte = text[at - 1] ?? 0;
    if (APART[byte] === 1 || (byte === BLANK && isCutAtBlank(text, start, at))) return at;
  }
  return start;
}

/** The last cut at the end of a line, for expressions that may match all that a line can hold. */
export function lastLineCut(text: Buffer, start: number, from: number, to: number): number {
  const end = to > from ? text.lastIndexOf(0x0a, to - 1) : -1;
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
