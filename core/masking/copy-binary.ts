/** COPY in binary format (ref/copy.sgml "Binary Format"). */
import { ByteSink } from './byte-sink.ts';
import { BECOMES_NULL, NOTHING_FOUND, type CellDetector } from './cell-detection.ts';
import type { CopyCells } from './copy-cells.ts';
import { closeMessage, CopyMessages, openMessage } from './copy-messages.ts';
import type { CopyMasker } from './copy-masker.ts';
import { MalformedRow } from './malformed-row.ts';
import type { CellMask } from './methods.ts';

const SIGNATURE = Buffer.from('PGCOPY\n\u00ff\r\n\0', 'latin1');
/** Signature, flags, length of the extension. */
const HEADER_BYTES = SIGNATURE.length + 8;
const TRAILER = -1;

export class BinaryCopyMasker implements CopyMasker {
  rows = 0;
  private readonly masks: readonly (CellMask | undefined)[];
  private readonly detectors: readonly (CellDetector | undefined)[];
  private readonly messages = new CopyMessages();
  private readonly masked = new ByteSink(1024);
  /** The header leaves in one message with what follows it, as the server sends it. */
  private readonly header = new ByteSink(HEADER_BYTES);
  private state: 'header' | 'rows' | 'done' = 'header';

  constructor(cells: CopyCells) {
    this.masks = cells.masks;
    this.detectors = cells.cells;
  }

  maskMessages(source: Buffer, start: number, end: number, sink: ByteSink): number {
    const before = sink.length;
    let detected = 0;
    try {
      this.messages.read(source, start, end, (bytes, at, to) => {
        let from = at;
        for (;;) {
          if (this.state === 'done' && from < to) throw new MalformedRow('COPY data goes on after its trailer');
          const next = this.state === 'header' ? this.takeHeader(bytes, from, to) : this.rowEnd(bytes, from, to);
          if (next < 0) return from;
          if (this.state === 'header') this.state = 'rows';
          else detected += this.release(bytes, from, next, sink);
          from = next;
        }
      });
    } catch (error) {
      // Nothing of a chunk is released when any of it cannot be masked.
      sink.length = before;
      throw error;
    }
    return detected;
  }

  finish(_sink: ByteSink): number {
    if (this.state !== 'done' || this.messages.holds) throw new MalformedRow('COPY data ends without its trailer');
    return 0;
  }

  /** End of the header, or -1 while it is not complete. */
  private takeHeader(bytes: Buffer, at: number, end: number): number {
    if (end - at < HEADER_BYTES) return -1;
    if (bytes.compare(SIGNATURE, 0, SIGNATURE.length, at, at + SIGNATURE.length) !== 0) throw new MalformedRow('not binary COPY data');
    // Bits 16 to 31 are critical: with one set, rows have a form that is not known here.
    if (bytes.readUInt32BE(at + SIGNATURE.length) > 0xffff) throw new MalformedRow('binary COPY data with unknown flags');
    if (bytes.readInt32BE(at + SIGNATURE.length + 4) !== 0) throw new MalformedRow('binary COPY data with a header extension');
    this.header.append(bytes, at, at + HEADER_BYTES);
    return at + HEADER_BYTES;
  }

  /** End of the row or trailer at `at`, or -1 while it is not complete. */
  private rowEnd(bytes: Buffer, at: number, end: number): number {
    if (at + 2 > end) return -1;
    const count = bytes.readInt16BE(at);
    if (count === TRAILER) return at + 2;
    if (count !== this.masks.length) throw new MalformedRow('a COPY row has another number of columns than was planned');
    let next = at + 2;
    for (let i = 0; i < count; i++) {
      if (next + 4 > end) return -1;
      const length = bytes.readInt32BE(next);
      if (length < -1) throw new MalformedRow('a COPY cell has a wrong length');
      next += 4 + Math.max(0, length);
      if (next > end) return -1;
    }
    return next;
  }

  private release(bytes: Buffer, start: number, end: number, sink: ByteSink): number {
    const message = openMessage(sink);
    if (this.header.length > 0) {
      sink.append(this.header.bytes, 0, this.header.length);
      this.header.reset();
    }
    let detected = 0;
    let copied = start;
    if (bytes.readInt16BE(start) === TRAILER) this.state = 'done';
    else {
      this.rows++;
      let at = start + 2;
      for (let i = 0; i < this.masks.length; i++) {
        const length = bytes.readInt32BE(at);
        const next = at + 4 + Math.max(0, length);
        const found = length === -1 ? NOTHING_FOUND : this.maskCell(i, bytes, at + 4, next);
        if (found !== NOTHING_FOUND) {
          sink.append(bytes, copied, at);
          sink.appendInt32(found === BECOMES_NULL ? -1 : this.masked.length);
          if (found !== BECOMES_NULL) sink.append(this.masked.bytes, 0, this.masked.length);
          copied = next;
          if (this.masks[i] === undefined) detected += Math.max(1, found);
        }
        at = next;
      }
    }
    sink.append(bytes, copied, end);
    closeMessage(sink, message);
    return detected;
  }

  /** Puts what stands in place of the cell into `masked`; as a detector answers. */
  private maskCell(column: number, bytes: Buffer, start: number, end: number): number {
    const mask = this.masks[column];
    this.masked.reset();
    if (mask === undefined) return this.detectors[column]?.detect(bytes, start, end, this.masked) ?? NOTHING_FOUND;
    if (mask.kind === 'computed') mask.append(bytes, start, end, this.masked);
    else if (mask.bytes === null) return BECOMES_NULL;
    else this.masked.append(mask.bytes);
    return 1;
  }
}
