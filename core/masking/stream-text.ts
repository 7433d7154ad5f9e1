/**
 * What a stream says without the control sequences of terminals (ECMA-48 §5.4): a value whose digits have colours is still a
 * value. The strings of OSC and DCS (window titles, links) stay in the text: programs read them, so they are searched too.
 */
import { ESC } from './shapes/escapes.ts';
import { sharedShapeFinder } from './shapes/shape-finder.ts';

const CSI = 0x5b;
/** Longer ones do not exist in terminals; what claims to be one is text. */
const MOST_SEQUENCE_BYTES = 64;
/** Up to so many bytes are copied faster by hand. */
const FEW_BYTES = 64;
/** More than a packet and what waits for it have. */
const MOST_SCRATCH_BYTES = 384 * 1024;
/** `ESC` and one of these begins or ends a string: DCS, SOS, ST, OSC, PM, APC. */
const STRINGS: ReadonlySet<number> = new Set([0x50, 0x58, 0x5c, 0x5d, 0x5e, 0x5f]);

export type StreamText = {
  readonly bytes: Buffer;
  /** Without the sequences, until the next bytes are taken apart; the bytes themselves where there are none. */
  readonly text: Buffer;
  /** For each sequence, in order: before which byte of the text it stands, and where in the bytes it begins and ends. */
  readonly at: readonly number[];
  readonly from: readonly number[];
  readonly to: readonly number[];
  /** Bytes that the last, unfinished sequence has so far. */
  readonly unfinishedBytes: number;
};

const NONE: readonly number[] = [];

/** Takes bytes apart. They must begin outside of a sequence. With `final`, an unfinished sequence at the end is text. */
export function streamText(bytes: Buffer, final: boolean): StreamText {
  const first = bytes.indexOf(ESC);
  if (first === -1) return { bytes, text: bytes, at: NONE, from: NONE, to: NONE, unfinishedBytes: 0 };
  const text = scratchOf(bytes.length);
  const at: number[] = [];
  const from: number[] = [];
  const to: number[] = [];
  let length = 0;
  let done = 0;
  let unfinishedBytes = 0;
  for (const escape of sharedShapeFinder().escapes(bytes, first)) {
    const end = sequenceEnd(bytes, escape);
    if (end === undefined && !final) {
      unfinishedBytes = bytes.length - escape;
      break;
    }
    if (end === undefined || end === escape) continue;
    length = copied(bytes, done, escape, text, length);
    at.push(length);
    from.push(escape);
    to.push(end);
    done = end;
  }
  length = copied(bytes, done, bytes.length - unfinishedBytes, text, length);
  return { bytes, text: text.subarray(0, length), at, from, to, unfinishedBytes };
}

/** One for the process, since a text is done with before the next: memory for each packet would have to be collected again. */
let scratch: Buffer = Buffer.alloc(0);

function scratchOf(bytes: number): Buffer {
  if (bytes > MOST_SCRATCH_BYTES) return Buffer.allocUnsafe(bytes);
  if (scratch.length === 0) scratch = Buffer.alloc(MOST_SCRATCH_BYTES);
  return scratch;
}

function copied(bytes: Buffer, start: number, end: number, text: Buffer, length: number): number {
  if (end - start > FEW_BYTES) return length + bytes.copy(text, length, start, end);
  let to = length;
  for (let at = start; at < end; at++) text[to++] = bytes[at] ?? 0;
  return to;
}

/** Where the sequence that begins at `escape` ends; `escape` itself where none does, undefined where the bytes end first. */
function sequenceEnd(bytes: Buffer, escape: number): number | undefined {
  const kind = bytes[escape + 1];
  if (kind === undefined) return undefined;
  if (kind === CSI) return csiEnd(bytes, escape);
  if (STRINGS.has(kind)) return escape;
  // Intermediates and a final byte (`ESC ( B`), or a final byte alone (`ESC 7`).
  const limit = escape + MOST_SEQUENCE_BYTES;
  for (let at = escape + 1; at < limit; at++) {
    const byte = bytes[at];
    if (byte === undefined) return undefined;
    if (byte >= 0x30 && byte <= 0x7e) return at + 1;
    if (byte < 0x20 || byte > 0x2f) return escape;
  }
  return escape;
}

/** Parameters, intermediates and a final byte. */
function csiEnd(bytes: Buffer, escape: number): number | undefined {
  const limit = escape + MOST_SEQUENCE_BYTES;
  for (let at = escape + 2; at < limit; at++) {
    const byte = bytes[at];
    if (byte === undefined) return undefined;
    if (byte >= 0x40 && byte <= 0x7e) return at + 1;
    if (byte < 0x20 || byte > 0x3f) return escape;
  }
  return escape;
}
