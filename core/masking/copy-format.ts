/** How COPY writes rows (protocol.sgml "COPY Operations", ref/copy.sgml "File Formats"): cells found, read and written. */
import type { SessionControl } from '../statement/sql/reading.ts';
import type { ByteSink } from './byte-sink.ts';
import { MalformedRow } from './malformed-row.ts';

/** The options of a COPY as the statement gives them; what is absent has PostgreSQL's default. */
export type CopyOptions = NonNullable<SessionControl['copy']>;

/** The cells of one row, reused from row to row. `ends` are exclusive; a quoted cell's bounds include its quotes. */
export class RowCells {
  starts: number[] = [];
  ends: number[] = [];
  count = 0;
  /** Where the row ends, its line end included. */
  rowEnd = 0;

  add(start: number, end: number): void {
    this.starts[this.count] = start;
    this.ends[this.count++] = end;
  }
}

export interface LineFormat {
  /** Finds the cells of the row at `at`; false when the row is not complete in `[at, end)`. Throws MalformedRow. */
  split(bytes: Buffer, at: number, end: number, cells: RowCells): boolean;
  isNull(bytes: Buffer, start: number, end: number): boolean;
  /**
   * Whether a value may be written as NULL is. In text format any NULL string but `\N` can be: whoever chooses
   * `NULL '123-45-6789'` would find the rows that hold it, so such cells count as values.
   */
  readonly nullIsAmbiguous: boolean;
  /** Appends the value that the cell stands for. */
  decode(bytes: Buffer, start: number, end: number, sink: ByteSink): void;
  /** Appends `value[0, length)` as a cell; `like` is the first byte of the cell it stands for (a quote stays a quote). */
  encode(value: Buffer, length: number, like: number | undefined, sink: ByteSink): void;
  readonly nullText: Buffer;
  readonly delimiter: number;
  /** Whether a detector's match always shows in the raw bytes of a cell, so that candidates may be sought there. */
  readonly showsMatches: boolean;
}

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const BACKSLASH = 0x5c;
/** Bytes that stand in no match of a built-in detector but a private key's line ends. */
const APART = new Set('\t,;|"\'\\'.split('').map((character) => character.charCodeAt(0)));

function oneByte(value: string | undefined, fallback: string): number {
  const bytes = Buffer.from(value ?? fallback);
  if (bytes.length !== 1) throw new MalformedRow('a COPY delimiter, quote or escape is not one byte');
  return bytes[0] ?? 0;
}

function equals(bytes: Buffer, start: number, end: number, other: Buffer): boolean {
  return end - start === other.length && bytes.compare(other, 0, other.length, start, end) === 0;
}

const ESCAPES: ReadonlyMap<number, number> = new Map([
  [0x08, 0x62],
  [0x09, 0x74],
  [0x0a, 0x6e],
  [0x0b, 0x76],
  [0x0c, 0x66],
  [0x0d, 0x72],
  [BACKSLASH, BACKSLASH],
]);
const UNESCAPES: ReadonlyMap<number, number> = new Map([...ESCAPES].map(([byte, letter]) => [letter, byte]));

/** Text format: backslash escapes, one line per row. The server never writes octal or hexadecimal escapes. */
export function textFormat(options: CopyOptions): LineFormat {
  const delimiter = oneByte(options.delimiter, '\t');
  const nullText = Buffer.from(options.nullText ?? '\\N');
  return {
    nullText,
    nullIsAmbiguous: nullText.toString() !== '\\N',
    delimiter,
    showsMatches: APART.has(delimiter),
    split(bytes, at, end, cells) {
      cells.count = 0;
      let start = at;
      for (let i = at; i < end; i++) {
        const byte = bytes[i];
        if (byte === BACKSLASH) i++;
        else if (byte === delimiter) {
          cells.add(start, i);
          start = i + 1;
        } else if (byte === NEWLINE) {
          cells.add(start, i);
          cells.rowEnd = i + 1;
          if (equals(bytes, at, i, END_OF_DATA)) throw new MalformedRow('an end-of-data mark stands among the rows');
          return true;
        }
      }
      return false;
    },
    isNull: (bytes, start, end) => equals(bytes, start, end, nullText),
    decode(bytes, start, end, sink) {
      sink.reserve(end - start);
      for (let i = start; i < end; i++) {
        let byte = bytes[i] ?? 0;
        if (byte === BACKSLASH && i + 1 < end) {
          const letter = bytes[++i] ?? 0;
          byte = UNESCAPES.get(letter) ?? letter;
        }
        sink.bytes[sink.length++] = byte;
      }
    },
    encode(value, length, _like, sink) {
      sink.reserve(length * 2);
      for (let i = 0; i < length; i++) {
        const byte = value[i] ?? 0;
        const escape = ESCAPES.get(byte) ?? (byte === delimiter ? delimiter : undefined);
        if (escape !== undefined) sink.bytes[sink.length++] = BACKSLASH;
        sink.bytes[sink.length++] = escape ?? byte;
      }
    },
  };
}

