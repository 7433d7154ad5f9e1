/**
 * `hash` and `tokenize`: keyed and stable, so equal values have equal masks in every column of a target and joins on
 * masked values work. Neither can be reversed: there is no vault and no inverse function. Values from a small set can
 * still be told apart by how often they occur.
 */
import { createHmac } from 'node:crypto';

/** At least 32 random bytes each (a shorter key is a plain Error: a bug of whoever composes). The two differ, so that a hash tells nothing about a token. */
export type MaskKeys = { readonly hash: Uint8Array; readonly tokenize: Uint8Array };

const KEY_LEAST_BYTES = 32;
const HASH_HEX_DIGITS = 32;
const CARD_DIGITS = { least: 13, most: 19 } as const;

function mac(key: Uint8Array, label: string, value: Uint8Array): Buffer {
  if (key.length < KEY_LEAST_BYTES) throw new Error('a masking key is shorter than 32 bytes');
  return createHmac('sha256', key).update(label).update('\0').update(value).digest();
}

/** Lower-case hex, 128 bits, cut to `length` where the column holds less. */
export function hashText(key: Uint8Array, value: Uint8Array, length?: number): string {
  return mac(key, 'text', value)
    .toString('hex', 0, HASH_HEX_DIGITS / 2)
    .slice(0, length);
}

/** A non-negative integer of `bits` bits. Collisions are certain for int2. */
export function hashInteger(key: Uint8Array, value: bigint, bits: 15 | 31 | 63): bigint {
  return mac(key, 'integer', Buffer.from(value.toString())).readBigUInt64BE() & ((1n << BigInt(bits)) - 1n);
}

/** 16 bytes of a well-formed version 8 UUID (RFC 9562 §5.8: content by the implementer). */
export function keyedUuid(key: Uint8Array, value: Uint8Array): Buffer {
  const bytes = mac(key, 'uuid', value).subarray(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return bytes;
}

/**
 * Digit for digit, letter for letter of the same case (letters outside ASCII become ASCII ones), everything else kept.
 * Never the value itself; a value without letters and digits becomes asterisks. What could be a card number fails the
 * Luhn check, so that a token is never mistaken for a live card.
 */
export function tokenizeText(key: Uint8Array, value: string): string {
  const characters = Array.from(value);
  const replaceable = characters.filter(isReplaceable);
  if (replaceable.length === 0) return '*'.repeat(characters.length);
  for (let round = 0; ; round++) {
    const stream = keyedStream(key, value, round, replaceable.length);
    let next = 0;
    const token = characters.map((character) => (isReplaceable(character) ? replace(character, stream[next++] ?? 0) : character));
    breakLuhn(token);
    const text = token.join('');
    if (text !== value) return text;
  }
}

/** The same for an integer: sign and number of digits stay, and it stays in the range of `bits` bits. */
export function tokenizeInteger(key: Uint8Array, value: bigint, bits: 15 | 31 | 63): bigint {
  const digits = (value < 0n ? -value : value).toString().length;
  const least = digits === 1 ? 0n : 10n ** BigInt(digits - 1);
  const range = 1n << BigInt(bits);
  const most = 10n ** BigInt(digits) < range ? 10n ** BigInt(digits) : range;
  for (let round = 0; ; round++) {
    const [high, low] = [0, 1].map((part) => mac(key, `integer ${round} ${part}`, Buffer.from(value.toString())).readBigUInt64BE());
    const token = least + ((((high ?? 0n) << 64n) | (low ?? 0n)) % (most - least));
    const signed = value < 0n ? -token : token;
    if (signed !== value) return signed;
  }
}

function isReplaceable(character: string): boolean {
  return /[\p{L}\p{N}]/u.test(character);
}

function replace(character: string, random: number): string {
  if (/\p{N}/u.test(character)) return String(random % 10);
  const letter = String.fromCharCode(97 + (random % 26));
  return character === character.toLowerCase() ? letter : letter.toUpperCase();
}

/** 16 bits per character: the bias of `% 26` stays below 0.1 %. */
function keyedStream(key: Uint8Array, value: string, round: number, length: number): Uint16Array {
  const stream = new Uint16Array(length);
  const first = mac(key, `token ${round}`, Buffer.from(value));
  for (let block = 0; block * 16 < length; block++) {
    const bytes = block === 0 ? first : mac(key, `block ${block}`, first);
    for (let i = 0; i < 16 && block * 16 + i < length; i++) stream[block * 16 + i] = bytes.readUInt16BE(i * 2);
  }
  return stream;
}

function breakLuhn(token: string[]): void {
  const at = token.flatMap((character, index) => (/^\d$/.test(character) ? [index] : []));
  if (at.length < CARD_DIGITS.least || at.length > CARD_DIGITS.most) return;
  let sum = 0;
  at.forEach((index, i) => {
    const digit = Number(token[index]);
    const doubled = (at.length - i) % 2 === 0 ? digit * 2 : digit;
    sum += doubled > 9 ? doubled - 9 : doubled;
  });
  const last = at[at.length - 1];
  if (sum % 10 === 0 && last !== undefined) token[last] = String((Number(token[last]) + 1) % 10);
}
