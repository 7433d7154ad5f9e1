/** What the gateway understood of one message of SQL: the input of policy, masking, approval and recording. */
import type { Effect } from '../effect.ts';
import type { ColumnKey, Oid } from './catalog.ts';

/** A text that can be judged. `statements` is empty for an empty query. */
export type SqlReading = {
  readonly kind: 'read';
  readonly statements: readonly StatementReading[];
};

/** A text that cannot: refused with ZG014. */
export type Unjudgeable = {
  readonly kind: 'unjudgeable';
  /** One sentence: what, and where. */
  readonly reason: string;
  /** Byte offset in the text, where known. */
  readonly atByte?: number;
};

export type StatementReading = {
  /** PostgreSQL's own node name in words: `select`, `insert`, `createTable`, `begin`, `set`, `execute`, `copy` … */
  readonly kind: string;
  /** Exact bytes of the statement in the message, without the separating semicolon. */
  readonly startByte: number;
  readonly endByte: number;
  readonly effects: readonly Effect[];
  readonly facts: Facts;
  /**
   * One entry per output column of a statement that returns rows (RETURNING too), in order; undefined where the
   * shape is not known statically (EXECUTE, FETCH, CALL, SHOW: `rowsFrom` says more) or there are no rows.
   */
  readonly output?: readonly OutputColumn[];
  /** Where the rows come from when it is another statement's shape that counts. */
  readonly rowsFrom?: { readonly kind: 'prepared' | 'cursor'; readonly name: string };
  /** Uses of sensitive columns outside the allow-list of design §7; the caller drops those the principal may see. */
  readonly uses: readonly SensitiveUse[];
  /** Sensitive columns this statement writes, by target parameter or literal; masks and redaction follow. */
  readonly writes: readonly SensitiveWrite[];
  /** Constants of the statement that are stored in, or compared with, a sensitive column: redacted in recordings. */
  readonly sensitiveLiterals: readonly { readonly startByte: number; readonly endByte: number }[];
  /** What the statement changes for the statements after it. */
  readonly control: SessionControl;
  /** True when nothing but safe, non-writing reads can happen: its intent need not be flushed to disk first. */
  readonly plainRead: boolean;
  /** Everything reached, for the approval's digest. */
  readonly reached: readonly { readonly oid: Oid; readonly definitionHash: string }[];
};

export type Facts = {
  /** A write or full read without a real predicate. */
  readonly unbounded: boolean;
  /** No predicate, aggregate or limit on a table above the size threshold. */
  readonly fullExport: boolean;
  /** Estimated rows; -1 when unknown. */
  readonly rows: number;
  /** Sensitive columns in the output or written: `public.customers.ssn`. */
  readonly maskedColumns: readonly string[];
  /** Code is reached that cannot be read: PL/pgSQL, C, dynamic SQL, a function outside the safe list. */
  readonly opaque: boolean;
};

export type OutputColumn = {
  readonly name: string;
  /** Sensitive columns whose bare value this column can carry (several through UNION ALL); empty: none. */
  readonly sensitive: readonly ColumnKey[];
  /** Relation and attribute that RowDescription should report when the column is a bare base-table column; a cross-check only. */
  readonly origin?: { readonly relation: Oid; readonly attnum: number };
};

export type SensitiveUse = {
  readonly column: ColumnKey;
  /** `public.customers.ssn` */
  readonly columnName: string;
  /** In words: `ORDER BY`, `comparison`, `argument of lower()`. */
  readonly use: string;
  /** What would be allowed instead, in words. */
  readonly allowed: string;
  /** Equality with one parameter or constant on a unique index: policy may permit it as `lookup`. */
  readonly lookup: boolean;
};

export type SensitiveWrite = {
  readonly column: ColumnKey;
  readonly columnName: string;
  /** 1-based parameter number when the value is a bare parameter. */
  readonly parameter?: number;
  /** The text of a bare constant. */
  readonly literal?: string;
  /** Unique, checked or foreign key: the write itself is a `lookup`. */
  readonly reveals: boolean;
};

/** How a statement changes names, settings and transactions; applied when the server confirms. */
export type SessionControl = {
  readonly transaction?:
    | 'begin'
    | 'commit'
    | 'rollback'
    | 'savepoint'
    | 'rollbackTo'
    | 'release'
    | 'prepareTransaction'
    | 'commitPrepared'
    | 'rollbackPrepared';
  /** AND CHAIN on COMMIT or ROLLBACK. */
  readonly chain?: true;
  readonly prepare?: { readonly name: string; readonly body: StatementReading; readonly bodyText: string };
  readonly execute?: { readonly name: string };
  readonly deallocate?: { readonly name: string | 'all' };
  readonly declareCursor?: { readonly name: string; readonly hold: boolean };
  readonly closeCursor?: { readonly name: string | 'all' };
  /** A gateway setting by SET or RESET: read by us, forwarded with an empty value (design §3). */
  readonly gatewaySetting?: { readonly name: 'sallyport.reason' | 'sallyport.approval' | 'sallyport.approval_id'; readonly value: string };
  /** search_path, role, settings or temporary objects may change: the state is read again before the next statement is judged. */
  readonly dirtiesState: boolean;
  /** It calls code that cannot be read: cursors may have been closed, and others opened under their names. */
  readonly callsOpaque?: true;
  /** Code that the statement brings along or puts in place, and that is not read here: a DO block, a PL/pgSQL function. In words. */
  readonly plantsCode?: string;
  /** Relations, functions, types … may change: the catalog is read again before the next statement is judged. */
  readonly dirtiesCatalog: boolean;
  readonly copy?: {
    readonly direction: 'in' | 'out';
    readonly format: 'text' | 'csv' | 'binary';
    readonly delimiter?: string;
    readonly nullText?: string;
    readonly quote?: string;
    readonly escape?: string;
    readonly header?: boolean;
  };
};
