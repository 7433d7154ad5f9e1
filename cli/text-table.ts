/** Lists for people: aligned columns whose cells stay on their line. */
import { visibleText } from '../core/approval/visible.ts';

/** One line a row, each ended by a line feed; characters that would not show are escaped. */
export function textTable(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const shown = [heads, ...rows.map((row) => row.map((cell) => visibleText(cell, false)))];
  const widths = heads.map((_, at) => Math.max(...shown.map((row) => row[at]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd();
  return shown.map((row) => `${line(row)}\n`).join('');
}

/** `2026-11-20 12:00:00`, of an ISO 8601 time. */
export function shortTime(at: string): string {
  return at.slice(0, 19).replace('T', ' ');
}
