/** State items as DynamoDB has them: `id`, a version that every write counts up, and the value as JSON in one attribute. */
import { SallyportError } from '../errors.ts';

/** An attribute as DynamoDB's API writes it, as far as state items use it. */
export type ItemAttributes = Readonly<Record<string, { readonly S: string } | { readonly N: string }>>;

/** Something stands in a state table that none of our writers put there. */
export class StateItemMalformed extends SallyportError {
  readonly code = 'state-item-malformed';
}

/** `ttlS`: when the table may forget the item, in seconds since the epoch; expiry itself is checked in code. */
export function encodeItem(id: string, v: number, body: unknown, ttlS?: number): ItemAttributes {
  return {
    id: { S: id },
    v: { N: String(v) },
    body: { S: JSON.stringify(body) },
    ...(ttlS === undefined ? {} : { ttl: { N: String(Math.ceil(ttlS)) } }),
  };
}

/** Version and value of an item; the value is still to be checked. Throws StateItemMalformed. */
export function decodeItem(attributes: Readonly<Record<string, unknown>>): {
  readonly id: string;
  readonly v: number;
  readonly body: unknown;
} {
  const id = text(attributes['id'], 'S');
  const v = Number(text(attributes['v'], 'N'));
  const body = text(attributes['body'], 'S');
  if (id === undefined || body === undefined || !Number.isSafeInteger(v))
    throw new StateItemMalformed(`item ${id ?? ''} of a state table has not its shape`);
  try {
    const value: unknown = JSON.parse(body);
    return { id, v, body: value };
  } catch (cause) {
    throw new StateItemMalformed(`the value of item ${id} is not JSON`, { cause });
  }
}

function text(attribute: unknown, type: 'S' | 'N'): string | undefined {
  if (typeof attribute !== 'object' || attribute === null) return undefined;
  const fields: Readonly<Record<string, unknown>> = { ...attribute };
  const value = fields[type];
  return typeof value === 'string' ? value : undefined;
}
