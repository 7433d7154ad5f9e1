import { MalformedMessage } from './malformed-message.ts';
import { MessageReader } from './message-reader.ts';
import { MessageWriter } from './message-writer.ts';

const OK = 0;
const CLEARTEXT = 3;
const MD5 = 5;
const SASL = 10;
const SASL_CONTINUE = 11;
const SASL_FINAL = 12;
/** A server that offers more mechanisms than this is none. */
const MAX_MECHANISMS = 16;

/** The `R` messages that the gateway understands; others (GSS, SSPI, Kerberos) are `unsupported`. */
export type Authentication =
  | { readonly kind: 'ok' }
  | { readonly kind: 'cleartext' }
  | { readonly kind: 'md5'; readonly salt: Buffer }
  | { readonly kind: 'sasl'; readonly mechanisms: readonly string[] }
  | { readonly kind: 'saslContinue'; readonly data: Buffer }
  | { readonly kind: 'saslFinal'; readonly data: Buffer }
  | { readonly kind: 'unsupported'; readonly method: number };

/** `R` from the target; data are copies. Throws MalformedMessage, WrongEncoding. */
export function decodeAuthentication(buffer: Buffer, start: number, end: number): Authentication {
  const reader = new MessageReader('Authentication', buffer, start, end);
  const method = reader.int32();
  switch (method) {
    case OK:
      reader.finish();
      return { kind: 'ok' };
    case CLEARTEXT:
      reader.finish();
      return { kind: 'cleartext' };
    case MD5: {
      const salt = Buffer.from(reader.bytes(4));
      reader.finish();
      return { kind: 'md5', salt };
    }
    case SASL:
      return { kind: 'sasl', mechanisms: readMechanisms(reader) };
    case SASL_CONTINUE:
      return { kind: 'saslContinue', data: Buffer.from(reader.bytes(reader.remaining)) };
    case SASL_FINAL:
      return { kind: 'saslFinal', data: Buffer.from(reader.bytes(reader.remaining)) };
    default:
      return { kind: 'unsupported', method };
  }
}

/** AuthenticationOk. */
export function encodeAuthenticationOk(): Buffer {
  return new MessageWriter().begin('R').int32(OK).end().finish();
}

/** AuthenticationCleartextPassword. */
export function encodeAuthenticationCleartextPassword(): Buffer {
  return new MessageWriter().begin('R').int32(CLEARTEXT).end().finish();
}

/** AuthenticationSASL. */
export function encodeAuthenticationSasl(mechanisms: readonly string[]): Buffer {
  const writer = new MessageWriter().begin('R').int32(SASL);
  for (const mechanism of mechanisms) writer.text(mechanism);
  return writer.byte(0).end().finish();
}

/** AuthenticationSASLContinue. */
export function encodeAuthenticationSaslContinue(data: Uint8Array): Buffer {
  return new MessageWriter().begin('R').int32(SASL_CONTINUE).bytes(data).end().finish();
}

function readMechanisms(reader: MessageReader): string[] {
  const mechanisms: string[] = [];
  for (;;) {
    const mechanism = reader.text();
    if (mechanism === '') break;
    if (mechanisms.length === MAX_MECHANISMS) throw new MalformedMessage('malformed Authentication message: too many mechanisms');
    mechanisms.push(mechanism);
  }
  reader.finish();
  return mechanisms;
}