const END_OF_DATA = Buffer.from('\\.');

/** CSV: a cell is quoted as a whole or not at all, as the server writes it; anything else is malformed. */
export function csvFormat(options: CopyOptions): LineFormat {
  const delimiter = oneByte(options.delimiter, ',');
  const quote = oneByte(options.quote, '"');
  const escape = oneByte(options.escape, String.fromCharCode(quote));
  const nullText = Buffer.from(options.nullText ?? '');
  return {
    nullText,
    // A value that equals the NULL string is quoted (`CopyAttributeOutCSV`).
    nullIsAmbiguous: false,
    delimiter,
    showsMatches: APART.has(delimiter) && APART.has(quote) && APART.has(escape),
    split(bytes, at, end, cells) {
      cells.count = 0;
      for (let start = at; start < end;) {
        const to = bytes[start] === quote ? quotedEnd(bytes, start, end) : plainEnd(bytes, start, end);
        if (to < 0 || to >= end) return false;
        cells.add(start, to);
        if (bytes[to] === NEWLINE) {
          cells.rowEnd = to + 1;
          return true;
        }
        if (bytes[to] !== delimiter) throw new MalformedRow('a quoted cell goes on after its quote');
        start = to + 1;
      }
      return false;
    },
    isNull: (bytes, start, end) => equals(bytes, start, end, nullText),
    decode(bytes, start, end, sink) {
      if (bytes[start] !== quote) return sink.append(bytes, start, end);
      sink.reserve(end - start);
      for (let i = start + 1; i < end - 1; i++) {
        if (bytes[i] === escape && i + 1 < end - 1 && (bytes[i + 1] === quote || bytes[i + 1] === escape)) i++;
        sink.bytes[sink.length++] = bytes[i] ?? 0;
      }
    },
    encode(value, length, like, sink) {
      if (like !== quote && !needsQuotes(value, length)) return sink.append(value, 0, length);
      sink.reserve(length * 2 + 2);
      sink.bytes[sink.length++] = quote;
      for (let i = 0; i < length; i++) {
        const byte = value[i] ?? 0;
        if (byte === quote || byte === escape) sink.bytes[sink.length++] = escape;
        sink.bytes[sink.length++] = byte;
      }
      sink.bytes[sink.length++] = quote;
    },
  };

  /** Position after the closing quote; -1 when it is not in sight, or what follows it is not. */
  function quotedEnd(bytes: Buffer, start: number, end: number): number {
    for (let i = start + 1; i < end; i++) {
      const byte = bytes[i];
      if (byte === escape && (escape !== quote || bytes[i + 1] === quote)) {
        if (i + 1 >= end) return -1;
        if (bytes[i + 1] === quote || bytes[i + 1] === escape) i++;
      } else if (byte === quote) return i + 1;
    }
    return -1;
  }

  function plainEnd(bytes: Buffer, start: number, end: number): number {
    for (let i = start; i < end; i++) {
      const byte = bytes[i];
      if (byte === delimiter || byte === NEWLINE) return i;
      if (byte === quote) throw new MalformedRow('a quote stands within an unquoted cell');
    }
    return -1;
  }

  function needsQuotes(value: Buffer, length: number): boolean {
    if (equals(value, 0, length, nullText) || equals(value, 0, length, END_OF_DATA)) return true;
    for (let i = 0; i < length; i++) {
      const byte = value[i];
      if (byte === delimiter || byte === quote || byte === NEWLINE || byte === CARRIAGE_RETURN) return true;
    }
    return false;
  }
}
