// A result as a person reads it, in the layout of psql.
import { visibleText } from '../core/approval/visible.ts';

export type ResultColumn = { readonly name: string; readonly typeOid: number };

// oid, xid, int2, int4, int8, float4, float8, money, numeric: what psql sets to the right.
const RIGHT_ALIGNED = new Set([20, 21, 23, 26, 28, 700, 701, 790, 1700]);

/** The result as text, with a line feed at the end: header, rows, `(2 rows)`. NULL is an empty cell, as in psql. */
export function resultTable(columns: readonly ResultColumn[], rows: readonly (readonly (string | null)[])[]): string {
  const cells = rows.map((row) => columns.map((_, index) => shownLines(row[index] ?? '')));
  const names = columns.map((column) => visibleText(column.name, false));
  const widths = names.map((name, index) => Math.max(width(name), ...cells.map((row) => Math.max(...(row[index] ?? ['']).map(width)))));
  const lines = [
    names.map((name, index) => ` ${center(name, widths[index] ?? 0)} `).join('|'),
    widths.map((each) => '-'.repeat(each + 2)).join('+'),
    ...cells.flatMap((row) => rowLines(row, columns, widths)),
    `(${rows.length} ${rows.length === 1 ? 'row' : 'rows'})`,
  ];
  return `${lines.map((line) => line.trimEnd()).join('\n')}\n`;
}

// What comes back was written by whoever filled the table: nothing of it may move the cursor or reorder the line.
function shownLines(value: string): string[] {
  return visibleText(value).split('\n');
}

// A cell of several lines goes on below itself; `+` marks that more follows.
function rowLines(row: readonly string[][], columns: readonly ResultColumn[], widths: readonly number[]): string[] {
  const height = Math.max(1, ...row.map((cell) => cell.length));
  return Array.from({ length: height }, (_, line) =>
    row
      .map((cell, index) => {
        const text = cell[line] ?? '';
        const space = ' '.repeat((widths[index] ?? 0) - width(text));
        const aligned = RIGHT_ALIGNED.has(columns[index]?.typeOid ?? 0) ? space + text : text + space;
        return ` ${aligned}${line + 1 < cell.length ? '+' : ' '}`;
      })
      .join('|'),
  );
}

function center(text: string, to: number): string {
  const left = Math.floor((to - width(text)) / 2);
  return ' '.repeat(left) + text + ' '.repeat(to - width(text) - left);
}

function width(text: string): number {
  return Array.from(text).length;
}
