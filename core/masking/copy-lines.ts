/** COPY in text and csv format. */
import { ByteSink } from './byte-sink.ts';
import { Candidates } from './candidates.ts';
import { BECOMES_NULL, NOTHING_FOUND, type CellDetector } from './cell-detection.ts';
import type { CopyCells } from './copy-cells.ts';
import { RowCells, type LineFormat } from './copy-format.ts';
import { closeMessage, CopyMessages, openMessage } from './copy-messages.ts';
import type { CopyMasker } from './copy-masker.ts';
import { MalformedRow } from './malformed-row.ts';
import type { CellMask } from './methods.ts';

const SCRATCH_BYTES = 4 * 1024;

export class LineCopyMasker implements CopyMasker {
  rows = 0;
  private readonly format: LineFormat;
  private readonly masks: readonly (CellMask | undefined)[];
  private readonly detectors: readonly (CellDetector | undefined)[];
  private readonly detects: boolean;
  private readonly candidates: Candidates;
  private readonly messages = new CopyMessages();
  private readonly row = new RowCells();
  private readonly value = new ByteSink(SCRATCH_BYTES);
  private readonly masked = new ByteSink(SCRATCH_BYTES);
  private headerDue: boolean;

  constructor(format: LineFormat, cells: CopyCells, header: boolean) {
    this.format = format;
    this.masks = cells.masks;
    this.detectors = cells.cells;
    this.detects = cells.cells.some((cell) => cell !== undefined);
    this.candidates = new Candidates(cells.detectors);
    this.headerDue = header;
  }

  maskMessages(source: Buffer, start: number, end: number, sink: ByteSink): number {
    const before = sink.length;
    let detected = 0;
    if (this.detects) this.candidates.find(source, start, end);
    try {
      this.messages.read(source, start, end, (bytes, at, to, held) => {
        let from = at;
        while (from < to && this.format.split(bytes, from, to, this.row)) {
          detected += this.maskRow(bytes, from, held, sink);
          from = this.row.rowEnd;
        }
        return from;
      });
    } catch (error) {
      // Nothing of a chunk is released when any of it cannot be masked.
      sink.length = before;
      throw error;
    }
    return detected;
  }

  finish(_sink: ByteSink): number {
    if (this.messages.holds) throw new MalformedRow('COPY data ends within a row');
    return 0;
  }

  private maskRow(bytes: Buffer, start: number, held: boolean, sink: ByteSink): number {
    const { row, masks, format } = this;
    // A relation without columns has rows that are empty lines.
    const count = row.count === 1 && masks.length === 0 && row.rowEnd === start + 1 ? 0 : row.count;
    if (count !== masks.length) throw new MalformedRow('a COPY row has another number of columns than was planned');
    const message = openMessage(sink);
    let detected = 0;
    if (this.headerDue) {
      this.headerDue = false;
      sink.append(bytes, start, row.rowEnd);
    } else {
      this.rows++;
      // Candidates were sought in the messages; a row put together from several has other positions.
      const allSuspect = held || !format.showsMatches;
      let copied = start;
      for (let i = 0; i < count; i++) {
        const from = row.starts[i] ?? 0;
        const to = row.ends[i] ?? 0;
        const mask = masks[i];
        const detector = this.detectors[i];
        const isNull = format.isNull(bytes, from, to);
        if (isNull && !format.nullIsAmbiguous) continue;
        if (mask !== undefined) {
          sink.append(bytes, copied, from);
          this.appendMasked(mask, bytes, from, to, isNull, sink);
          copied = to;
        } else if (detector !== undefined && (allSuspect || detector.always || this.candidates.overlaps(from, to))) {
          const found = this.detect(detector, bytes, from, to);
          if (found === NOTHING_FOUND) continue;
          sink.append(bytes, copied, from);
          if (found === BECOMES_NULL) sink.append(format.nullText);
          else format.encode(this.masked.bytes, this.masked.length, bytes[from], sink);
          copied = to;
          detected += Math.max(1, found);
        }
      }
      sink.append(bytes, copied, row.rowEnd);
    }
    closeMessage(sink, message);
    return detected;
  }

  /** The quotes of a masked value are not kept: they would tell that it has something to quote. */
  private appendMasked(mask: CellMask, bytes: Buffer, start: number, end: number, maybeNull: boolean, sink: ByteSink): void {
    if (mask.kind === 'constant') {
      if (mask.bytes === null) sink.append(this.format.nullText);
      else this.format.encode(mask.bytes, mask.bytes.length, undefined, sink);
      return;
    }
    this.value.reset();
    this.masked.reset();
    this.format.decode(bytes, start, end, this.value);
    try {
      mask.append(this.value.bytes, 0, this.value.length, this.masked);
    } catch (error) {
      // The NULL string is no value of this column's type: then the cell is NULL, and says nothing else.
      if (!maybeNull || !(error instanceof MalformedRow)) throw error;
      return sink.append(this.format.nullText);
    }
    this.format.encode(this.masked.bytes, this.masked.length, undefined, sink);
  }

  private detect(detector: CellDetector, bytes: Buffer, start: number, end: number): number {
    this.value.reset();
    this.masked.reset();
    this.format.decode(bytes, start, end, this.value);
    return detector.detect(this.value.bytes, 0, this.value.length, this.masked);
  }
}
