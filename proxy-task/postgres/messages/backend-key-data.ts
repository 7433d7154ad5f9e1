import { MalformedMessage } from './malformed-message.ts';
import { MessageReader } from './message-reader.ts';
import { MessageWriter } from './message-writer.ts';

/** What a CancelRequest must name: 4 bytes of secret in protocol 3.0, 4 to 256 from 3.2 on. */
export type CancelKey = { readonly processId: number; readonly secret: Buffer };

/** `K` from the target; the secret is a copy. Throws MalformedMessage. */
export function decodeBackendKeyData(buffer: Buffer, start: number, end: number): CancelKey {
  const reader = new MessageReader('BackendKeyData', buffer, start, end);
  const processId = reader.int32();
  const secretBytes = reader.remaining;
  if (secretBytes < 4 || secretBytes > 256) throw new MalformedMessage('malformed BackendKeyData message: a key of impossible length');
  return { processId, secret: Buffer.from(reader.bytes(secretBytes)) };
}

/** `K` to the client; the length of the secret decides between 3.0 and 3.2. */
export function encodeBackendKeyData(key: CancelKey): Buffer {
  return new MessageWriter().begin('K').int32(key.processId).bytes(key.secret).end().finish();
}
