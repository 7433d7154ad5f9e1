import type { Format } from './bind.ts';
import { MalformedMessage } from './malformed-message.ts';
import { MessageReader } from './message-reader.ts';
import { MessageWriter } from './message-writer.ts';

export type ColumnDescription = {
  readonly name: string;
  /** The relation the column comes from as the target reports it; 0: none. */
  readonly tableOid: number;
  /** Its attribute number; 0: none. */
  readonly attnum: number;
  readonly typeOid: number;
  /** Negative: variable width. */
  readonly typlen: number;
  readonly typmod: number;
  /** 0 in answers to Describe of a statement, whatever Bind will ask for. */
  readonly format: Format;
};

/** RowDescription (`T`). Throws MalformedMessage, WrongEncoding. */
export function decodeRowDescription(buffer: Buffer, start: number, end: number): ColumnDescription[] {
  const reader = new MessageReader('RowDescription', buffer, start, end);
  const count = reader.uint16();
  const columns: ColumnDescription[] = [];
  for (let i = 0; i < count; i++) {
    const name = reader.text();
    const tableOid = reader.uint32();
    const attnum = reader.int16();
    const typeOid = reader.uint32();
    const typlen = reader.int16();
    const typmod = reader.int32();
    const format = reader.int16();
    if (format !== 0 && format !== 1) throw new MalformedMessage(`malformed RowDescription message: unknown format ${format}`);
    columns.push({ name, tableOid, attnum, typeOid, typlen, typmod, format });
  }
  reader.finish();
  return columns;
}

/** RowDescription (`T`). */
export function encodeRowDescription(columns: readonly ColumnDescription[]): Buffer {
  const writer = new MessageWriter().begin('T').int16(columns.length);
  for (const column of columns) {
    writer.text(column.name).int32(column.tableOid).int16(column.attnum);
    writer.int32(column.typeOid).int16(column.typlen).int32(column.typmod).int16(column.format);
  }
  return writer.end().finish();
}
