import { MessageReader, decodeText } from './message-reader.ts';
import { MessageWriter } from './message-writer.ts';

export type Parse = {
  /** Empty: the unnamed statement. */
  readonly statement: string;
  readonly sql: string;
  /** Where the text stands in the buffer, without its terminator. */
  readonly sqlStart: number;
  readonly sqlEnd: number;
  /** Type OIDs of leading parameters; 0: to be inferred. */
  readonly parameterTypes: readonly number[];
};

/** `P`. Throws MalformedMessage, WrongEncoding. */
export function decodeParse(buffer: Buffer, start: number, end: number): Parse {
  const reader = new MessageReader('Parse', buffer, start, end);
  const statement = reader.text();
  const sqlStart = reader.skipText();
  const sqlEnd = reader.at - 1;
  const count = reader.uint16();
  const parameterTypes: number[] = [];
  for (let i = 0; i < count; i++) parameterTypes.push(reader.uint32());
  reader.finish();
  return { statement, sql: decodeText('Parse', buffer, sqlStart, sqlEnd), sqlStart, sqlEnd, parameterTypes };
}

/** `P`. */
export function encodeParse(parse: {
  readonly statement: string;
  readonly sql: string;
  readonly parameterTypes?: readonly number[];
}): Buffer {
  const types = parse.parameterTypes ?? [];
  const writer = new MessageWriter().begin('P').text(parse.statement).text(parse.sql).int16(types.length);
  for (const type of types) writer.int32(type);
  return writer.end().finish();
}
