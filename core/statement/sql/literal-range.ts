/** Where a constant stands in the statement's text; the tree only knows where it starts. */
export type ByteRange = { startByte: number; endByte: number };

/** The bytes of the constant at `location`; to the end of the text when its end is not plain (more is redacted, never less). */
export function literalRange(bytes: Buffer, location: number): ByteRange | undefined {
  return location < 0 ? undefined : { startByte: location, endByte: endOf(bytes, location) ?? bytes.length };
}

const QUOTE = 0x27;
const DOLLAR = 0x24;
const BACKSLASH = 0x5c;

function endOf(bytes: Buffer, start: number): number | undefined {
  const first = bytes[start] ?? 0;
  if (first === QUOTE) return endOfQuoted(bytes, start + 1, false);
  if (first === DOLLAR) return endOfDollar(bytes, start);
  const letter = first | 0x20;
  if ((letter === 0x65 || letter === 0x62 || letter === 0x78 || letter === 0x6e) && bytes[start + 1] === QUOTE) {
    return endOfQuoted(bytes, start + 2, letter === 0x65);
  }
  if (letter === 0x75 && bytes[start + 1] === 0x26 && bytes[start + 2] === QUOTE) return endOfQuoted(bytes, start + 3, false);
  return endOfWord(bytes, start);
}

/** Quoted strings go on after white space with a newline in it. */
function endOfQuoted(bytes: Buffer, from: number, escapes: boolean): number | undefined {
  let at = from;
  while (at < bytes.length) {
    const byte = bytes[at];
    if (byte === BACKSLASH && escapes) {
      at += 2;
    } else if (byte === QUOTE && bytes[at + 1] === QUOTE) {
      at += 2;
    } else if (byte === QUOTE) {
      let next = at + 1;
      let newline = false;
      while (next < bytes.length && isSpace(bytes[next] ?? 0)) {
        newline ||= bytes[next] === 0x0a || bytes[next] === 0x0d;
        next += 1;
      }
      // A comment between the parts is possible too: then everything after is taken.
      if (newline && bytes[next] === 0x2d && bytes[next + 1] === 0x2d) return undefined;
      if (!newline || bytes[next] !== QUOTE) return at + 1;
      at = next + 1;
    } else {
      at += 1;
    }
  }
  return undefined;
}

function endOfDollar(bytes: Buffer, start: number): number | undefined {
  const tagEnd = bytes.indexOf(DOLLAR, start + 1);
  if (tagEnd < 0) return undefined;
  const tag = bytes.subarray(start, tagEnd + 1);
  const end = bytes.indexOf(tag, tagEnd + 1);
  return end < 0 ? undefined : end + tag.length;
}

/** Numbers and words: sign, then everything up to a delimiter. */
function endOfWord(bytes: Buffer, start: number): number {
  let at = start;
  if (bytes[at] === 0x2d || bytes[at] === 0x2b) at += 1;
  while (at < bytes.length && isSpace(bytes[at] ?? 0)) at += 1;
  while (at < bytes.length && (isWord(bytes[at] ?? 0) || isExponentSign(bytes, at))) at += 1;
  return at === start ? bytes.length : at;
}

/** The sign in `1e+5`. */
function isExponentSign(bytes: Buffer, at: number): boolean {
  return (bytes[at] === 0x2b || bytes[at] === 0x2d) && ((bytes[at - 1] ?? 0) | 0x20) === 0x65;
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
}

function isWord(byte: number): boolean {
  return (
    (byte >= 0x30 && byte <= 0x39) ||
    (byte >= 0x41 && byte <= 0x5a) ||
    (byte >= 0x61 && byte <= 0x7a) ||
    byte === 0x2e ||
    byte === 0x5f ||
    byte >= 0x80
  );
}
