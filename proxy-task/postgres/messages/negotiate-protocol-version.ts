import { MalformedMessage } from './malformed-message.ts';
import { MessageReader } from './message-reader.ts';
import { MessageWriter } from './message-writer.ts';

/**
 * `v`: what is spoken instead of what was asked for. The number on the wire is the whole version (3.2 is 196610), as
 * PostgreSQL sends it, though the protocol's page calls it the minor one.
 */
export type NegotiateProtocolVersion = { readonly minor: number; readonly unknownOptions: readonly string[] };

/** `v` from the target. Throws MalformedMessage, WrongEncoding. */
export function decodeNegotiateProtocolVersion(buffer: Buffer, start: number, end: number): NegotiateProtocolVersion {
  const reader = new MessageReader('NegotiateProtocolVersion', buffer, start, end);
  const version = reader.uint32();
  if (version >>> 16 !== 3) throw new MalformedMessage('malformed NegotiateProtocolVersion message: not protocol 3');
  const count = reader.int32();
  if (count < 0) throw new MalformedMessage('malformed NegotiateProtocolVersion message: a negative count');
  const unknownOptions: string[] = [];
  for (let i = 0; i < count; i++) unknownOptions.push(reader.text());
  reader.finish();
  return { minor: version & 0xffff, unknownOptions };
}

/** `v` to the client. */
export function encodeNegotiateProtocolVersion(negotiate: NegotiateProtocolVersion): Buffer {
  const writer = new MessageWriter()
    .begin('v')
    .int32((3 << 16) | negotiate.minor)
    .int32(negotiate.unknownOptions.length);
  for (const option of negotiate.unknownOptions) writer.text(option);
  return writer.end().finish();
}
