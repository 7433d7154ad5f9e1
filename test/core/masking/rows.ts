/** DataRow and CopyData messages for the masking tests, written and read independently of the code under test. */
import { ByteSink } from '../../../core/masking/byte-sink.ts';
import type { RowMasker } from '../../../core/masking/apply.ts';
import type { ResultPlan } from '../../../core/masking/result-plan.ts';
import type { BoundMask, MaskMethod } from '../../../core/masking/rules.ts';

export type Cell = Buffer | null;

export const KEYS = { hash: Buffer.alloc(32, 7), tokenize: Buffer.alloc(32, 9) };

export function text(value: string): Buffer {
  return Buffer.from(value);
}

export function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

export function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

export function message(type: string, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from(type), int32(body.length + 4), body]);
}

export function binaryTuple(cells: readonly Cell[]): Buffer {
  return Buffer.concat([
    int16(cells.length),
    ...cells.map((cell) => (cell === null ? int32(-1) : Buffer.concat([int32(cell.length), cell]))),
  ]);
}

export function dataRow(cells: readonly Cell[]): Buffer {
  return message('D', binaryTuple(cells));
}

/** Bodies of the messages in `bytes`; throws when they are not whole messages of this type. */
export function bodies(type: string, bytes: Buffer): Buffer[] {
  const found: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    if (bytes.toString('latin1', at, at + 1) !== type) throw new Error(`not a ${type} message at ${at}`);
    const end = at + 1 + bytes.readInt32BE(at + 1);
    if (end > bytes.length) throw new Error('a message is cut');
    found.push(bytes.subarray(at + 5, end));
    at = end;
  }
  return found;
}

export function cellsOf(tuple: Buffer): Cell[] {
  const cells: Cell[] = [];
  let at = 2;
  for (let i = 0; i < tuple.readInt16BE(0); i++) {
    const length = tuple.readInt32BE(at);
    cells.push(length === -1 ? null : tuple.subarray(at + 4, at + 4 + length));
    at += 4 + Math.max(0, length);
  }
  if (at !== tuple.length) throw new Error('a tuple is longer than its cells');
  return cells;
}

export function boundMask(method: MaskMethod, notNull = false): BoundMask {
  return { column: '1.1', columnName: 'public.t.c', method, notNull, source: 'masking.yaml:1' };
}

/** A plan with these methods by column; undefined: clear. */
export function planOf(methods: readonly (MaskMethod | undefined)[], detectors: readonly string[] = []): ResultPlan {
  return {
    cells: methods.map((method) => (method === undefined ? { kind: 'clear' } : { kind: 'mask', mask: boundMask(method) })),
    detectors,
  };
}

/** Runs rows through a masker, from a source with foreign bytes on both sides. */
export function maskedRows(masker: RowMasker, rows: readonly (readonly Cell[])[]): { rows: Cell[][]; changed: boolean; detected: number } {
  const messages = Buffer.concat(rows.map(dataRow));
  const source = Buffer.concat([Buffer.from('before'), messages, Buffer.from('after')]);
  const sink = new ByteSink(16);
  sink.append(Buffer.from('kept'));
  const result = masker.maskRows(source, 6, 6 + messages.length, sink);
  if (result.rows !== rows.length) throw new Error('rows were miscounted');
  if (sink.content().toString('latin1', 0, 4) !== 'kept') throw new Error('the sink was overwritten');
  const out = result.changed ? sink.content().subarray(4) : messages;
  if (!result.changed && sink.length !== 4) throw new Error('bytes were written although nothing changed');
  return { rows: bodies('D', Buffer.from(out)).map(cellsOf), changed: result.changed, detected: result.detected };
}
