import { FieldMalformed, Fields } from './fields.ts';

const KEY_BYTES = 32;

/** The key for digests of requests out of the secret with the gateway's keys. Throws FieldMalformed, which repeats nothing of it. */
export function digestKeyOf(secret: string): Uint8Array {
  let value: unknown;
  try {
    value = JSON.parse(secret);
  } catch {
    // The parser's own words would repeat a part of the secret.
    throw new FieldMalformed('the secret with the keys is no JSON');
  }
  const key = Buffer.from(new Fields(value, 'the secret with the keys').text('digest'), 'base64');
  if (key.length !== KEY_BYTES) throw new FieldMalformed(`the key for digests has not ${KEY_BYTES} bytes`);
  return key;
}
