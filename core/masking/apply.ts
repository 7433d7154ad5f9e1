/**
 * The hot path: DataRow messages in, masked DataRow messages out (protocol.sgml, DataRow). One pass over the bytes, clear
 * spans copied as they are, nothing allocated per row.
 */
import type { Oid, SqlType } from '../statement/sql/catalog.ts';
import { ByteSink } from './byte-sink.ts';
import { Candidates } from './candidates.ts';
import { BECOMES_NULL, cellDetector, NOTHING_FOUND, type CellDetector } from './cell-detection.ts';
import { columnType, type ColumnFormat } from './column-type.ts';
import { BadDetector, type DetectorSet } from './detectors.ts';
import type { MaskKeys } from './keyed.ts';
import { MalformedRow } from './malformed-row.ts';
import { cellMask, type AppendMasked } from './methods.ts';
import type { ResultPlan } from './result-plan.ts';

const DATA_ROW = 0x44;
/** Type byte, length, column count. */
const ROW_HEADER_BYTES = 7;

export type MaskedRows = {
  readonly rows: number;
  /** False: nothing was written to the sink, the source range may be forwarded as it is. */
  readonly changed: boolean;
  /** Pattern matches that were replaced. */
  readonly detected: number;
};

export interface RowMasker {
  /**
   * Masks `source[start, end)`, which is a whole number of complete DataRow messages, appending to `sink`. Throws
   * MalformedRow, with nothing appended, when framing or column count are not as they must be.
   */
  maskRows(source: Buffer, start: number, end: number, sink: ByteSink): MaskedRows;
}

/**
 * A masker for one result. `columns` is what RowDescription says, with the formats of the Bind; it must have the plan's
 * length (else MalformedRow). `detectors` must have every name the plan asks for (else BadDetector).
 */
export function createRowMasker(
  plan: ResultPlan,
  columns: readonly ColumnFormat[],
  keys: MaskKeys,
  detectors: DetectorSet,
  types?: ReadonlyMap<Oid, SqlType>,
): RowMasker {
  if (columns.length !== plan.cells.length) throw new MalformedRow('the result has another number of columns than was planned');
  return new PlannedRowMasker(plan, columns, keys, chosenDetectors(plan, detectors), types);
}

/** The detectors that a plan asks for. Throws BadDetector when one of them does not exist. */
export function chosenDetectors(plan: ResultPlan, detectors: DetectorSet): DetectorSet {
  const missing = plan.detectors.find((name) => !detectors.names.has(name));
  if (missing !== undefined) throw new BadDetector(`the plan asks for a detector that was not compiled: ${missing}`);
  const chosen = detectors.detectors.filter((detector) => plan.detectors.includes(detector.name));
  return {
    detectors: chosen,
    names: new Set(plan.detectors),
    hasOwn: detectors.hasOwn && chosen.length > 0,
  };
}

class PlannedRowMasker implements RowMasker {
  private readonly columnCount: number;
  /** By column: value with its length before it, a function, or undefined where the cell is clear. */
  private readonly constants: readonly (Constant | undefined)[];
  private readonly computed: readonly (AppendMasked | undefined)[];
  private readonly hasMasks: boolean;
  private readonly growthBytes: number;
  private readonly cells: readonly (CellDetector | undefined)[];
  private readonly detects: boolean;
  private readonly detectsAlways: boolean;
  private readonly candidates: Candidates;
  private readonly scratch: ByteSink;

  constructor(
    plan: ResultPlan,
    columns: readonly ColumnFormat[],
    keys: MaskKeys,
    detectors: DetectorSet,
    types: ReadonlyMap<Oid, SqlType> | undefined,
  ) {
    const masks = plan.cells.map((cell, i) => {
      const column = columns[i];
      return cell.kind === 'mask' && column !== undefined ? cellMask(cell.mask, column, keys, types) : undefined;
    });
    this.columnCount = columns.length;
    this.constants = masks.map((mask) => (mask?.kind === 'constant' ? withLength(mask.bytes) : undefined));
    this.computed = masks.map((mask) => (mask?.kind === 'computed' ? mask.append : undefined));
    this.hasMasks = masks.some((mask) => mask !== undefined);
    this.growthBytes = this.constants.reduce((sum, constant) => sum + (constant?.length ?? 4), 0);
    this.cells = columns.map((column, i) =>
      masks[i] === undefined ? cellDetector(columnType(column.typeOid, column.typmod, types), column.format, detectors) : undefined,
    );
    this.detects = this.cells.some((cell) => cell !== undefined);
    this.detectsAlways = this.cells.some((cell) => cell?.always === true);
    this.candidates = new Candidates(detectors);
    this.scratch = new ByteSink(0);
  }

  maskRows(source: Buffer, start: number, end: number, sink: ByteSink): MaskedRows {
    const before = sink.length;
    try {
      const rows = this.hasMasks ? this.rewrite(source, start, end, sink) : this.walk(source, start, end);
      const detected = this.detects ? (this.hasMasks ? this.detect(sink.bytes, before, sink.length) : this.detect(source, start, end)) : 0;
      if (detected > 0) {
        sink.length = before;
        sink.append(this.scratch.bytes, 0, this.scratch.length);
      }
      return { rows, changed: this.hasMasks || detected > 0, detected };
    } catch (error) {
      // Nothing of a chunk is released when any of it cannot be masked.
      sink.length = before;
      throw error;
    }
  }

