/** What the COPY maskers share: payloads out of messages, and rows that go on in the next message. */
import { ByteSink } from './byte-sink.ts';
import { MalformedRow } from './malformed-row.ts';

const COPY_DATA = 0x64;
const MESSAGE_HEADER_BYTES = 5;
/** PostgreSQL builds a row in memory of at most 1 GB; here rows are held twice, and a fourth of that is plenty. */
const MAX_HELD_BYTES = 256 * 1024 * 1024;

/** Takes complete rows from `bytes[at, end)` and returns where the first incomplete one begins. */
export type TakeRows = (bytes: Buffer, at: number, end: number, held: boolean) => number;

export class CopyMessages {
  private readonly heldBytes = new ByteSink(0);

  /** Whether part of a row is held back. */
  get holds(): boolean {
    return this.heldBytes.length > 0;
  }

  read(source: Buffer, start: number, end: number, take: TakeRows): void {
    for (let at = start; at < end;) {
      if (at + MESSAGE_HEADER_BYTES > end || source[at] !== COPY_DATA) throw new MalformedRow('not a whole CopyData message');
      const next = at + 1 + source.readInt32BE(at + 1);
      if (next < at + MESSAGE_HEADER_BYTES || next > end) throw new MalformedRow('a CopyData message has a wrong length');
      this.takePayload(source, at + MESSAGE_HEADER_BYTES, next, take);
      at = next;
    }
  }

  private takePayload(source: Buffer, start: number, end: number, take: TakeRows): void {
    const held = this.heldBytes;
    if (held.length === 0) {
      const taken = take(source, start, end, false);
      if (taken < end) held.append(source, taken, end);
      return;
    }
    if (held.length + end - start > MAX_HELD_BYTES) throw new MalformedRow('a COPY row is too long');
    held.append(source, start, end);
    const taken = take(held.bytes, 0, held.length, true);
    held.bytes.copyWithin(0, taken, held.length);
    held.length -= taken;
  }
}

/** Opens a CopyData message in `sink`; where it begins, for `closeMessage`. */
export function openMessage(sink: ByteSink): number {
  const at = sink.length;
  sink.appendByte(COPY_DATA);
  sink.appendInt32(0);
  return at;
}

export function closeMessage(sink: ByteSink, at: number): void {
  sink.patchInt32(at + 1, sink.length - at - 1);
}
