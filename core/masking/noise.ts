/** Whether bytes are compressed or encrypted: there, what looks like a short value is chance, and to replace it would break a file. */

export const NOISE_WINDOW_BYTES = 64;
/** Of 64 random bytes, 32 are beyond ASCII and 4 or 5 are control characters that no text has; 6 of 100 windows have fewer than 2. */
const LEAST_BEYOND_ASCII = 8;
const LEAST_CONTROL = 2;

/** NUL pads, and the others move a cursor, ring a bell or begin a sequence: text has them. */
const CONTROL = Uint8Array.from({ length: 256 }, (_, byte) =>
  Number(byte > 0 && byte < 0x20 && !(byte >= 0x07 && byte <= 0x0d) && byte !== 0x1b),
);

/** Looks at the 64 bytes before `text[at]`; those before the text are the last of `before`. */
export function isNoiseBefore(text: Buffer, at: number, before: Buffer): boolean {
  let beyondAscii = 0;
  let control = 0;
  for (let back = 1; back <= NOISE_WINDOW_BYTES; back++) {
    const byte = at - back >= 0 ? text[at - back] : before[before.length + at - back];
    if (byte === undefined) break;
    if (byte >= 0x80) beyondAscii++;
    else if (CONTROL[byte] === 1) control++;
  }
  return beyondAscii >= LEAST_BEYOND_ASCII && control >= LEAST_CONTROL;
}
