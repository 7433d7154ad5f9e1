// What comes back from the gateway, for people or for machines.
import { jsonLine } from './json-line.ts';
import { visibleText } from '../core/approval/visible.ts';
import type { Complaint, RunEvents } from './sql-run.ts';
import { resultTable, type ResultColumn } from './sql-table.ts';
import type { VerbIo } from './verb.ts';

export type Printer = RunEvents & { notice(said: Complaint): void; error(said: Complaint): void };

/** Tables on stdout, notices and errors on stderr as they come. */
export function tablePrinter(io: VerbIo): Printer {
  let columns: readonly ResultColumn[] | undefined;
  let rows: (readonly (string | null)[])[] = [];
  const say = (said: Complaint): void => {
    io.stderr.write(`${visibleText(said.severity)}:  ${visibleText(said.code)}: ${visibleText(said.message)}\n`);
    if (said.detail !== undefined) io.stderr.write(`DETAIL:  ${visibleText(said.detail)}\n`);
    if (said.hint !== undefined) io.stderr.write(`HINT:  ${visibleText(said.hint)}\n`);
    if (said.position !== undefined) io.stderr.write(`POSITION:  ${visibleText(said.position)}\n`);
  };
  return {
    columns: (described) => {
      columns = described;
      rows = [];
    },
    row: (values) => void rows.push(values),
    done: (tag) => {
      if (columns !== undefined) io.stdout.write(`${resultTable(columns, rows)}\n`);
      else if (tag !== undefined) io.stdout.write(`${visibleText(tag)}\n`);
      columns = undefined;
      rows = [];
    },
    copied: (chunk) => void io.stdout.write(io.stdout.isTTY === true ? visibleText(chunk.toString()) : chunk.toString()),
    notice: say,
    error: (said) => {
      columns = undefined;
      rows = [];
      say(said);
    },
  };
}

/** One JSON object a line, all on stdout. */
export function jsonPrinter(io: VerbIo): Printer {
  const line = (entry: Readonly<Record<string, unknown>>): void => void io.stdout.write(jsonLine(entry));
  return {
    columns: (columns) => line({ columns: columns.map((column) => column.name) }),
    row: (row) => line({ row }),
    done: (tag) => line({ tag: tag ?? null }),
    copied: (chunk) => line({ copied: chunk.toString() }),
    notice: (notice) => line({ notice }),
    error: (error) => line({ error }),
  };
}
