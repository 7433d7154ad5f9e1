import { MessageReader, decodeText } from './message-reader.ts';
import { MessageWriter } from './message-writer.ts';

export type Query = {
  readonly sql: string;
  /** Where the text stands in the buffer, without its terminator: digests are taken over these exact bytes. */
  readonly sqlStart: number;
  readonly sqlEnd: number;
};

/** Simple query (`Q`). Throws MalformedMessage, WrongEncoding. */
export function decodeQuery(buffer: Buffer, start: number, end: number): Query {
  const reader = new MessageReader('Query', buffer, start, end);
  const sqlStart = reader.skipText();
  const sqlEnd = reader.at - 1;
  reader.finish();
  return { sql: decodeText('Query', buffer, sqlStart, sqlEnd), sqlStart, sqlEnd };
}

/** Simple query (`Q`). */
export function encodeQuery(sql: string): Buffer {
  return new MessageWriter().begin('Q').text(sql).end().finish();
}
