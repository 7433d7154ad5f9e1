import { MalformedMessage } from './malformed-message.ts';
import { MessageReader, decodeText } from './message-reader.ts';
import { MessageWriter } from './message-writer.ts';

/** One field by its letter (protocol.sgml "Error and Notice Message Fields"), in the order of the message. */
export type ErrorField = readonly [letter: string, value: string];

/**
 * Fields of ErrorResponse (`E`) and NoticeResponse (`N`). Text that is no UTF-8 is read lossily here: before the client
 * encoding is settled a target answers in its own, and the login error must still be told. Throws MalformedMessage.
 */
export function decodeErrorFields(buffer: Buffer, start: number, end: number): ErrorField[] {
  const reader = new MessageReader('ErrorResponse', buffer, start, end);
  const fields: ErrorField[] = [];
  for (;;) {
    const letter = reader.byte();
    if (letter === 0) break;
    if (letter > 0x7e || letter < 0x21) throw new MalformedMessage('malformed ErrorResponse message: a field without a letter');
    const from = reader.skipText();
    fields.push([String.fromCharCode(letter), buffer.toString('utf8', from, reader.at - 1)]);
  }
  reader.finish();
  return fields;
}

/** The first field with this letter. */
export function errorField(fields: readonly ErrorField[], letter: string): string | undefined {
  return fields.find(([candidate]) => candidate === letter)?.[1];
}

/** ErrorResponse (`E`). */
export function encodeErrorResponse(fields: readonly ErrorField[]): Buffer {
  return encodeFields('E', fields);
}

/** NoticeResponse (`N`). */
export function encodeNoticeResponse(fields: readonly ErrorField[]): Buffer {
  return encodeFields('N', fields);
}

/** The error of protocol 2 and older: text without length or fields. */
export function encodeLegacyError(message: string): Buffer {
  return Buffer.from(`EFATAL:  ${message}\n\0`);
}

function encodeFields(type: string, fields: readonly ErrorField[]): Buffer {
  const writer = new MessageWriter().begin(type);
  for (const [letter, value] of fields) writer.byte(letter.charCodeAt(0)).text(value.replaceAll('\0', ''));
  return writer.byte(0).end().finish();
}

/** The SQLSTATE of an ErrorResponse without decoding the rest; throws MalformedMessage. */
export function sqlstateOf(buffer: Buffer, start: number, end: number): string {
  const reader = new MessageReader('ErrorResponse', buffer, start, end);
  while (reader.remaining > 0) {
    const letter = reader.byte();
    if (letter === 0) break;
    const from = reader.skipText();
    if (letter === 0x43) return decodeText('ErrorResponse', buffer, from, reader.at - 1);
  }
  throw new MalformedMessage('malformed ErrorResponse message: no SQLSTATE');
}
