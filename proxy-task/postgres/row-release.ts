/**
 * Rows of one result on their way to the client: held against what was judged, masked, counted (design §7). A result
 * whose shape contradicts our own reading of the statement is not released.
 */
import { createRowMasker, type RowMasker } from '../../core/masking/apply.ts';
import { createCopyMasker } from '../../core/masking/copy.ts';
import type { CopyMasker } from '../../core/masking/copy-masker.ts';
import type { DetectorSet } from '../../core/masking/detectors.ts';
import { planResult } from '../../core/masking/plan.ts';
import type { CellPlan, ResultPlan } from '../../core/masking/result-plan.ts';
import type { BoundMask } from '../../core/masking/rules.ts';
import { SallyportError } from '../../core/errors.ts';
import { columnKey } from '../../core/statement/sql/catalog.ts';
import type { JudgedStatement } from '../../core/judging/authorize.ts';
import type { View } from '../../core/judging/view.ts';
import type { LiveSession } from './live-session.ts';
import type { ColumnDescription } from './messages/row-description.ts';
import type { Outbox } from './outbox.ts';
import type { StatementRun } from './run.ts';

/** What the target says of the rows contradicts what was judged: nothing of them is released, and the session ends. */
export class LineageMismatch extends SallyportError {
  readonly code = 'lineage-mismatch';
}

export type Released = { readonly buffer: Buffer; readonly start: number; readonly end: number; readonly detected: number };

/** Stands for a value whose origin is not known, on a target with masks that hold for this principal. */
const UNKNOWN_ORIGIN: BoundMask = {
  column: '0.0',
  columnName: '(origin not known)',
  method: { kind: 'redact' },
  notNull: false,
  source: 'fail closed',
};

/** Kinds whose rows are the server's own words, never values of relations. */
const SERVER_WORDS = new Set(['show', 'explain']);

export class RowRelease {
  readonly #masker: RowMasker | undefined;
  readonly #copy: CopyMasker | undefined;
  /** Columns masked in this result, for the record. */
  readonly masked: readonly string[];

  private constructor(masker: RowMasker | undefined, copy: CopyMasker | undefined, masked: readonly string[]) {
    this.#masker = masker;
    this.#copy = copy;
    this.masked = Object.freeze(masked);
  }

  /** For DataRow messages. Throws LineageMismatch. */
  static ofRows(session: LiveSession, run: StatementRun): RowRelease {
    const { view } = run;
    const columns = run.columns;
    if (columns === undefined) {
      if (view.masks.size > 0 || session.detectors().detectors.length > 0)
        throw new LineageMismatch('rows came whose shape nobody described');
      return new RowRelease(undefined, undefined, []);
    }
    const plan = resultPlan(run.judged, view, columns, session);
    checkOrigins(run.judged, view, columns, plan);
    const masked = maskedNames(plan);
    if (masked.length === 0 && plan.detectors.length === 0) return new RowRelease(undefined, undefined, []);
    const masker = createRowMasker(plan, columns, session.keys.masks, session.detectors(), view.catalog.types);
    return new RowRelease(masker, undefined, masked);
  }

  /** For COPY TO STDOUT. Throws LineageMismatch. */
  static ofCopy(session: LiveSession, run: StatementRun): RowRelease {
    const { view } = run;
    const { output, reading } = run.judged;
    const copy = reading.control.copy;
    if (copy === undefined || output === undefined) throw new LineageMismatch('COPY data came whose shape is not known');
    const plan = planResult(output, view.masks, view.revealed, [...session.detectors().names]);
    const masked = maskedNames(plan);
    if (masked.length === 0 && plan.detectors.length === 0) return new RowRelease(undefined, undefined, []);
    const columns = output.map((column) => {
      const type =
        column.origin === undefined
          ? undefined
          : view.catalog.relations.get(column.origin.relation)?.columns.find((candidate) => candidate.attnum === column.origin?.attnum);
      return { typeOid: type?.typeOid ?? TEXT, typmod: -1, format: copy.format === 'binary' ? (1 as const) : (0 as const) };
    });
    return new RowRelease(
      undefined,
      createCopyMasker({ plan, columns, copy, keys: session.keys.masks, detectors: session.detectors(), types: view.catalog.types }),
      masked,
    );
  }

  /** Masks complete messages; the result is a range of the sink, or of the source itself. */
  apply(buffer: Buffer, start: number, end: number, out: Pick<Outbox, 'sink'>): Released {
    if (this.#masker !== undefined) {
      const { sink } = out;
      const from = sink.length;
      const result = this.#masker.maskRows(buffer, start, end, sink);
      return result.changed
        ? { buffer: sink.bytes, start: from, end: sink.length, detected: result.detected }
        : { buffer, start, end, detected: result.detected };
    }
    if (this.#copy !== undefined) {
      const { sink } = out;
      const from = sink.length;
      const detected = this.#copy.maskMessages(buffer, start, end, sink);
      return { buffer: sink.bytes, start: from, end: sink.length, detected };
    }
    return { buffer, start, end, detected: 0 };
  }

