/** What stands before the compressed data of a pack and of each object in it (gitformat-pack, "pack-*.pack files"). */
import { MalformedMessage } from './malformed-message.ts';

export const PACK_HEADER_BYTES = 12;
const SIGNATURE = 'PACK';
/** 4 bits in the first byte and 7 in each further one: no object is larger than a number can say. */
const MAX_SIZE_BYTES = 7;
const MORE = 0x80;

export type PackEntry =
  | { readonly kind: 'commit' | 'tree' | 'blob' | 'tag'; readonly size: number; readonly end: number }
  /** `back`: how far before the entry its base begins. */
  | { readonly kind: 'offsetDelta'; readonly back: number; readonly size: number; readonly end: number }
  /** `base`: its object id in hex. */
  | { readonly kind: 'refDelta'; readonly base: string; readonly size: number; readonly end: number };

const KINDS = new Map<number, 'commit' | 'tree' | 'blob' | 'tag' | 'offsetDelta' | 'refDelta'>([
  [1, 'commit'],
  [2, 'tree'],
  [3, 'blob'],
  [4, 'tag'],
  [6, 'offsetDelta'],
  [7, 'refDelta'],
]);

/** How many objects follow; undefined while the header is not there whole. Throws MalformedMessage. */
export function readPackHeader(bytes: Buffer): number | undefined {
  if (bytes.length < PACK_HEADER_BYTES) return undefined;
  if (bytes.toString('latin1', 0, SIGNATURE.length) !== SIGNATURE) throw new MalformedMessage('no pack: it does not begin with PACK');
  const version = bytes.readUInt32BE(SIGNATURE.length);
  if (version !== 2 && version !== 3) throw new MalformedMessage('a pack of an unknown version');
  return bytes.readUInt32BE(SIGNATURE.length + 4);
}

/** The header of the object that begins at `at`; `size` is what its data have once inflated. Throws MalformedMessage. */
export function readPackEntry(bytes: Buffer, at: number, idBytes: number): PackEntry | undefined {
  const first = bytes[at];
  if (first === undefined) return undefined;
  const kind = KINDS.get((first >> 4) & 7);
  if (kind === undefined) throw new MalformedMessage('an object of an unknown kind in a pack');
  const sized = readSize(bytes, at, first & 0x0f, 4, MAX_SIZE_BYTES);
  if (sized === undefined) return undefined;
  const { value: size, end } = sized;
  if (kind === 'offsetDelta') {
    const offset = readOffset(bytes, end);
    return offset === undefined ? undefined : { kind, back: offset.value, size, end: offset.end };
  }
  if (kind !== 'refDelta') return { kind, size, end };
  if (bytes.length - end < idBytes) return undefined;
  return { kind, base: bytes.toString('hex', end, end + idBytes), size, end: end + idBytes };
}

type Sized = { readonly value: number; readonly end: number };

/** A size with its low bits first, as in headers of objects and of deltas: `low` are the `bits` that the byte at `at` gives. */
export function readSize(bytes: Buffer, at: number, low: number, bits: number, maxBytes: number): Sized | undefined {
  let value = low;
  let scale = 2 ** bits;
  for (let end = at; ; end += 1) {
    const byte = bytes[end];
    if (byte === undefined) return undefined;
    if (end > at) {
      value += (byte & 0x7f) * scale;
      scale *= 128;
    }
    if ((byte & MORE) === 0) return { value, end: end + 1 };
    if (end - at + 1 === maxBytes) throw new MalformedMessage('a size in a pack that is too large');
  }
}

/** The distance of an offset delta: high bits first, and each further byte counts from one. */
function readOffset(bytes: Buffer, at: number): Sized | undefined {
  let value = 0;
  for (let end = at; ; end += 1) {
    const byte = bytes[end];
    if (byte === undefined) return undefined;
    value = value * 128 + (byte & 0x7f);
    if ((byte & MORE) === 0) return { value, end: end + 1 };
    if (end - at + 1 === MAX_SIZE_BYTES) throw new MalformedMessage('an offset in a pack that is too large');
    value += 1;
  }
}
