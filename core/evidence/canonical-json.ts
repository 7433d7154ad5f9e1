/**
 * Canonical JSON (RFC 8785): sorted keys, no white space, ECMAScript numbers. JSON.stringify already writes strings and
 * finite numbers in that form; only the order of keys (by UTF-16 code units, the default sort) is ours.
 */
export function canonicalJson(value: unknown): string {
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return JSON.stringify(value);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new Error('canonical JSON has no form for a number that is not finite');
    return JSON.stringify(value);
  }
  if (typeof value !== 'object') throw new Error(`canonical JSON has no form for a ${typeof value}`);
  // A frozen value cannot change under us, so what it looked like once is what it looks like now. Only its first level is
  // known to be frozen: callers that freeze promise that what is inside is constant too.
  const frozen = Object.isFrozen(value);
  if (frozen) {
    const known = FROZEN.get(value);
    if (known !== undefined) return known;
  }
  const text = Array.isArray(value) ? `[${value.map(canonicalJson).join(',')}]` : objectJson(value);
  if (frozen) FROZEN.set(value, text);
  return text;
}

/** Holds nothing alive and answers only for the very same frozen object: a cache, not state. */
const FROZEN = new WeakMap<object, string>();

function objectJson(value: object): string {
  const fields: string[] = [];
  for (const [key, field] of Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (field !== undefined) fields.push(`${JSON.stringify(key)}:${canonicalJson(field)}`);
  }
  return `{${fields.join(',')}}`;
}
