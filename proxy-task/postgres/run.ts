import type { Hmac } from 'node:crypto';
import type { JudgedStatement } from '../../core/judging/authorize.ts';
import type { View } from '../../core/judging/view.ts';
import type { Format } from './messages/bind.ts';
import type { ColumnDescription } from './messages/row-description.ts';
import type { Refusal } from './refusal.ts';
import type { RowRelease } from './row-release.ts';
import type { BookChange, Run } from './session-machine.ts';

/** What a name of a prepared statement stands for. */
export type Prepared = {
  /** Of Parse, the SQL that runs; of SQL PREPARE, that whole statement. */
  readonly text: string;
  readonly fromSql: boolean;
  /** As declared in Parse; empty for SQL PREPARE. */
  readonly parameterTypes: readonly number[];
  /** As pg_prepared_statements shows it. */
  readonly source: string;
  /** Columns of its rows once the target has described it (formats not settled); undefined: not yet. */
  columns?: readonly ColumnDescription[];
  /** The last RowDescription of its rows, as it came and as it was read. */
  described?: { readonly bytes: Buffer; readonly columns: readonly ColumnDescription[] };
};

/** One execution of one judged statement: from the moment it was sent until the target said how it ended. */
export class StatementRun implements Run {
  readonly number: number;
  readonly judged: JudgedStatement;
  /** What it was judged under; its rows are masked under the same. */
  readonly view: View;
  readonly changes: BookChange[] = [];
  readonly movesTransaction: boolean;
  readonly startedUs: number;
  /** Where its columns come from, when it is an execution of a prepared statement. */
  readonly prepared: Prepared | undefined;
  readonly resultFormats: readonly Format[];
  /** Id of the approval that it used up. */
  readonly approval: string | undefined;
  /** Columns with settled types; undefined until described. */
  columns: readonly ColumnDescription[] | undefined;
  release: RowRelease | undefined;
  rows = 0;
  bytes = 0;
  spentRows = 0;
  spentBytes = 0;
  /** Pattern matches that were replaced in its rows. */
  detected = 0;
  /** Rows were released since the last `rows.released`. */
  unreported = false;
  copyBytes = 0;
  copyRows = 0;
  /** Keyed digest over the data that the client sent into COPY. */
  copyDigest: Hmac | undefined;
  /** Set when a cap or budget ended the release of its rows: what the client is told instead of its end. */
  capped: Refusal | undefined;
  /** More affected rows than this are rolled back before anyone sees them (`@maxRows`). */
  readonly maxRows: number | undefined;
  /** Its rows, kept back until it is known how many there are. */
  readonly withheld: Buffer[] = [];
  /** The target said how it ended. */
  ended = false;

  constructor(options: {
    readonly number: number;
    readonly judged: JudgedStatement;
    readonly view: View;
    readonly startedUs: number;
    readonly prepared?: Prepared | undefined;
    readonly resultFormats?: readonly Format[] | undefined;
    readonly approval?: string | undefined;
    readonly maxRows?: number | undefined;
  }) {
    this.number = options.number;
    this.judged = options.judged;
    this.view = options.view;
    this.movesTransaction = options.judged.reading.control.transaction !== undefined || options.judged.facts.opaque;
    this.startedUs = options.startedUs;
    this.prepared = options.prepared;
    this.resultFormats = options.resultFormats ?? [];
    this.approval = options.approval;
    this.maxRows = options.maxRows;
  }
}

/** What a Describe asked about. */
export type DescribeSubject = {
  readonly run?: StatementRun;
  readonly prepared?: Prepared | undefined;
  /** The client sent a simple Query: it gets a RowDescription, but never NoData. */
  readonly simple?: true;
};