  /** What a COPY masker still holds back when the data ends. */
  finish(out: Pick<Outbox, 'sink'>): Released | undefined {
    if (this.#copy === undefined) return undefined;
    const { sink } = out;
    const from = sink.length;
    const detected = this.#copy.finish(sink);
    return sink.length === from ? undefined : { buffer: sink.bytes, start: from, end: sink.length, detected };
  }
}

/** Enough for the statements that a client runs again and again; a masker that has seen many matches is some 100 KB large. */
const MAX_KNOWN = 16;

type Known = {
  readonly view: View;
  readonly detectors: DetectorSet;
  readonly columns: readonly ColumnDescription[];
  readonly release: RowRelease;
};

/** Releases of one session's results: the same statement, described the same way under the same rules, is planned once. */
export class RowReleases {
  readonly #session: LiveSession;
  readonly #known = new Map<JudgedStatement, Known>();

  constructor(session: LiveSession) {
    this.#session = session;
  }

  /** For DataRow messages. Throws LineageMismatch. */
  ofRows(run: StatementRun): RowRelease {
    const { judged, view, columns } = run;
    const detectors = this.#session.detectors();
    const known = this.#known.get(judged);
    if (
      known !== undefined &&
      known.view === view &&
      known.detectors === detectors &&
      columns !== undefined &&
      sameColumns(known.columns, columns)
    )
      return known.release;
    const release = RowRelease.ofRows(this.#session, run);
    if (columns !== undefined) {
      if (this.#known.size >= MAX_KNOWN) this.#known.clear();
      this.#known.set(judged, { view, detectors, columns, release });
    }
    return release;
  }
}

function sameColumns(left: readonly ColumnDescription[], right: readonly ColumnDescription[]): boolean {
  if (left === right) return true;
  if (left.length !== right.length) return false;
  for (let at = 0; at < left.length; at += 1) {
    const one = left[at];
    const other = right[at];
    if (one === undefined || other === undefined) return false;
    if (one.typeOid !== other.typeOid || one.format !== other.format || one.typmod !== other.typmod) return false;
    if (one.tableOid !== other.tableOid || one.attnum !== other.attnum || one.name !== other.name) return false;
    if (one.typlen !== other.typlen) return false;
  }
  return true;
}

const TEXT = 25;

function resultPlan(judged: JudgedStatement, view: View, columns: readonly ColumnDescription[], session: LiveSession): ResultPlan {
  const detectors = [...session.detectors().names];
  const { output, facts, reading } = judged;
  if (output === undefined) {
    const clear = !view.hidden || SERVER_WORDS.has(reading.kind);
    return { cells: columns.map(() => (clear ? CLEAR : REDACTED)), detectors };
  }
  if (output.length !== columns.length) throw new LineageMismatch('the result has another number of columns than the statement');
  const plan = planResult(output, view.masks, view.revealed, detectors);
  if (!facts.opaque || !view.hidden) return plan;
  // Code that cannot be read may have put anything into a value that is computed.
  return {
    ...plan,
    cells: plan.cells.map((cell, index) => (cell.kind === 'clear' && output[index]?.origin === undefined ? REDACTED : cell)),
  };
}

const CLEAR: CellPlan = { kind: 'clear' };
const REDACTED: CellPlan = { kind: 'mask', mask: UNKNOWN_ORIGIN };

/** RowDescription names the base column of bare columns: where it does, it must agree with our lineage (design §7). */
function checkOrigins(judged: JudgedStatement, view: View, columns: readonly ColumnDescription[], plan: ResultPlan): void {
  columns.forEach((column, index) => {
    if (column.tableOid === 0) return;
    const key = columnKey(column.tableOid, column.attnum);
    const mask = view.masks.get(key);
    if (mask !== undefined && !view.revealed.has(key) && plan.cells[index]?.kind !== 'mask') {
      throw new LineageMismatch(`the target says that column ${index + 1} is ${mask.columnName}, which was not judged so`);
    }
    const origin = judged.output?.[index]?.origin;
    if (view.hidden && origin !== undefined && (origin.relation !== column.tableOid || origin.attnum !== column.attnum)) {
      throw new LineageMismatch(`column ${index + 1} comes from another relation than was judged`);
    }
  });
}

function maskedNames(plan: ResultPlan): string[] {
  const names = new Set<string>();
  for (const cell of plan.cells) if (cell.kind === 'mask') names.add(cell.mask.columnName);
  return [...names];
}
