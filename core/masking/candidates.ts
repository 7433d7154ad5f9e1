/**
 * Where in a chunk of rows a built-in detector could match, found without looking at most bytes: every match contains a
 * run of at least N bytes of one class, so it is enough to look at every Nth byte and to widen where it is of that class.
 * The runs found are a superset of all matches: they may span framing, and the exact detectors decide cell by cell.
 */
import type { DetectorSet } from './detectors.ts';

const DIGIT = 1;
const DIGIT_RUN = 2;
const IBAN_RUN = 8;
const UPPER = 16;

/** An SSN has 11 bytes, telephone numbers and cards have more. */
const DIGIT_RUN_LEAST = 11;
const IBAN_RUN_LEAST = 15;
const CARD_LEAST_DIGITS = 13;

const CLASSES = Uint8Array.from({ length: 256 }, (_, byte) => {
  const character = byte < 128 ? String.fromCharCode(byte) : '';
  return (
    (/\d/.test(character) ? DIGIT : 0) |
    (/[\d ().+-]/.test(character) ? DIGIT_RUN : 0) |
    (/[A-Z\d ]/.test(character) ? IBAN_RUN : 0) |
    (/[A-Z]/.test(character) ? UPPER : 0)
  );
});

/** Little, since maskers of small results are kept; a list grows with what it finds. */
const FIRST_RUNS = 16;

/** Runs in ascending order, without allocation once it has grown. */
class RunList {
  private starts = new Int32Array(FIRST_RUNS);
  private ends = new Int32Array(FIRST_RUNS);
  private count = 0;
  private next = 0;

  reset(): void {
    this.count = 0;
    this.next = 0;
  }

  add(start: number, end: number): void {
    if (this.count === this.starts.length) {
      this.starts = widened(this.starts);
      this.ends = widened(this.ends);
    }
    this.starts[this.count] = start;
    this.ends[this.count++] = end;
  }

  each(visit: (start: number, end: number) => void): void {
    for (let at = 0; at < this.count; at++) visit(this.starts[at] ?? 0, this.ends[at] ?? 0);
  }

  /** Whether a run overlaps `[start, end)`; asked in ascending order. */
  overlaps(start: number, end: number): boolean {
    while (this.next < this.count && (this.ends[this.next] ?? 0) <= start) this.next++;
    return this.next < this.count && (this.starts[this.next] ?? 0) < end;
  }
}

function widened(list: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const wider = new Int32Array(list.length * 2);
  wider.set(list);
  return wider;
}

/** What the lists below are candidates for, in their order. */
const DETECTORS_OF_LISTS: readonly (readonly string[])[] = [
  ['us-ssn', 'payment-card', 'us-phone'],
  ['iban'],
  ['email'],
  ['private-key'],
  ['jwt'],
  ['aws-access-key'],
  ['aws-access-key'],
];

export class Candidates {
  private readonly digits = new RunList();
  private readonly jwts = new RunList();
  private readonly longTermKeys = new RunList();
  private readonly temporaryKeys = new RunList();
  private readonly ibans = new RunList();
  private readonly singles = new RunList();
  private readonly keys = new RunList();
  private readonly lists = [this.digits, this.ibans, this.singles, this.keys, this.jwts, this.longTermKeys, this.temporaryKeys] as const;
  private readonly names: ReadonlySet<string>;
  private readonly wantsDigits: boolean;

  constructor(set: DetectorSet) {
    this.names = set.names;
    this.wantsDigits = set.names.has('us-ssn') || set.names.has('us-phone') || set.names.has('payment-card');
  }

  /** Finds the candidates of `bytes[start, end)`, in place of those found before. */
  find(bytes: Buffer, start: number, end: number): void {
    for (const list of this.lists) list.reset();
    if (this.wantsDigits) findDigitRuns(bytes, start, end, this.digits);
    if (this.names.has('iban')) findIbanRuns(bytes, start, end, this.ibans);
    const region = bytes.subarray(start, end);
    if (this.names.has('email')) findAll(region, '@', start, this.singles);
    if (this.names.has('private-key')) findAll(region, 'PRIVATE KEY', start, this.keys);
    // `eyJ` without its first letter: the search hops from one occurrence of the first byte to the next, and `e` is everywhere.
    if (this.names.has('jwt')) findAll(region, 'yJ', start, this.jwts);
    if (this.names.has('aws-access-key')) {
      findAll(region, 'AKIA', start, this.longTermKeys);
      findAll(region, 'ASIA', start, this.temporaryKeys);
    }
  }

  /** Tells the candidates one by one, those of each kind in ascending order, with the detectors that could match there. */
  each(visit: (detectors: readonly string[], start: number, end: number) => void): void {
    for (const [at, list] of this.lists.entries()) list.each((start, end) => visit(DETECTORS_OF_LISTS[at] ?? [], start, end));
  }

