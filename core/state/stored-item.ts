/**
 * How a value stands in a state table: an id, a version that every write raises by one, and the value as JSON. A write names the
 * version that it read, so that of two writers one is told that it was too late.
 */

/** Attributes in DynamoDB's own notation. */
export type StoredItem = {
  readonly id: { readonly S: string };
  readonly v: { readonly N: string };
  readonly body: { readonly S: string };
  /** Seconds since the epoch; clean-up only, since DynamoDB may take days. */
  readonly ttl?: { readonly N: string };
};

/** The item of this value at this version. */
export function encodeStored(id: string, v: number, value: unknown, ttlSeconds?: number): StoredItem {
  const item = { id: { S: id }, v: { N: String(v) }, body: { S: JSON.stringify(value) } };
  return ttlSeconds === undefined ? item : { ...item, ttl: { N: String(Math.ceil(ttlSeconds)) } };
}

/** The value is not checked; undefined where the item is none that `encodeStored` makes. */
export function decodeStored(
  item: Readonly<Record<string, unknown>>,
): { readonly id: string; readonly v: number; readonly body: unknown } | undefined {
  const id = attribute(item['id'], 'S');
  const v = Number(attribute(item['v'], 'N') ?? '');
  const body = attribute(item['body'], 'S');
  if (id === undefined || body === undefined || !Number.isSafeInteger(v) || v < 1) return undefined;
  try {
    return { id, v, body: JSON.parse(body) };
  } catch {
    return undefined;
  }
}

function attribute(value: unknown, type: 'S' | 'N'): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const found: unknown = Object.getOwnPropertyDescriptor(value, type)?.value;
  return typeof found === 'string' ? found : undefined;
}
