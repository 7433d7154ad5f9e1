/** A mask bound to one result column: either the same bytes for every row, or computed from each value. */
import type { Oid, SqlType } from '../statement/sql/catalog.ts';
import type { ByteSink } from './byte-sink.ts';
import { columnType, type ColumnFormat, type ColumnType } from './column-type.ts';
import { redactedValue } from './constants.ts';
import { hashInteger, hashText, keyedUuid, tokenizeInteger, tokenizeText, type MaskKeys } from './keyed.ts';
import { MalformedRow } from './malformed-row.ts';
import { appendPartial } from './partial.ts';
import type { BoundMask } from './rules.ts';

export type CellMask =
  /** `bytes` null: the cell becomes NULL. */
  { readonly kind: 'constant'; readonly bytes: Buffer | null } | { readonly kind: 'computed'; readonly append: AppendMasked };

/** Appends the masked form of the value in `source[start, end)`; the value is never NULL. */
export type AppendMasked = (source: Buffer, start: number, end: number, sink: ByteSink) => void;

const INTEGER_BITS = { int2: 15, int4: 31, int8: 63 } as const;

/**
 * How cells of this column are masked in this format. NULL stays NULL and is not passed in. Where a method does not
 * apply to a type (partial to a number, hash to a date), the cell is redacted. `null` on a NOT NULL column shows the
 * type's constant, since drivers may have typed the column as never null; where there is none, NULL all the same.
 */
export function cellMask(
  mask: Pick<BoundMask, 'method' | 'notNull'>,
  column: ColumnFormat,
  keys: MaskKeys,
  types?: ReadonlyMap<Oid, SqlType>,
): CellMask {
  const type = columnType(column.typeOid, column.typmod, types);
  const redacted: CellMask = { kind: 'constant', bytes: redactedValue(type, column.format) };
  switch (mask.method.kind) {
    case 'redact':
      return redacted;
    case 'null':
      return mask.notNull ? redacted : { kind: 'constant', bytes: null };
    case 'partial':
      return partialMask(type, mask.method.keepFirst, mask.method.keepLast) ?? redacted;
    case 'hash':
      return hashMask(type, column.format, keys.hash) ?? redacted;
    case 'tokenize':
      return tokenMask(type, column.format, keys.tokenize) ?? redacted;
  }
}

function partialMask(type: ColumnType, keepFirst: number, keepLast: number): CellMask | undefined {
  if (type.kind !== 'text' && type.kind !== 'bpchar') return undefined;
  const padded = type.kind === 'bpchar';
  return computed((source, start, end, sink) => appendPartial(source, start, end, keepFirst, keepLast, padded, sink));
}

function hashMask(type: ColumnType, format: 0 | 1, key: Uint8Array): CellMask | undefined {
  if (type.kind === 'text' || type.kind === 'bpchar') {
    const length = type.length;
    const pad = type.kind === 'bpchar' ? (length ?? 0) : 0;
    return computed((source, start, end, sink) => {
      const last = pad > 0 ? withoutBlanks(source, start, end) : end;
      appendText(sink, hashText(key, source.subarray(start, last), length).padEnd(pad));
    });
  }
  return integerMask(type, format, (value, bits) => hashInteger(key, value, bits)) ?? uuidMask(type, format, key);
}

function tokenMask(type: ColumnType, format: 0 | 1, key: Uint8Array): CellMask | undefined {
  if (type.kind === 'text' || type.kind === 'bpchar') {
    const padded = type.kind === 'bpchar';
    return computed((source, start, end, sink) => {
      const last = padded ? withoutBlanks(source, start, end) : end;
      appendText(sink, tokenizeText(key, source.toString('utf8', start, last)) + ' '.repeat(end - last));
    });
  }
  return integerMask(type, format, (value, bits) => tokenizeInteger(key, value, bits)) ?? uuidMask(type, format, key);
}

function integerMask(type: ColumnType, format: 0 | 1, transform: (value: bigint, bits: 15 | 31 | 63) => bigint): CellMask | undefined {
  if (type.kind !== 'int2' && type.kind !== 'int4' && type.kind !== 'int8') return undefined;
  const bits = INTEGER_BITS[type.kind];
  const bytes = (bits + 1) / 8;
  if (format === 0) {
    return computed((source, start, end, sink) => {
      const text = source.toString('latin1', start, end);
      if (!/^-?\d{1,19}$/.test(text)) throw new MalformedRow('an integer column holds no integer');
      appendText(sink, transform(BigInt(text), bits).toString());
    });
  }
  return computed((source, start, end, sink) => {
    if (end - start !== bytes) throw new MalformedRow('a binary integer has a wrong length');
    let value = BigInt(source.readInt8(start));
    for (let i = start + 1; i < end; i++) value = (value << 8n) | BigInt(source[i] ?? 0);
    const masked = Buffer.alloc(8);
    masked.writeBigInt64BE(transform(value, bits));
    sink.append(masked, 8 - bytes, 8);
  });
}

function uuidMask(type: ColumnType, format: 0 | 1, key: Uint8Array): CellMask | undefined {
  if (type.kind !== 'uuid') return undefined;
  if (format === 1) return computed((source, start, end, sink) => sink.append(keyedUuid(key, source.subarray(start, end))));
  return computed((source, start, end, sink) => {
    const hex = keyedUuid(key, Buffer.from(source.toString('latin1', start, end).replaceAll('-', ''), 'hex')).toString('hex');
    appendText(sink, [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-'));
  });
}

function computed(append: AppendMasked): CellMask {
  return { kind: 'computed', append };
}

function appendText(sink: ByteSink, text: string): void {
  sink.append(Buffer.from(text));
}

function withoutBlanks(source: Buffer, start: number, end: number): number {
  let last = end;
  while (last > start && source[last - 1] === 0x20) last--;
  return last;
}
