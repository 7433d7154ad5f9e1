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
  const { before, number } = lastNumber(tag);
  // INSERT carries an object identifier before the count.
  return number === undefined ? { tag, command: tag, rows: undefined } : { tag, command: lastNumber(before).before, rows: number };
}

/** `SELECT 100` in its parts; without a number at its end the text is all. */
function lastNumber(text: string): { readonly before: string; readonly number: number | undefined } {
  let at = text.length;
  while (at > 0 && isDigit(text.charCodeAt(at - 1))) at -= 1;
  if (at === text.length || at === 0 || text.charCodeAt(at - 1) !== SPACE) return { before: text, number: undefined };
  return { before: text.slice(0, at - 1), number: Number(text.slice(at)) };
}

const SPACE = 0x20;

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

/** CommandComplete (`C`). */
export function encodeCommandComplete(tag: string): Buffer {
  return new MessageWriter().begin('C').text(tag).end().finish();
}
