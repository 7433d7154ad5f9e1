/** Detectors on one cell: where its type keeps text, and how a match is replaced so that the value stays valid. */
import type { ByteSink } from './byte-sink.ts';
import type { ColumnType } from './column-type.ts';
import { boundedMask, MASKED, redactedValue } from './constants.ts';
import { findHits, hitMask, type DetectorSet, type Hit } from './detectors.ts';

/** Appended nothing, because nothing was found. */
export const NOTHING_FOUND = 0;
/** Something was found, and the whole cell becomes NULL; nothing was appended. */
export const BECOMES_NULL = -1;

/** Appends the cleaned value to `sink`; the number of matches, NOTHING_FOUND or BECOMES_NULL. */
export type DetectInCell = (bytes: Buffer, start: number, end: number, sink: ByteSink) => number;

export type CellDetector = {
  /** Matches do not show as text in the bytes, or have no prefilter: every cell is looked at. */
  readonly always: boolean;
  readonly detect: DetectInCell;
};

/** Undefined where the type holds no text and no long number: dates, times, floats, UUIDs, addresses and the like. */
export function cellDetector(type: ColumnType, format: 0 | 1, set: DetectorSet): CellDetector | undefined {
  if (set.detectors.length === 0) return undefined;
  const always = set.hasOwn;
  switch (type.kind) {
    case 'text':
    case 'bpchar':
    case 'xml':
    case 'tsvector':
      return { always, detect: type.kind === 'tsvector' ? wholeCell(type, set, format) : inText(type, set) };
    case 'json':
      return { always, detect: inJson(set, '') };
    case 'jsonb':
      return { always, detect: inJson(set, format === 1 ? '\u0001' : '') };
    case 'composite':
    case 'unknown':
      return { always: always || format === 1, detect: format === 1 ? inBinaryRecord(set) : inText({ kind: 'text' }, set) };
    case 'array':
      return arrayDetector(type, format, set);
    case 'int8':
    case 'numeric':
      if (format === 0) return { always, detect: wholeCell(type, set) };
      return { always: true, detect: inBinaryNumber(type, set) };
    case 'bytea': // Text format is hex: a match would not show.
      return format === 1 ? { always, detect: wholeCell(type, set, 1) } : undefined;
    case 'singleChar':
    case 'bool':
    case 'int2':
    case 'int4':
    case 'oid':
    case 'float4':
    case 'float8':
    case 'date':
    case 'time':
    case 'timetz':
    case 'timestamp':
    case 'timestamptz':
    case 'interval':
    case 'uuid':
    case 'inet':
    case 'cidr':
    case 'macaddr':
    case 'macaddr8':
    case 'money':
    case 'bit':
    case 'varbit':
    case 'point':
    case 'range':
    case 'multirange':
      return undefined;
  }
}

function inText(type: ColumnType, set: DetectorSet): DetectInCell {
  return (bytes, start, end, sink) => {
    const hits = findHits(set, bytes, start, end);
    if (hits.length === 0) return NOTHING_FOUND;
    const text = replaceHits(bytes, start, end, hits);
    if (type.length === undefined) sink.append(Buffer.from(text));
    else {
      const fits = Array.from(text.trimEnd()).length <= type.length;
      const value = fits ? text : boundedMask(MASKED, type.length);
      sink.append(Buffer.from(type.kind === 'bpchar' ? fitBlanks(value, type.length) : value));
    }
    return hits.length;
  };
}

function fitBlanks(value: string, length: number): string {
  const trimmed = value.trimEnd();
  return trimmed + ' '.repeat(Math.max(0, length - Array.from(trimmed).length));
}

function replaceHits(bytes: Buffer, start: number, end: number, hits: readonly Hit[]): string {
  let text = '';
  let at = start;
  for (const hit of hits) {
    text += bytes.toString('utf8', at, hit.start) + hitMask(hit);
    at = hit.end;
  }
  return text + bytes.toString('utf8', at, end);
}

/** Inside strings a match is replaced in place; a number becomes a string; what then no longer parses is replaced whole. */
function inJson(set: DetectorSet, prefix: string): DetectInCell {
  return (bytes, start, end, sink) => {
    const hits = findHits(set, bytes, start + prefix.length, end);
    if (hits.length === 0) return NOTHING_FOUND;
    const inPlace = replaceHits(bytes, start + prefix.length, end, hits);
    const value = isJson(inPlace) ? inPlace : quotedNumbers(bytes, start + prefix.length, end, hits);
    sink.append(Buffer.from(prefix + value));
    return hits.length;
  };
}

function quotedNumbers(bytes: Buffer, start: number, end: number, hits: readonly Hit[]): string {
  let text = '';
  let at = start;
  let inString = false;
  for (const hit of hits) {
    for (let i = at; i < hit.start; i++) {
      if (bytes[i] === 0x5c) i++;
      else if (bytes[i] === 0x22) inString = !inString;
    }
    let from = hit.start;
    let to = hit.end;
    if (!inString) {
      while (from > at && isNumberByte(bytes[from - 1])) from--;
      while (to < end && isNumberByte(bytes[to])) to++;
    }
    if (to <= at) continue;
    const mask = inString ? hitMask(hit) : `"${hitMask(hit)}"`;
    text += bytes.toString('utf8', at, Math.max(at, from)) + mask;
    at = to;
  }
  text += bytes.toString('utf8', at, end);
  return isJson(text) ? text : `"${MASKED}"`;
}

