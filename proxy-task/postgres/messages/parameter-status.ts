import { MessageReader } from './message-reader.ts';
import { MessageWriter } from './message-writer.ts';

export type ParameterStatus = { readonly name: string; readonly value: string };

/** `S` from the target. Throws MalformedMessage, WrongEncoding. */
export function decodeParameterStatus(buffer: Buffer, start: number, end: number): ParameterStatus {
  const reader = new MessageReader('ParameterStatus', buffer, start, end);
  const name = reader.text();
  const value = reader.text();
  reader.finish();
  return { name, value };
}

/** `S` to the client. */
export function encodeParameterStatus(name: string, value: string): Buffer {
  return new MessageWriter().begin('S').text(name).text(value).end().finish();
}
