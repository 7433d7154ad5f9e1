import { MessageReader } from './message-reader.ts';
import { MessageWriter } from './message-writer.ts';

export type Execute = {
  readonly portal: string;
  /** 0 or less: all rows (PostgreSQL reads both as "no limit"). */
  readonly maxRows: number;
};

/** `E` from the client. Throws MalformedMessage, WrongEncoding. */
export function decodeExecute(buffer: Buffer, start: number, end: number): Execute {
  const reader = new MessageReader('Execute', buffer, start, end);
  const portal = reader.text();
  const maxRows = reader.int32();
  reader.finish();
  return { portal, maxRows };
}

/** `E` to the target. */
export function encodeExecute(execute: Execute): Buffer {
  return new MessageWriter().begin('E').text(execute.portal).int32(execute.maxRows).end().finish();
}
