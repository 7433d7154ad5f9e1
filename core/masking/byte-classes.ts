/** Classes of bytes, one per value of a byte: 1 where it is in the class. */
export type ByteClass = Uint8Array;

export const ALNUM = byteClass(/[A-Za-z0-9]/);
export const UPPER_OR_DIGIT = byteClass(/[A-Z0-9]/);
export const BASE64URL = byteClass(/[A-Za-z0-9_-]/);
/** Bytes of non-ASCII characters count as letters of addresses (RFC 6531). */
export const LOCAL_PART = byteClass(/[A-Za-z0-9._%+'&=~#$!^`{|}/?-]/, true);
export const DOMAIN = byteClass(/[A-Za-z0-9.-]/, true);

/** The ASCII characters that a pattern of one character matches; with `nonAscii`, all bytes above them too. */
export function byteClass(pattern: RegExp, nonAscii = false): ByteClass {
  return Uint8Array.from({ length: 256 }, (_, byte) => (byte < 128 ? Number(pattern.test(String.fromCharCode(byte))) : Number(nonAscii)));
}
