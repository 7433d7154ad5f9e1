/**
 * Where in bytes a built-in detector could match. What is found is a superset of all matches: it may span the framing of rows, and
 * the exact detectors decide cell by cell, or word by word.
 */
import type { DetectorSet } from './detectors.ts';
import { bitOf, KINDS, type Kind } from './shapes/layout.ts';
import { sharedShapeFinder } from './shapes/shape-finder.ts';

/** Little, since maskers of small results are kept; a list grows with what it finds. */
const FIRST_RUNS = 16;

const NONE = new Int32Array(0);

/** Runs in ascending order, none touching another, without allocation once it has grown. */
class RunList {
  private starts: Int32Array = NONE;
  private ends: Int32Array = NONE;
  private count = 0;
  private next = 0;

  get isEmpty(): boolean {
    return this.count === 0;
  }

  reset(): void {
    this.count = 0;
    this.next = 0;
  }

  /** Those that it touches, or that begin behind it, become one with it. */
  add(start: number, end: number): void {
    let from = start;
    let to = end;
    while (this.count > 0 && from <= (this.ends[this.count - 1] ?? 0)) {
      this.count--;
      from = Math.min(from, this.starts[this.count] ?? 0);
      to = Math.max(to, this.ends[this.count] ?? 0);
    }
    if (this.count === this.starts.length) {
      this.starts = widened(this.starts);
      this.ends = widened(this.ends);
    }
    this.starts[this.count] = from;
    this.ends[this.count++] = to;
  }

  /** What of the runs is in `[start, end)`; cheapest when asked in ascending order. */
  eachIn(start: number, end: number, visit: (start: number, end: number) => void): void {
    while (this.next > 0 && (this.ends[this.next - 1] ?? 0) > start) this.next--;
    while (this.next < this.count && (this.ends[this.next] ?? 0) <= start) this.next++;
    for (let at = this.next; at < this.count; at++) {
      const from = this.starts[at] ?? 0;
      if (from >= end) break;
      visit(Math.max(from, start), Math.min(this.ends[at] ?? 0, end));
    }
  }

  /** Whether a run overlaps `[start, end)`; asked in ascending order. */
  overlaps(start: number, end: number): boolean {
    while (this.next < this.count && (this.ends[this.next] ?? 0) <= start) this.next++;
    return this.next < this.count && (this.starts[this.next] ?? 0) < end;
  }
}

function widened(list: Int32Array): Int32Array {
  const wider = new Int32Array(Math.max(FIRST_RUNS, list.length * 2));
  wider.set(list);
  return wider;
}

export class Candidates {
  /** By kind; those that are not wanted stay empty. */
  private readonly lists: readonly RunList[] = KINDS.map(() => new RunList());
  private readonly wanted: number;

  constructor(set: DetectorSet) {
    this.wanted = KINDS.filter((kind) => set.names.has(kind)).reduce((bits, kind) => bits | bitOf(kind), 0);
  }

  /** Finds the candidates of `bytes[start, end)`, in place of those found before. */
  find(bytes: Buffer, start: number, end: number): void {
    for (const list of this.lists) list.reset();
    if (this.wanted !== 0) sharedShapeFinder().find(bytes, start, end, this.wanted, this.add);
  }

  /** Whether anything was found at all. */
  get isEmpty(): boolean {
    for (const list of this.lists) if (!list.isEmpty) return false;
    return true;
  }

  /** Tells what a detector could match in `[start, end)`, in ascending order. */
  eachIn(detector: string, start: number, end: number, visit: (start: number, end: number) => void): void {
    this.listOf(detector)?.eachIn(start, end, visit);
  }

  /** Whether a detector could match in `[start, end)`. */
  isIn(detector: Kind, start: number, end: number): boolean {
    let found = false;
    this.listOf(detector)?.eachIn(start, end, () => {
      found = true;
    });
    return found;
  }

  /** Whether `[start, end)` may hold a match; asked in ascending order of `start`, a row before its cells. */
  overlaps(start: number, end: number): boolean {
    for (const list of this.lists) if (list.overlaps(start, end)) return true;
    return false;
  }

  private listOf(detector: string): RunList | undefined {
    // Not found is -1, where no list is.
    return this.lists[KINDS.findIndex((kind) => kind === detector)];
  }

  private readonly add = (kind: number, start: number, end: number): void => {
    this.lists[kind]?.add(start, end);
  };
}
