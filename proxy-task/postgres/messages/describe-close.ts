import { MalformedMessage } from './malformed-message.ts';
import { MessageReader } from './message-reader.ts';
import { MessageWriter } from './message-writer.ts';

/** What Describe and Close name: a prepared statement (`S`) or a portal (`P`). */
export type Named = { readonly kind: 'statement' | 'portal'; readonly name: string };

/** `D` from the client. Throws MalformedMessage, WrongEncoding. */
export function decodeDescribe(buffer: Buffer, start: number, end: number): Named {
  return decodeNamed('Describe', buffer, start, end);
}

/** `C` from the client. Throws MalformedMessage, WrongEncoding. */
export function decodeClose(buffer: Buffer, start: number, end: number): Named {
  return decodeNamed('Close', buffer, start, end);
}

/** `D` to the target. */
export function encodeDescribe(named: Named): Buffer {
  return encodeNamed('D', named);
}

/** `C` to the target. */
export function encodeClose(named: Named): Buffer {
  return encodeNamed('C', named);
}

function decodeNamed(message: string, buffer: Buffer, start: number, end: number): Named {
  const reader = new MessageReader(message, buffer, start, end);
  const kind = reader.byte();
  const name = reader.text();
  reader.finish();
  if (kind === 0x53) return { kind: 'statement', name };
  if (kind === 0x50) return { kind: 'portal', name };
  throw new MalformedMessage(`malformed ${message} message: neither a statement nor a portal`);
}

function encodeNamed(type: string, named: Named): Buffer {
  return new MessageWriter()
    .begin(type)
    .byte(named.kind === 'statement' ? 0x53 : 0x50)
    .text(named.name)
    .end()
    .finish();
}
