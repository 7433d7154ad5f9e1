import { MalformedMessage } from './malformed-message.ts';
import { MessageReader } from './message-reader.ts';
import { MessageWriter } from './message-writer.ts';

export type SaslInitialResponse = {
  readonly mechanism: string;
  /** A view; undefined when the client sent no initial response. */
  readonly response: Buffer | undefined;
};

/** PasswordMessage (`p`): one NUL-terminated string and nothing else. Throws MalformedMessage, WrongEncoding. */
export function decodePassword(buffer: Buffer, start: number, end: number): string {
  const reader = new MessageReader('Password', buffer, start, end);
  const password = reader.text();
  reader.finish();
  return password;
}

/** SASLInitialResponse (`p`). Throws MalformedMessage, WrongEncoding. */
export function decodeSaslInitialResponse(buffer: Buffer, start: number, end: number): SaslInitialResponse {
  const reader = new MessageReader('SASLInitialResponse', buffer, start, end);
  const mechanism = reader.text();
  const bytes = reader.int32();
  if (bytes < -1) throw new MalformedMessage('malformed SASLInitialResponse message: a negative length');
  const response = bytes === -1 ? undefined : reader.bytes(bytes);
  reader.finish();
  return { mechanism, response };
}

/** PasswordMessage (`p`), also for md5. */
export function encodePassword(password: string): Buffer {
  return new MessageWriter().begin('p').text(password).end().finish();
}

/** SASLInitialResponse (`p`). */
export function encodeSaslInitialResponse(mechanism: string, response: Uint8Array): Buffer {
  return new MessageWriter().begin('p').text(mechanism).int32(response.length).bytes(response).end().finish();
}

/** SASLResponse (`p`): the body is the mechanism's data. */
export function encodeSaslResponse(response: Uint8Array): Buffer {
  return new MessageWriter().begin('p').bytes(response).end().finish();
}
