import { MessageReader } from './message-reader.ts';
import { MessageWriter } from './message-writer.ts';

/** The column count of a DataRow (`D`), which is all that the bulk path reads before it walks the cells in place. */
export function decodeDataRowHeader(buffer: Buffer, start: number, end: number): { readonly columns: number; readonly cellsStart: number } {
  const reader = new MessageReader('DataRow', buffer, start, end);
  const columns = reader.uint16();
  return { columns, cellsStart: reader.at };
}

/** Views on all cells of a DataRow, null where NULL: for the gateway's own small queries, not the bulk path. Throws MalformedMessage. */
export function decodeDataRow(buffer: Buffer, start: number, end: number): (Buffer | null)[] {
  const reader = new MessageReader('DataRow', buffer, start, end);
  const count = reader.uint16();
  const cells: (Buffer | null)[] = [];
  for (let i = 0; i < count; i++) {
    const bytes = reader.int32();
    cells.push(bytes === -1 ? null : reader.bytes(bytes));
  }
  reader.finish();
  return cells;
}

/** DataRow (`D`). */
export function encodeDataRow(cells: readonly (Uint8Array | null)[]): Buffer {
  const writer = new MessageWriter().begin('D').int16(cells.length);
  for (const cell of cells) {
    if (cell === null) writer.int32(-1);
    else writer.int32(cell.length).bytes(cell);
  }
  return writer.end().finish();
}
