import { type Format, readFormats } from './bind.ts';
import { MalformedMessage } from './malformed-message.ts';
import { MessageReader } from './message-reader.ts';
import { MessageWriter, encodeMessage } from './message-writer.ts';

export type CopyResponse = {
  readonly direction: 'in' | 'out' | 'both';
  readonly format: Format;
  readonly columnFormats: readonly Format[];
};

/** CopyFail (`f`): the reason that the sender gives. Throws MalformedMessage, WrongEncoding. */
export function decodeCopyFail(buffer: Buffer, start: number, end: number): string {
  const reader = new MessageReader('CopyFail', buffer, start, end);
  const reason = reader.text();
  reader.finish();
  return reason;
}

/** CopyInResponse (`G`), CopyOutResponse (`H`), CopyBothResponse (`W`). Throws MalformedMessage. */
export function decodeCopyResponse(direction: CopyResponse['direction'], buffer: Buffer, start: number, end: number): CopyResponse {
  const reader = new MessageReader('CopyResponse', buffer, start, end);
  const format = reader.byte();
  if (format !== 0 && format !== 1) throw new MalformedMessage(`malformed CopyResponse message: unknown format ${format}`);
  const columnFormats = readFormats('CopyResponse', reader);
  reader.finish();
  if (format === 0 && columnFormats.includes(1)) throw new MalformedMessage('malformed CopyResponse message: binary column in a text copy');
  return { direction, format, columnFormats };
}

/** CopyData (`d`): the body is the data. */
export function encodeCopyData(data: Uint8Array): Buffer {
  return encodeMessage('d', data);
}

/** CopyDone (`c`). A fresh buffer each time, since what is written to a socket may be kept by it. */
export function encodeCopyDone(): Buffer {
  return encodeMessage('c');
}

/** CopyFail (`f`): ends a COPY FROM STDIN with an error on the target. */
export function encodeCopyFail(reason: string): Buffer {
  return new MessageWriter().begin('f').text(reason).end().finish();
}
