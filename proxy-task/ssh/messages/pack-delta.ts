/** A deltified object from its base (gitformat-pack, "Deltified representation"). */
import { MalformedMessage } from './malformed-message.ts';
import { readSize } from './pack-entry.ts';

const COPY = 0x80;
/** What a copy without a size means. */
const WHOLE_COPY = 0x10000;
const MAX_SIZE_BYTES = 5;

/** Throws MalformedMessage where the delta is not one of this base, or makes more than `maxBytes`. */
export function applyDelta(base: Buffer, delta: Buffer, maxBytes: number): Buffer {
  const from = sizeAt(delta, 0);
  const to = sizeAt(delta, from.end);
  if (from.value !== base.length) throw new MalformedMessage('a delta of another base');
  if (to.value > maxBytes) throw new MalformedMessage('a delta that makes too much');
  const made = Buffer.alloc(to.value);
  let at = to.end;
  let filled = 0;
  while (at < delta.length) {
    const instruction = delta[at] ?? 0;
    at += 1;
    let source = delta;
    let start = at;
    let bytes = instruction;
    if ((instruction & COPY) !== 0) {
      const offset = argument(delta, at, instruction, 4);
      const size = argument(delta, offset.end, instruction >> 4, 3);
      source = base;
      start = offset.value;
      bytes = size.value === 0 ? WHOLE_COPY : size.value;
      at = size.end;
    } else {
      if (instruction === 0) throw new MalformedMessage('a delta with an instruction that is reserved');
      at += bytes;
    }
    if (start + bytes > source.length || filled + bytes > made.length) throw new MalformedMessage('a delta beyond its bounds');
    source.copy(made, filled, start, start + bytes);
    filled += bytes;
  }
  if (filled !== made.length) throw new MalformedMessage('a delta that makes less than it says');
  return made;
}

/** Bytes of which `present` says, by its low bits, which are there: the others are zero. */
function argument(delta: Buffer, at: number, present: number, count: number): { readonly value: number; readonly end: number } {
  let value = 0;
  let end = at;
  for (let index = 0; index < count; index += 1) {
    if ((present & (1 << index)) === 0) continue;
    const byte = delta[end];
    if (byte === undefined) throw new MalformedMessage('a delta that is cut short');
    value += byte * 256 ** index;
    end += 1;
  }
  return { value, end };
}

function sizeAt(delta: Buffer, at: number): { readonly value: number; readonly end: number } {
  const size = readSize(delta, at, (delta[at] ?? 0) & 0x7f, 7, MAX_SIZE_BYTES);
  if (size === undefined) throw new MalformedMessage('a delta that is cut short');
  return size;
}
