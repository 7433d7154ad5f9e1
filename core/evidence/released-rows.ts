/** Decodes the recorded bytes of released rows: RowDescription, DataRow and CopyData (protocol "Message Formats"). */

export type ReleasedColumn = { readonly name: string; readonly typeOid: number };

export type Released =
  | { readonly kind: 'columns'; readonly columns: readonly ReleasedColumn[] }
  | { readonly kind: 'row'; readonly cells: readonly (string | null)[] }
  /** One CopyData message as text. */
  | { readonly kind: 'copy'; readonly text: string };

const ROW_DESCRIPTION = 0x54;
const DATA_ROW = 0x44;
const COPY_DATA = 0x64;
const HEADER_BYTES = 5;
/** Behind a column's name: table OID, attribute, type OID, length, modifier, format. */
const COLUMN_FIELDS_BYTES = 18;

/** The messages of some released content. What is cut short or malformed ends it: it was recorded as it was sent. */
export function* releasedMessages(content: Buffer): Generator<Released> {
  let at = 0;
  while (at + HEADER_BYTES <= content.length) {
    const end = at + 1 + content.readInt32BE(at + 1);
    if (end < at + HEADER_BYTES || end > content.length) return;
    const body = content.subarray(at + HEADER_BYTES, end);
    const kind = content[at];
    const message =
      kind === ROW_DESCRIPTION ? columnsOf(body) : kind === DATA_ROW ? rowOf(body) : kind === COPY_DATA ? copyOf(body) : undefined;
    if (message !== undefined) yield message;
    at = end;
  }
}

function columnsOf(body: Buffer): Released | undefined {
  if (body.length < 2) return undefined;
  const columns: ReleasedColumn[] = [];
  for (let left = body.readInt16BE(0), at = 2; left > 0; left -= 1) {
    const end = body.indexOf(0, at);
    if (end < 0 || end + 1 + COLUMN_FIELDS_BYTES > body.length) return undefined;
    columns.push({ name: body.toString('utf8', at, end), typeOid: body.readUInt32BE(end + 1 + 6) });
    at = end + 1 + COLUMN_FIELDS_BYTES;
  }
  return { kind: 'columns', columns };
}

function rowOf(body: Buffer): Released | undefined {
  if (body.length < 2) return undefined;
  const cells: (string | null)[] = [];
  for (let left = body.readInt16BE(0), at = 2; left > 0; left -= 1) {
    if (at + 4 > body.length) return undefined;
    const bytes = body.readInt32BE(at);
    at += 4;
    if (at + Math.max(0, bytes) > body.length) return undefined;
    cells.push(bytes < 0 ? null : textOf(body.subarray(at, at + bytes)));
    at += Math.max(0, bytes);
  }
  return { kind: 'row', cells };
}

function copyOf(body: Buffer): Released {
  return { kind: 'copy', text: textOf(body) };
}

/** Cells in the binary format are shown as bytea is: what is not UTF-8, or holds a NUL, cannot be text. */
function textOf(bytes: Buffer): string {
  const text = bytes.toString('utf8');
  return text.includes('\u0000') || text.includes('\ufffd') ? `\\x${bytes.toString('hex')}` : text;
}