function isNumberByte(byte: number | undefined): boolean {
  return byte !== undefined && /[\d.eE+-]/.test(String.fromCharCode(byte));
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    // Not JSON is an answer here: the caller then replaces more, in the end the whole value.
    return false;
  }
}

/** A match anywhere redacts the whole value. */
function wholeCell(type: ColumnType, set: DetectorSet, format: 0 | 1 = 0): DetectInCell {
  const redacted = redactedValue(type, format);
  return (bytes, start, end, sink) => {
    const hits = findHits(set, bytes, start, end);
    if (hits.length === 0) return NOTHING_FOUND;
    if (redacted === null) return BECOMES_NULL;
    sink.append(redacted);
    return hits.length;
  };
}

function inBinaryNumber(type: ColumnType, set: DetectorSet): DetectInCell {
  const redacted = redactedValue(type, 1) ?? Buffer.alloc(0);
  return (bytes, start, end, sink) => {
    const digits = type.kind === 'int8' ? int8Digits(bytes, start, end) : numericDigits(bytes, start, end);
    if (digits === '' || findHits(set, Buffer.from(digits), 0, digits.length).length === 0) return NOTHING_FOUND;
    sink.append(redacted);
    return 1;
  };
}

/** Empty below 10^12: no detector knows numbers that short. */
function int8Digits(bytes: Buffer, start: number, end: number): string {
  if (end - start !== 8 || bytes.readInt32BE(start) < 232) return '';
  return bytes.readBigInt64BE(start).toString();
}

/** Integer part of a binary numeric: base 10,000 digits, the first of weight 10,000^weight (`numeric_send`). */
function numericDigits(bytes: Buffer, start: number, end: number): string {
  if (end - start < 8) return '';
  const count = bytes.readInt16BE(start);
  const weight = bytes.readInt16BE(start + 2);
  if (weight < 3 || weight > 8) return '';
  let digits = '';
  for (let i = 0; i <= weight; i++) {
    const at = start + 8 + i * 2;
    const group = i < count && at + 2 <= end ? bytes.readInt16BE(at) : 0;
    digits += i === 0 ? String(group) : String(group).padStart(4, '0');
  }
  return digits;
}

const RECORD_HEADER_BYTES = 4;

/**
 * Fields of a binary record, each scanned on its own; any match makes the record NULL. What is not framed as a record
 * (an unknown binary type) is scanned as one value.
 */
function inBinaryRecord(set: DetectorSet): DetectInCell {
  return (bytes, start, end) => {
    const found = (from: number, to: number) => findHits(set, bytes, from, to).length > 0;
    if (found(start, end)) return BECOMES_NULL;
    for (let at = start + RECORD_HEADER_BYTES; at + 8 <= end;) {
      const length = bytes.readInt32BE(at + 4);
      const to = at + 8 + Math.max(0, length);
      if (length < -1 || to > end) break;
      if (length > 0 && found(at + 8, to)) return BECOMES_NULL;
      at = to;
    }
    return NOTHING_FOUND;
  };
}

function arrayDetector(type: ColumnType, format: 0 | 1, set: DetectorSet): CellDetector | undefined {
  const element = type.element?.type;
  if (element === undefined) return undefined;
  const inner = cellDetector(element, format, set);
  if (inner === undefined) return undefined;
  if (format === 1) return { always: true, detect: inBinaryArray(type, inner.detect) };
  const free = element.kind === 'text' && element.length === undefined;
  return {
    always: set.hasOwn,
    detect: free || element.kind === 'xml' || element.kind === 'composite' ? inText({ kind: 'text' }, set) : wholeCell(type, set),
  };
}

/** Elements after the dimensions (`array_send`): each is cleaned on its own, with its length before it. */
function inBinaryArray(type: ColumnType, detect: DetectInCell): DetectInCell {
  const redacted = redactedValue(type, 1) ?? Buffer.alloc(0);
  return (bytes, start, end, sink) => {
    if (end - start < 12) return NOTHING_FOUND;
    const before = sink.length;
    let hits = 0;
    let at = start + 12 + bytes.readInt32BE(start) * 8;
    if (at < start + 12 || at > end) return NOTHING_FOUND;
    sink.append(bytes, start, at);
    while (at + 4 <= end) {
      const length = bytes.readInt32BE(at);
      const to = at + 4 + Math.max(0, length);
      if (length < -1 || to > end) break;
      const lengthAt = sink.length;
      sink.appendInt32(length);
      const found = length > 0 ? detect(bytes, at + 4, to, sink) : NOTHING_FOUND;
      if (found === BECOMES_NULL) {
        // Element NULLs would need the flag in the header: the whole array is emptied instead.
        sink.length = before;
        sink.append(redacted);
        return 1;
      }
      if (found === NOTHING_FOUND) sink.append(bytes, at + 4, to);
      else sink.patchInt32(lengthAt, sink.length - lengthAt - 4);
      hits += found;
      at = to;
    }
    if (hits === 0) sink.length = before;
    return hits;
  };
}
