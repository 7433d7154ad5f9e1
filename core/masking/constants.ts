/**
 * One constant per type, valid as text and as binary: what `redact` shows. NULL (`null`) stands where no value of the
 * type is known to be valid (enums, composites, unknown types): NOT NULL is a rule for stored rows, and is not enforced
 * on results. Text forms are those of DateStyle ISO and of the default output settings.
 */
import type { ColumnType } from './column-type.ts';

export const MASKED = '[masked]';
export const MASKED_XML = '<masked/>';

/** Days and microseconds from the PostgreSQL epoch (2000-01-01) back to 1970-01-01, which every driver can represent. */
const EPOCH_DAYS = -10_957;
const EPOCH_US = -946_684_800_000_000n;
const AF_INET = 2;

/** The constant in the wire format asked for; null where the cell becomes NULL. */
export function redactedValue(type: ColumnType, format: 0 | 1): Buffer | null {
  switch (type.kind) {
    case 'text':
      return Buffer.from(boundedMask(MASKED, type.length));
    case 'bpchar':
      return Buffer.from(boundedMask(MASKED, type.length).padEnd(type.length ?? 0));
    case 'singleChar':
      return Buffer.from('*');
    case 'xml':
      return Buffer.from(MASKED_XML);
    case 'json':
      return Buffer.from(`"${MASKED}"`);
    case 'jsonb':
      return Buffer.from(format === 1 ? `\u0001"${MASKED}"` : `"${MASKED}"`);
    case 'bytea':
      return format === 1 ? Buffer.from(MASKED) : Buffer.from(`\\x${Buffer.from(MASKED).toString('hex')}`);
    case 'bool':
      return pick(format, 'f', Buffer.alloc(1));
    case 'int2':
      return pick(format, '0', Buffer.alloc(2));
    case 'int4':
    case 'oid':
    case 'float4':
      return pick(format, '0', Buffer.alloc(4));
    case 'int8':
    case 'float8':
      return pick(format, '0', Buffer.alloc(8));
    case 'numeric': {
      // Binary: no digits, weight 0, positive, and the scale.
      const scale = type.scale ?? 0;
      return pick(format, scale === 0 ? '0' : `0.${'0'.repeat(scale)}`, Buffer.concat([Buffer.alloc(4), int32(scale)]));
    }
    case 'money':
      return pick(format, '$0.00', Buffer.alloc(8));
    case 'date':
      return pick(format, '1970-01-01', int32(EPOCH_DAYS));
    case 'time':
      return pick(format, '00:00:00', Buffer.alloc(8));
    case 'timetz':
      return pick(format, '00:00:00+00', Buffer.alloc(12));
    case 'timestamp':
      return pick(format, '1970-01-01 00:00:00', int64(EPOCH_US));
    case 'timestamptz':
      return pick(format, '1970-01-01 00:00:00+00', int64(EPOCH_US));
    case 'interval':
      return pick(format, '00:00:00', Buffer.alloc(16));
    case 'uuid':
      return pick(format, '00000000-0000-0000-0000-000000000000', Buffer.alloc(16));
    case 'inet':
      return pick(format, '0.0.0.0', Buffer.from([AF_INET, 32, 0, 4, 0, 0, 0, 0]));
    case 'cidr':
      return pick(format, '0.0.0.0/32', Buffer.from([AF_INET, 32, 1, 4, 0, 0, 0, 0]));
    case 'macaddr':
      return pick(format, '00:00:00:00:00:00', Buffer.alloc(6));
    case 'macaddr8':
      return pick(format, '00:00:00:00:00:00:00:00', Buffer.alloc(8));
    case 'point':
      return pick(format, '(0,0)', Buffer.alloc(16));
    case 'bit': {
      const bits = type.length ?? 1;
      return pick(format, '0'.repeat(bits), Buffer.concat([int32(bits), Buffer.alloc(Math.ceil(bits / 8))]));
    }
    case 'varbit':
    case 'tsvector': // Binary: a count of zero in both.
      return pick(format, '', Buffer.alloc(4));
    case 'range': // RANGE_EMPTY.
      return pick(format, 'empty', Buffer.from([1]));
    case 'multirange':
      return pick(format, '{}', Buffer.alloc(4));
    case 'array': // Binary: no dimensions, no NULLs, element type.
      return pick(format, '{}', Buffer.concat([Buffer.alloc(8), uint32(type.element?.oid ?? 0)]));
    case 'composite':
    case 'unknown':
      return null;
  }
}

/** The mask where it fits, else as many asterisks as do: a cut mask would not be recognised as one. */
export function boundedMask(mask: string, length: number | undefined): string {
  return length === undefined || mask.length <= length ? mask : '*'.repeat(length);
}

function pick(format: 0 | 1, text: string, binary: Buffer): Buffer {
  return format === 1 ? binary : Buffer.from(text);
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function int64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(value);
  return bytes;
}
