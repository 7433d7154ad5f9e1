/**
 * The digest that binds an approval to exactly what will run (design §8): change any one input and it is another
 * digest. Keyed, because a plain hash over a guessable value (a social security number) tells the value.
 */
import { createHmac } from 'node:crypto';

export type BoundParameter = {
  /** Type OID as declared or inferred; 0 when unspecified. */
  readonly type: number;
  /** 0 text, 1 binary. */
  readonly format: number;
  /** The bytes as sent; null is SQL NULL and differs from an empty value. */
  readonly value: Uint8Array | null;
};

export type BoundStatement = {
  readonly principal: { readonly issuer: string; readonly agent: string; readonly human?: string };
  readonly target: string;
  readonly database: string;
  /** Exact bytes of the statement. */
  readonly statement: Uint8Array;
  /** Exact bytes of the text that it EXECUTEs. */
  readonly executes?: Uint8Array;
  readonly parameters: readonly BoundParameter[];
  /** Every setting that is not at its default; the order does not matter. */
  readonly settings: readonly (readonly [name: string, value: string])[];
  readonly role: string;
  /** In lookup order, which matters. */
  readonly searchPath: readonly string[];
  /** Everything reached; the order does not matter. */
  readonly reached: readonly { readonly oid: number; readonly definitionHash: string }[];
};

/** Shorter keys than the hash's output weaken the HMAC (RFC 2104 §3). */
const MIN_KEY_BYTES = 32;

/** Names the encoding, so that a later one can never produce the same bytes. */
const ENCODING = 'sallyport approval digest 1';

/** HMAC-SHA-256 in lower-case hex over the canonical encoding. Throws a plain Error for a key under 32 bytes. */
export function approvalDigest(key: Uint8Array, bound: BoundStatement): string {
  if (key.length < MIN_KEY_BYTES) throw new Error('the digest key has fewer than 32 bytes');
  const hmac = createHmac('sha256', key);
  for (const part of encode(bound)) hmac.update(part);
  return hmac.digest('hex');
}

/**
 * Fields in a fixed order; every text and byte string with its length before it, every list with its count, every
 * optional value with a presence mark: no two inputs share an encoding.
 */
function* encode(bound: BoundStatement): Generator<Uint8Array> {
  yield* text(ENCODING);
  yield* text(bound.principal.issuer);
  yield* text(bound.principal.agent);
  yield* optional(bound.principal.human === undefined ? undefined : utf16(bound.principal.human));
  yield* text(bound.target);
  yield* text(bound.database);
  yield* bytes(bound.statement);
  yield* optional(bound.executes);
  yield count(bound.parameters.length);
  for (const parameter of bound.parameters) {
    yield count(parameter.type);
    yield count(parameter.format);
    yield* optional(parameter.value ?? undefined);
  }
  const settings = bound.settings.toSorted((a, b) => order(a[0], b[0]) || order(a[1], b[1]));
  yield count(settings.length);
  for (const [name, value] of settings) {
    yield* text(name);
    yield* text(value);
  }
  yield* text(bound.role);
  yield count(bound.searchPath.length);
  for (const schema of bound.searchPath) yield* text(schema);
  const reached = bound.reached.toSorted((a, b) => a.oid - b.oid || order(a.definitionHash, b.definitionHash));
  yield count(reached.length);
  for (const { oid, definitionHash } of reached) {
    yield count(oid);
    yield* text(definitionHash);
  }
}

function* text(value: string): Generator<Uint8Array> {
  yield* bytes(utf16(value));
}

function* optional(value: Uint8Array | undefined): Generator<Uint8Array> {
  if (value === undefined) {
    yield Buffer.of(0);
    return;
  }
  yield Buffer.of(1);
  yield* bytes(value);
}

function* bytes(value: Uint8Array): Generator<Uint8Array> {
  yield count(value.length);
  yield value;
}

/** UTF-16, since UTF-8 maps every lone surrogate to the same replacement character. */
function utf16(value: string): Uint8Array {
  return Buffer.from(value, 'utf16le');
}

function count(value: number): Uint8Array {
  if (!Number.isSafeInteger(value) || value < 0) throw new Error(`not a count: ${value}`);
  const encoded = Buffer.alloc(8);
  encoded.writeBigUInt64BE(BigInt(value));
  return encoded;
}

function order(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