  /** Checks the framing only. */
  private walk(source: Buffer, start: number, end: number): number {
    const view = viewOf(source);
    let rows = 0;
    for (let row = start; row < end; rows++) {
      const rowEnd = this.rowEnd(view, row, end);
      let at = row + ROW_HEADER_BYTES;
      for (let column = 0; column < this.columnCount; column++) at = cellEnd(view, at, rowEnd);
      if (at !== rowEnd) throw new MalformedRow('a row is longer than its cells');
      row = rowEnd;
    }
    return rows;
  }

  private rewrite(source: Buffer, start: number, end: number, sink: ByteSink): number {
    const view = viewOf(source);
    const { columnCount, constants, computed } = this;
    let rows = 0;
    /** Everything before this is in the sink. */
    let copied = start;
    for (let row = start; row < end; rows++) {
      const rowEnd = this.rowEnd(view, row, end);
      sink.reserve(rowEnd - copied + this.growthBytes);
      const headerAt = sink.length + (row - copied);
      let masked = false;
      let at = row + ROW_HEADER_BYTES;
      for (let column = 0; column < columnCount; column++) {
        const next = cellEnd(view, at, rowEnd);
        const constant = constants[column];
        const append = computed[column];
        // A NULL has no bytes, and stays what it is; so does an empty text under a constant that is longer.
        if ((constant !== undefined || append !== undefined) && view.getInt32(at) !== -1) {
          sink.copySpan(source, view, copied, at);
          // There is room: `reserve` counted every constant of the row.
          if (constant !== undefined) sink.copySpan(constant.bytes, constant.view, 0, constant.length);
          else if (append !== undefined) {
            const lengthAt = sink.length;
            sink.appendInt32(0);
            append(source, at + 4, next, sink);
            sink.patchInt32(lengthAt, sink.length - lengthAt - 4);
            sink.reserve(rowEnd - next + this.growthBytes);
          }
          copied = next;
          masked = true;
        }
        at = next;
      }
      if (at !== rowEnd) throw new MalformedRow('a row is longer than its cells');
      // What follows the last mask is copied together with the start of the next row.
      if (masked) sink.patchInt32(headerAt + 1, sink.length + (rowEnd - copied) - headerAt - 1);
      row = rowEnd;
    }
    sink.reserve(end - copied);
    sink.copySpan(source, view, copied, end);
    return rows;
  }

  /** Replaces matches of `bytes[start, end)`, rows that were walked before, into the scratch; how many. */
  private detect(bytes: Buffer, start: number, end: number): number {
    const { scratch, candidates } = this;
    const view = viewOf(bytes);
    scratch.reset();
    candidates.find(bytes, start, end);
    if (candidates.isEmpty && !this.detectsAlways) return 0;
    let detected = 0;
    let copied = start;
    for (let row = start; row < end;) {
      const rowEnd = row + 1 + view.getInt32(row + 1);
      if (this.detectsAlways || candidates.overlaps(row, rowEnd)) {
        let headerAt = -1;
        let at = row + ROW_HEADER_BYTES;
        for (const cell of this.cells) {
          const length = view.getInt32(at);
          const next = at + 4 + Math.max(0, length);
          if (cell !== undefined && length > 0 && (cell.always || candidates.overlaps(at + 4, next))) {
            const before = scratch.length;
            // Space for what precedes the cell is made only when something is found.
            const found = cell.detect(bytes, at + 4, next, this.cellScratch);
            if (found !== NOTHING_FOUND) {
              scratch.append(bytes, copied, at);
              if (headerAt < 0) headerAt = before + (row - copied);
              scratch.appendInt32(found === BECOMES_NULL ? -1 : this.cellScratch.length);
              scratch.append(this.cellScratch.bytes, 0, this.cellScratch.length);
              this.cellScratch.reset();
              detected += Math.max(1, found);
              copied = next;
            }
          }
          at = next;
        }
        if (headerAt >= 0) {
          scratch.append(bytes, copied, rowEnd);
          copied = rowEnd;
          scratch.patchInt32(headerAt + 1, scratch.length - headerAt - 1);
        }
      }
      row = rowEnd;
    }
    if (detected > 0) scratch.append(bytes, copied, end);
    return detected;
  }

  private readonly cellScratch = new ByteSink(0);

  private rowEnd(view: DataView, row: number, end: number): number {
    if (row + ROW_HEADER_BYTES > end || view.getUint8(row) !== DATA_ROW) throw new MalformedRow('not a whole DataRow message');
    const rowEnd = row + 1 + view.getInt32(row + 1);
    if (rowEnd < row + ROW_HEADER_BYTES || rowEnd > end) throw new MalformedRow('a DataRow message has a wrong length');
    if (view.getInt16(row + 5) !== this.columnCount) throw new MalformedRow('a row has another number of columns than was planned');
    return rowEnd;
  }
}

/** End of the cell at `at`, within its row. */
function cellEnd(view: DataView, at: number, rowEnd: number): number {
  if (at + 4 > rowEnd) throw new MalformedRow('a row ends within a cell');
  const length = view.getInt32(at);
  const next = length > 0 ? at + 4 + length : at + 4;
  if (length < -1 || next > rowEnd) throw new MalformedRow('a cell has a wrong length');
  return next;
}

function viewOf(source: Buffer): DataView {
  return new DataView(source.buffer, source.byteOffset, source.byteLength);
}

/** A value with its length before it: the first `length` bytes, then zeros that make it cheap to copy. */
type Constant = { readonly bytes: Buffer; readonly view: DataView; readonly length: number };

function withLength(value: Buffer | null): Constant {
  const length = 4 + (value?.length ?? 0);
  const bytes = Buffer.alloc(length + 16);
  bytes.writeInt32BE(value === null ? -1 : value.length);
  if (value !== null) bytes.set(value, 4);
  return { bytes, view: viewOf(bytes), length };
}
