/** Private keys in a stream (RFC 7468): from the header on, line by line, until the footer or a line that cannot be of a key. */

const HEADER = /-----BEGIN [A-Z0-9 ]{0,48}PRIVATE KEY/;
const FOOTER = '-----END ';
/** A key of RSA with 16,384 bits has 13 KiB: a header without a footer hides no more than this. */
export const MOST_KEY_BYTES = 32 * 1024;
/** A line is judged by so much of it where its end has not come. */
export const MOST_KEY_LINE_BYTES = 4096;

/** Where the header of a private key begins and ends in `text[start, end)`. */
export function findKeyHeader(text: Buffer, start: number, end: number): { readonly start: number; readonly end: number } | undefined {
  const words = text.subarray(start, end).indexOf('PRIVATE KEY', 0, 'latin1');
  if (words === -1) return undefined;
  const found = HEADER.exec(text.toString('latin1', start, end));
  return found === null ? undefined : { start: start + found.index, end: start + found.index + found[0].length };
}

/**
 * How many bytes of a line behind a header belong to the key: all of it, up to the end of the footer, or none. `first` is the
 * rest of the header's own line.
 */
export function keyBytesOf(line: Buffer, first: boolean): { readonly bytes: number; readonly ends: boolean } {
  const text = line.toString('latin1');
  const footer = text.indexOf(FOOTER);
  if (footer !== -1) {
    const dashes = text.indexOf('-----', footer + FOOTER.length);
    return { bytes: dashes === -1 ? line.length : dashes + 5, ends: true };
  }
  return first || isOfKey(text.trim()) ? { bytes: line.length, ends: false } : { bytes: 0, ends: true };
}

/** Whether a line that has not ended is surely none of a key, as a prompt behind half of one: what ends in Base64 may still be one. */
export function isBesideKey(line: Buffer): boolean {
  return keyBytesOf(line, false).bytes === 0 && !/[A-Za-z0-9+/=:-]$/.test(line.toString('latin1'));
}

/** The same for a line of which more is to come: what may be the beginning of a footer is left for the next piece. */
export function keyPieceBytes(piece: Buffer, first: boolean): { readonly bytes: number; readonly ends: boolean } {
  const { bytes, ends } = keyBytesOf(piece, first);
  if (bytes === 0) return { bytes, ends };
  const footer = piece.indexOf(FOOTER);
  if (footer === -1) return { bytes: piece.length - FOOTER.length, ends: false };
  const isWhole = piece.indexOf('-----', footer + FOOTER.length) !== -1;
  return isWhole || footer === 0 ? { bytes, ends } : { bytes: footer, ends: false };
}

/** Base64, or something with a long run of it; `Proc-Type: 4,ENCRYPTED` and `DEK-Info: …` stand before it. */
function isOfKey(line: string): boolean {
  return /^[A-Za-z0-9+/=]*$/.test(line) || /[A-Za-z0-9+/]{32}/.test(line) || /^(?:Proc-Type|DEK-Info|Comment): /.test(line);
}
