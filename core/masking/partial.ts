/** `partial`: keeps the first and last characters of a text and its punctuation, masks the letters and digits between. */
import type { ByteSink } from './byte-sink.ts';

const ASTERISK = 0x2a;
const SPACE = 0x20;

/**
 * Appends the masked form of `source[start, end)` (UTF-8). Everything is masked when the kept parts would cover the
 * value, and punctuation too when nothing else was masked: a whole value is never shown. `padded` values (char(n)) keep
 * their trailing blanks outside of what is counted.
 */
export function appendPartial(
  source: Uint8Array,
  start: number,
  end: number,
  keepFirst: number,
  keepLast: number,
  padded: boolean,
  sink: ByteSink,
): void {
  let last = end;
  if (padded) while (last > start && source[last - 1] === SPACE) last--;
  const characters = countCharacters(source, start, last);
  const keeps = keepFirst + keepLast < characters;
  sink.reserve(end - start);
  const before = sink.length;
  if (!maskBetween(source, start, last, keeps ? keepFirst : 0, keeps ? characters - keepLast : characters, sink) && characters > 0) {
    sink.length = before;
    for (let i = 0; i < characters; i++) sink.bytes[sink.length++] = ASTERISK;
  }
  for (let i = last; i < end; i++) sink.bytes[sink.length++] = SPACE;
}

/** Whether any character was replaced. Room is reserved: the output is never longer than the input. */
function maskBetween(source: Uint8Array, start: number, end: number, from: number, to: number, sink: ByteSink): boolean {
  const out = sink.bytes;
  let at = sink.length;
  let replaced = false;
  let character = -1;
  for (let i = start; i < end; i++) {
    const byte = source[i] ?? 0;
    if ((byte & 0xc0) !== 0x80 || i === start) character++;
    if (character < from || character >= to || isAsciiPunctuation(byte)) {
      out[at++] = byte;
    } else if ((byte & 0xc0) !== 0x80 || i === start) {
      out[at++] = ASTERISK;
      replaced = true;
    }
  }
  sink.length = at;
  return replaced;
}

function countCharacters(source: Uint8Array, start: number, end: number): number {
  let characters = 0;
  for (let i = start; i < end; i++) if (((source[i] ?? 0) & 0xc0) !== 0x80 || i === start) characters++;
  return characters;
}

function isAsciiPunctuation(byte: number): boolean {
  return byte < 0x80 && !(byte >= 0x30 && byte <= 0x39) && !((byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a);
}
