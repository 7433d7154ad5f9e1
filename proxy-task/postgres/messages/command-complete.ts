import { MessageReader } from './message-reader.ts';
import { MessageWriter } from './message-writer.ts';

export type CommandComplete = {
  readonly tag: string;
  /** The command without its numbers: `INSERT`, `CREATE TABLE`. */
  readonly command: string;
  /** Rows that the tag counts; undefined where it counts none. */
  readonly rows: number | undefined;
};

/** CommandComplete (`C`). Throws MalformedMessage, WrongEncoding. */
export function decodeCommandComplete(buffer: Buffer, start: number, end: number): CommandComplete {
  const reader = new MessageReader('CommandComplete', buffer, start, end);
  const tag = reader.text();
  reader.finish();
  // INSERT carries an object identifier before the count.
  const match = /^(?<command>.*?)(?: \d+)?(?: (?<rows>\d+))$/u.exec(tag);
  const rows = match?.groups?.['rows'];
  if (rows === undefined) return { tag, command: tag, rows: undefined };
  return { tag, command: match?.groups?.['command'] ?? tag, rows: Number(rows) };
}

/** CommandComplete (`C`). */
export function encodeCommandComplete(tag: string): Buffer {
  return new MessageWriter().begin('C').text(tag).end().finish();
}
