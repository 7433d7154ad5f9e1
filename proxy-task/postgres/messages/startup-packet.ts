import { MalformedMessage } from './malformed-message.ts';
import { MessageReader } from './message-reader.ts';
import { MessageWriter } from './message-writer.ts';

/** Codes that stand in place of a protocol version (pqcomm.h). */
export const CANCEL_REQUEST_CODE = 80877102;
export const SSL_REQUEST_CODE = 80877103;
export const GSSENC_REQUEST_CODE = 80877104;

/** `MAX_STARTUP_PACKET_LENGTH` of PostgreSQL: length field included. */
export const MAX_STARTUP_PACKET_BYTES = 10_000;
/** Length field and version. */
export const MIN_STARTUP_PACKET_BYTES = 8;

/** Cancel keys have 4 bytes in protocol 3.0, up to 256 from 3.2 on. */
const MIN_SECRET_BYTES = 4;
const MAX_SECRET_BYTES = 256;
/** Upper bound of our own making on parameters: a packet of 10,000 bytes could name 3,000. */
const MAX_PARAMETERS = 100;

/** The packets that come without a type byte, before a session. */
export type StartupPacket =
  | { readonly kind: 'sslRequest' }
  | { readonly kind: 'gssencRequest' }
  | { readonly kind: 'cancelRequest'; readonly processId: number; readonly secret: Buffer }
  | { readonly kind: 'startup'; readonly major: 3; readonly minor: number; readonly parameters: ReadonlyMap<string, string> }
  | { readonly kind: 'unsupported'; readonly major: number; readonly minor: number };

/**
 * Decodes a packet whose body, after the length field, stands at `start`..`end`. Names that stand twice are refused:
 * whichever the gateway reads, the target could read the other. Throws MalformedMessage, WrongEncoding.
 */
export function decodeStartupPacket(buffer: Buffer, start: number, end: number): StartupPacket {
  const reader = new MessageReader('startup', buffer, start, end);
  const code = reader.uint32();
  if (code === SSL_REQUEST_CODE || code === GSSENC_REQUEST_CODE) {
    reader.finish();
    return { kind: code === SSL_REQUEST_CODE ? 'sslRequest' : 'gssencRequest' };
  }
  if (code === CANCEL_REQUEST_CODE) {
    const processId = reader.int32();
    if (reader.remaining < MIN_SECRET_BYTES || reader.remaining > MAX_SECRET_BYTES) {
      throw new MalformedMessage('malformed CancelRequest message: a key of impossible length');
    }
    return { kind: 'cancelRequest', processId, secret: Buffer.from(reader.bytes(reader.remaining)) };
  }
  const major = code >>> 16;
  const minor = code & 0xffff;
  if (major !== 3) return { kind: 'unsupported', major, minor };
  return { kind: 'startup', major, minor, parameters: readParameters(reader) };
}

/** A StartupMessage of protocol 3.`minor`. */
export function encodeStartupMessage(minor: number, parameters: Iterable<readonly [string, string]>): Buffer {
  const writer = new MessageWriter().begin().int32((3 << 16) | minor);
  for (const [name, value] of parameters) {
    if (name === '') throw new Error('a startup parameter needs a name');
    writer.text(name).text(value);
  }
  return writer.byte(0).end().finish();
}

/** SSLRequest. */
export function encodeSslRequest(): Buffer {
  return new MessageWriter().begin().int32(SSL_REQUEST_CODE).end().finish();
}

/** CancelRequest with a key of either length. */
export function encodeCancelRequest(processId: number, secret: Uint8Array): Buffer {
  return new MessageWriter().begin().int32(CANCEL_REQUEST_CODE).int32(processId).bytes(secret).end().finish();
}

function readParameters(reader: MessageReader): Map<string, string> {
  const parameters = new Map<string, string>();
  for (;;) {
    const name = reader.text();
    if (name === '') break;
    if (parameters.has(name)) throw new MalformedMessage('malformed startup message: a parameter stands twice');
    if (parameters.size === MAX_PARAMETERS) throw new MalformedMessage('malformed startup message: too many parameters');
    parameters.set(name, reader.text());
  }
  reader.finish();
  return parameters;
}
