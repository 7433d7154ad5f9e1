/** Addresses and ranges of them (RFC 4632, RFC 4291 §2.2), as people and certificates write them: `10.1.0.0/16`, `2001:db8::7`. */

export type AddressRange = { readonly address: bigint; readonly bits: 32 | 128; readonly prefix: number };

/** Undefined for anything else, ranges included that are longer than their address. */
export function parseRange(text: string): AddressRange | undefined {
  const [written = '', length, ...rest] = text.split('/');
  const parsed = parseAddress(written);
  if (parsed === undefined || rest.length > 0 || (length !== undefined && !/^\d{1,3}$/.test(length))) return undefined;
  const prefix = length === undefined ? parsed.bits : Number(length);
  return prefix > parsed.bits ? undefined : { ...parsed, prefix };
}

/** Whether this address is in one of these ranges; a list with anything that is no range holds nobody. */
export function comesFrom(remoteAddress: string, ranges: readonly string[]): boolean {
  const parsed = ranges.map(parseRange);
  // Sockets that speak both families say IPv4 so.
  const from = parseAddress(remoteAddress.startsWith('::ffff:') ? remoteAddress.slice('::ffff:'.length) : remoteAddress);
  if (from === undefined || parsed.includes(undefined)) return false;
  return parsed.some((range) => {
    if (range === undefined || range.bits !== from.bits) return false;
    const host = BigInt(range.bits - range.prefix);
    return range.address >> host === from.address >> host;
  });
}

function parseAddress(text: string): Pick<AddressRange, 'address' | 'bits'> | undefined {
  const four = parseFour(text);
  if (four !== undefined) return { address: four, bits: 32 };
  const six = parseSix(text);
  return six === undefined ? undefined : { address: six, bits: 128 };
}

function parseFour(text: string): bigint | undefined {
  const parts = text.split('.');
  // A leading zero is octal to some programs.
  if (parts.length !== 4 || !parts.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255)) return undefined;
  return parts.reduce((sum, part) => (sum << 8n) | BigInt(part), 0n);
}

function parseSix(text: string): bigint | undefined {
  const [head = '', tail, ...rest] = text.split('::');
  if (rest.length > 0) return undefined;
  const before = groupsOf(head, tail === undefined);
  const after = tail === undefined ? [] : groupsOf(tail, true);
  if (before === undefined || after === undefined) return undefined;
  const missing = 8 - before.length - after.length;
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  return [...before, ...Array.from({ length: missing }, () => 0), ...after].reduce((sum, group) => (sum << 16n) | BigInt(group), 0n);
}

/** Groups of 16 bits; the last two may be written as IPv4 where this is the end. */
function groupsOf(text: string, isEnd: boolean): readonly number[] | undefined {
  if (text === '') return [];
  const groups: number[] = [];
  const parts = text.split(':');
  for (const [i, part] of parts.entries()) {
    const four = isEnd && i === parts.length - 1 ? parseFour(part) : undefined;
    if (four !== undefined) groups.push(Number(four >> 16n), Number(four & 0xffffn));
    else if (/^[0-9a-f]{1,4}$/i.test(part)) groups.push(Number.parseInt(part, 16));
    else return undefined;
  }
  return groups;
}
