/** Reading the text cells of a snapshot's rows; whatever has another shape than asked for is refused. */
import { SallyportError } from '../../errors.ts';
import type { Oid } from './catalog.ts';

/** The target answered something else than the query asks for: nothing can be judged on it. */
export class SnapshotMalformed extends SallyportError {
  readonly code = 'snapshot-malformed';
}

export type Row = readonly (string | null)[];

/** A cell that may not be NULL. */
export function text(row: Row, index: number): string {
  const cell = row[index];
  if (typeof cell !== 'string') throw new SnapshotMalformed(`column ${index + 1} of a catalog row is missing`);
  return cell;
}

export function textOrNull(row: Row, index: number): string | null {
  const cell = row[index];
  if (cell === undefined) throw new SnapshotMalformed(`a catalog row has no column ${index + 1}`);
  return cell;
}

export function integer(row: Row, index: number): number {
  return toInteger(text(row, index));
}

/** PostgreSQL's own `t` and `f`, or the `true` and `false` of a cast to text. */
export function flag(row: Row, index: number): boolean {
  const cell = text(row, index);
  if (cell === 't' || cell === 'true') return true;
  if (cell === 'f' || cell === 'false') return false;
  throw new SnapshotMalformed(`"${cell}" is no boolean`);
}

/** `1 2 3` of an oidvector or int2vector, `{1,2,3}` of an array, `[1,2,3]` of JSON; NULL is empty. */
export function integers(row: Row, index: number): number[] {
  const cell = textOrNull(row, index)?.replace(/^[{[]|[}\]]$/gu, '') ?? '';
  return cell === '' ? [] : cell.split(/[ ,]/u).map(toInteger);
}

/** Groups rows by an object identifier in one of their columns. */
export function byOid<T extends Row>(rows: readonly T[], index: number): ReadonlyMap<Oid, readonly T[]> {
  const groups = new Map<Oid, T[]>();
  for (const row of rows) {
    const oid = integer(row, index);
    const group = groups.get(oid);
    if (group === undefined) groups.set(oid, [row]);
    else group.push(row);
  }
  return groups;
}

/** Runs stepwise work to its end without pausing. */
export function atOnce<T>(steps: Generator<undefined, T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

function toInteger(cell: string): number {
  const value = Number(cell);
  if (cell === '' || !Number.isSafeInteger(value)) throw new SnapshotMalformed(`"${cell}" is no whole number`);
  return value;
}