  /** Whether `[start, end)` may hold a match; asked in ascending order of `start`, a row before its cells. */
  overlaps(start: number, end: number): boolean {
    for (const list of this.lists) if (list.overlaps(start, end)) return true;
    return false;
  }
}

function findAll(region: Buffer, what: string, offset: number, list: RunList): void {
  for (let at = region.indexOf(what, 0, 'latin1'); at !== -1; at = region.indexOf(what, at + what.length, 'latin1')) {
    list.add(at + offset, at + offset + what.length);
  }
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

function findDigitRuns(bytes: Buffer, start: number, end: number, list: RunList): void {
  let low = start;
  for (let i = start + DIGIT_RUN_LEAST - 1; i < end;) {
    const byte = bytes[i] ?? 0;
    // In all that is looked for, a separator has a digit beside it; most blanks and points of a text have none.
    const inRun =
      isDigit(byte) ||
      (((CLASSES[byte] ?? 0) & DIGIT_RUN) !== 0 && (isDigit(bytes[i - 1] ?? 0) || (i + 1 < end && isDigit(bytes[i + 1] ?? 0))));
    if (!inRun) {
      i += DIGIT_RUN_LEAST;
      continue;
    }
    let from = i;
    while (from > low && ((CLASSES[bytes[from - 1] ?? 0] ?? 0) & DIGIT_RUN) !== 0) from--;
    let to = i + 1;
    while (to < end && ((CLASSES[bytes[to] ?? 0] ?? 0) & DIGIT_RUN) !== 0) to++;
    if (to - from >= DIGIT_RUN_LEAST && hasNumberShape(bytes, from, to)) list.add(from, to);
    low = to;
    i = to + DIGIT_RUN_LEAST;
  }
}

/**
 * Groups of 3-2-4, of 3-3-4, of 11, or 13 digits and more over single separators: a timestamp has none of these. The first
 * group counts with any length, since a length byte of the framing may read as one more digit before it.
 */
function hasNumberShape(bytes: Buffer, start: number, end: number): boolean {
  let beforeLast = 0;
  let last = 0;
  let sum = 0;
  let groups = 0;
  for (let i = start; i < end;) {
    const byte = bytes[i] ?? 0;
    if (((CLASSES[byte] ?? 0) & DIGIT) === 0) {
      const single = (byte === 0x20 || byte === 0x2d) && i > start && ((CLASSES[bytes[i - 1] ?? 0] ?? 0) & DIGIT) !== 0;
      if (!single) sum = 0;
      i++;
      continue;
    }
    const from = i;
    while (i < end && ((CLASSES[bytes[i] ?? 0] ?? 0) & DIGIT) !== 0) i++;
    const length = i - from;
    groups++;
    sum += length;
    if (sum >= CARD_LEAST_DIGITS || length === 11 || length === 12) return true;
    // The last group may be longer by the next row's framing, the first by its own.
    if (length >= 4 && (last === 2 || last === 3) && (beforeLast === 3 || (beforeLast === 4 && groups === 3))) return true;
    beforeLast = last;
    last = length;
  }
  return false;
}

function findIbanRuns(bytes: Buffer, start: number, end: number, list: RunList): void {
  let low = start;
  for (let i = start + IBAN_RUN_LEAST - 1; i < end;) {
    // The blank of a printed IBAN stands before a capital or a digit.
    const byte = bytes[i] ?? 0;
    if (((CLASSES[byte === 0x20 && i + 1 < end ? (bytes[i + 1] ?? 0) : byte] ?? 0) & IBAN_RUN) === 0) {
      i += IBAN_RUN_LEAST;
      continue;
    }
    let from = i;
    while (from > low && ((CLASSES[bytes[from - 1] ?? 0] ?? 0) & IBAN_RUN) !== 0) from--;
    let to = i + 1;
    while (to < end && ((CLASSES[bytes[to] ?? 0] ?? 0) & IBAN_RUN) !== 0) to++;
    if (to - from >= IBAN_RUN_LEAST && hasIbanShape(bytes, from, to)) list.add(from, to);
    low = to;
    i = to + IBAN_RUN_LEAST;
  }
}

/** Two capitals and two digits. */
function hasIbanShape(bytes: Buffer, start: number, end: number): boolean {
  for (let i = start + 3; i < end; i++) {
    if (
      ((CLASSES[bytes[i] ?? 0] ?? 0) & DIGIT) !== 0 &&
      ((CLASSES[bytes[i - 1] ?? 0] ?? 0) & DIGIT) !== 0 &&
      ((CLASSES[bytes[i - 2] ?? 0] ?? 0) & UPPER) !== 0 &&
      ((CLASSES[bytes[i - 3] ?? 0] ?? 0) & UPPER) !== 0
    ) {
      return true;
    }
  }
  return false;
}
