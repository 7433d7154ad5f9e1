/**
 * Text → reading → verdict, for one session. What is cached is cached under everything it depends on: a change of the
 * bundle, the catalog, the session's state or its right to see masked columns starts an empty cache.
 */
import type { Decision } from '../decision.ts';
import { looksLikeMask } from '../masking/looks-like-mask.ts';
import { combineDemands } from '../policy/demand.ts';
import type { Effect } from '../statement/effect.ts';
import type { Catalog, ColumnKey } from '../statement/sql/catalog.ts';
import type { Parsed, SqlParser } from '../statement/sql/parse.ts';
import type { Facts, OutputColumn, SensitiveUse, SensitiveWrite, StatementReading } from '../statement/sql/reading.ts';
import type { SessionState } from '../statement/sql/session-state.ts';
import { columnPath, type View } from './view.ts';

export type Verdict =
  | Decision
  | { readonly kind: 'misuse'; readonly uses: readonly SensitiveUse[]; readonly reason: string }
  | { readonly kind: 'unjudgeable'; readonly reason: string; readonly atByte?: number };

export type JudgedStatement = {
  readonly reading: StatementReading;
  readonly verdict: Verdict;
  /** Its own, and those of what it EXECUTEs. */
  readonly effects: readonly Effect[];
  readonly facts: Facts & { readonly inTransaction: boolean };
  readonly plainRead: boolean;
  /** Columns of the rows it returns, a prepared body's included; undefined: not known. */
  readonly output: readonly OutputColumn[] | undefined;
  readonly writes: readonly SensitiveWrite[];
  /** Keyed look-ups that count against a budget when it runs. */
  readonly lookups: number;
  /** Text of the prepared statement that it EXECUTEs. */
  readonly executes: string | undefined;
  /** Objects that it reaches, a prepared body's included: what an approval of it is bound to. */
  readonly reached: StatementReading['reached'];
};

export type TextJudgement =
  | { readonly kind: 'judged'; readonly statements: readonly JudgedStatement[]; readonly verdict: Verdict }
  /** `missing`: only because it EXECUTEs a prepared statement of this name, which nobody prepared. */
  | { readonly kind: 'unjudgeable'; readonly reason: string; readonly atByte?: number; readonly missing?: string }
  /** The name of a prepared statement in it is not confirmed yet: ask again when the target has answered. */
  | { readonly kind: 'unconfirmed' };

/** The text that a prepared statement was made from: of Parse the statement itself, of SQL the whole PREPARE. */
export type PreparedText = { readonly text: string; readonly fromSql: boolean };

/** What SQL names of prepared statements and cursors mean now. */
export interface NameLookup {
  prepared(
    name: string,
  ): { readonly kind: 'known'; readonly body: PreparedText } | { readonly kind: 'unknown' } | { readonly kind: 'unconfirmed' };
  cursor(name: string): readonly OutputColumn[] | undefined;
}

export type ReadSql = (input: {
  readonly text: string;
  readonly parsed: Parsed;
  readonly parser: SqlParser;
  readonly catalog: Catalog;
  readonly state: SessionState;
  readonly sensitive: ReadonlySet<ColumnKey>;
  readonly isSafe: (oid: number) => boolean;
  readonly fullExportRows: number;
}) =>
  | { readonly kind: 'read'; readonly statements: readonly StatementReading[] }
  | { readonly kind: 'unjudgeable'; readonly reason: string; readonly atByte?: number };

export type JudgeOptions = {
  readonly parser: SqlParser;
  readonly readSql: ReadSql;
  readonly fullExportRows: number;
};

/** Cached verdicts per session: enough for the statements of a driver, little enough for ten thousand sessions. */
const MAX_CACHED_TEXTS = 256;
/** Longer texts are not kept. */
const MAX_CACHED_TEXT_LENGTH = 8 * 1024;
/** EXECUTE of a body that is itself an EXECUTE does not exist; one level is all there is. */
/** PreparableStmt of the grammar. */
const PLANNABLE: ReadonlySet<string> = new Set(['select', 'insert', 'update', 'delete', 'merge']);
const PERMITTED: Decision = { kind: 'permit', policies: [], reason: 'nothing is touched' };

export class StatementJudge {
  readonly #options: JudgeOptions;
  #view: View;
  #sensitive: ReadonlySet<ColumnKey>;
  #readings = new Map<string, ReturnType<ReadSql>>();
  /** One cache each for every combination of `inTransaction` and `unsettled`: a key put together per call would be hashed again. */
  #judged = newCaches();

  constructor(options: JudgeOptions, view: View) {
    this.#options = options;
    this.#view = view;
    this.#sensitive = sensitiveOf(view);
  }

  get view(): View {
    return this.#view;
  }

  /** Takes up another view; nothing judged under the old one is believed any longer. */
  adopt(view: View): void {
    this.#view = view;
    this.#sensitive = sensitiveOf(view);
    this.#readings = new Map();
    this.#judged = newCaches();
  }

  /**
   * Judges a whole text. `parsed` is given when it was parsed off the event loop. `unsettled` says that the transaction
   * has changed the catalog without committing: names may mean something that no snapshot shows.
   */
  judge(text: string, inTransaction: boolean, unsettled: boolean, names: NameLookup, parsed?: Parsed): TextJudgement {
    const cache = this.#judged[(inTransaction ? 1 : 0) + (unsettled ? 2 : 0)] ?? new Map<string, TextJudgement & { kind: 'judged' }>();
    const known = cache.get(text);
    if (known !== undefined) return known;
    const reading = this.#read(text, parsed);
    if (reading.kind === 'unjudgeable') return reading;
    const statements: JudgedStatement[] = [];
    let cacheable = text.length <= MAX_CACHED_TEXT_LENGTH;
    for (const statement of reading.statements) {
      const { execute, prepare, deallocate } = statement.control;
      if (execute !== undefined || prepare !== undefined || deallocate !== undefined || statement.rowsFrom !== undefined) cacheable = false;
      let body: JudgedStatement | undefined;
      let bodyText: string | undefined;
      if (execute !== undefined) {
        const found = names.prepared(execute.name);
        if (found.kind === 'unconfirmed') return found;
        // Code that cannot be read may have prepared it on this connection: the target could know a name that we do not.
        if (found.kind === 'unknown') {
          return { kind: 'unjudgeable', reason: `no prepared statement "${execute.name}" is known`, missing: execute.name };
        }
        bodyText = found.body.text;
        if (!found.body.fromSql && !this.#isPlannable(bodyText)) {
          return { kind: 'unjudgeable', reason: 'EXECUTE runs only what SQL PREPARE could hold: send the statement itself' };
        }
        const judged = this.judgePrepared(found.body, inTransaction, unsettled, names);
        if (judged.kind !== 'judged') return judged;
        body = judged.statements[0];
      }
      statements.push(this.#decide(statement, inTransaction, unsettled, names, body, bodyText));
    }
    const judgement = { kind: 'judged', statements, verdict: strictest(statements) } as const;
    if (cacheable) remember(cache, text, judgement);
    return judgement;
  }

  /**
   * The protocol prepares utility statements too, which EXECUTE then runs: settings, transactions and EXECUTE itself. What
   * these change for later statements is read from their own text only.
   */
  #isPlannable(text: string): boolean {
    const reading = this.#read(text, undefined);
    return reading.kind === 'read' && reading.statements.every(({ kind }) => PLANNABLE.has(kind));
  }

  /** Judges what a prepared statement would run now. */
  judgePrepared(prepared: PreparedText, inTransaction: boolean, unsettled: boolean, names: NameLookup, parsed?: Parsed): TextJudgement {
    if (!prepared.fromSql) return this.judge(prepared.text, inTransaction, unsettled, names, parsed);
    const reading = this.#read(prepared.text, parsed);
    if (reading.kind === 'unjudgeable') return reading;
    const body = reading.statements[0]?.control.prepare?.body;
    if (body === undefined || reading.statements.length !== 1)
      return { kind: 'unjudgeable', reason: 'the prepared statement is not understood' };
    const judged = this.#decide(body, inTransaction, unsettled, names, undefined, undefined);
    return { kind: 'judged', statements: [judged], verdict: judged.verdict };
  }

  #read(text: string, parsed: Parsed | undefined): ReturnType<ReadSql> {
    const known = this.#readings.get(text);
    if (known !== undefined) return known;
    const { parser, fullExportRows } = this.#options;
    const reading = this.#options.readSql({
      text,
      parsed: parsed ?? parser.parse(text),
      parser,
      catalog: this.#view.catalog,
      state: this.#view.state,
      sensitive: this.#sensitive,
      isSafe: this.#view.isSafe,
      fullExportRows,
    });
    if (text.length <= MAX_CACHED_TEXT_LENGTH) remember(this.#readings, text, reading);
    return reading;
  }

  #decide(
    reading: StatementReading,
    inTransaction: boolean,
    unsettled: boolean,
    names: NameLookup,
    body: JudgedStatement | undefined,
    bodyText: string | undefined,
  ): JudgedStatement {
    const { principal, target, bundle, revealed, hidden } = this.#view;
    const effects: Effect[] = [...reading.effects, ...(body?.effects ?? [])];
    const uses = reading.uses.filter((use) => !revealed.has(use.column));
    const controlsOnly = reading.control.transaction !== undefined;
    if (unsettled && !controlsOnly) effects.push(UNSETTLED);
    const facts = {
      unbounded: reading.facts.unbounded || (body?.facts.unbounded ?? false),
      fullExport: reading.facts.fullExport || (body?.facts.fullExport ?? false),
      rows: Math.max(reading.facts.rows, body?.facts.rows ?? -1),
      maskedColumns: [...new Set([...reading.facts.maskedColumns, ...(body?.facts.maskedColumns ?? [])])],
      opaque: reading.facts.opaque || (body?.facts.opaque ?? false),
      inTransaction,
    };
    const output = reading.rowsFrom?.kind === 'cursor' ? names.cursor(reading.rowsFrom.name) : (body?.output ?? reading.output);
    const writes = [...reading.writes, ...(body?.writes ?? [])].filter((write) => !revealed.has(write.column));
    const judged = {
      reading,
      effects,
      facts,
      plainRead: reading.plainRead && (reading.control.execute === undefined || (body?.plainRead ?? false)),
      output,
      writes,
      lookups: uses.filter((use) => use.lookup).length + writes.filter((write) => write.reveals).length + (body?.lookups ?? 0),
      executes: bodyText,
      reached: [...reading.reached, ...(body?.reached ?? [])],
    };
    if (body !== undefined && (body.verdict.kind === 'misuse' || body.verdict.kind === 'unjudgeable'))
      return { ...judged, verdict: body.verdict };
    if (unsettled && hidden && !controlsOnly && (reading.output !== undefined || reading.rowsFrom !== undefined)) {
      return {
        ...judged,
        verdict: { kind: 'unjudgeable', reason: 'rows cannot be masked after DDL in the same transaction: commit first, then read' },
      };
    }
    const misuse = this.#misuse(uses, writes);
    if (misuse !== undefined) return { ...judged, verdict: misuse };
    const verdict = effects.length === 0 ? PERMITTED : bundle.policies.decide({ principal, target, effects, facts });
    const unreadable = hidden && verdict.kind !== 'block' ? unreadableIn(reading, effects) : undefined;
    return { ...judged, verdict: unreadable === undefined ? verdict : { kind: 'unjudgeable', reason: unreadable } };
  }

  /** Uses of masked columns outside the allow-list of design §7, after policy's say on keyed look-ups. */
  #misuse(uses: readonly SensitiveUse[], writes: readonly SensitiveWrite[]): (Verdict & { kind: 'misuse' }) | undefined {
    const { principal, target, bundle, masks, catalog } = this.#view;
    const refused = uses.filter(
      (use) => !(use.lookup && bundle.policies.mayLookUp(principal, target, resourceOf(catalog, use.column)).kind === 'permit'),
    );
    for (const write of writes) {
      const mask = masks.get(write.column);
      const stable = mask?.method.kind === 'hash' || mask?.method.kind === 'tokenize';
      if (stable)
        refused.push(writeUse(write, 'a write to a column whose stable mask is visible', 'writing it as a principal that may see it'));
      else if (write.reveals && bundle.policies.mayLookUp(principal, target, resourceOf(catalog, write.column)).kind !== 'permit') {
        refused.push(
          writeUse(write, 'a write that a unique index or constraint would answer', 'a policy that permits lookup on this column'),
        );
      }
      if (write.literal !== undefined && looksLikeMask(write.literal))
        refused.push(writeUse(write, 'a write of a value that is itself a mask', 'leaving the column out of the statement'));
    }
    const first = refused[0];
    if (first === undefined) return undefined;
    return {
      kind: 'misuse',
      uses: refused,
      reason: `${first.columnName} is masked and may not be used as ${first.use}; allowed: ${first.allowed}`,
    };
  }
}

const UNSETTLED: Effect = { action: 'unknown', resource: { type: 'Target', path: [] }, via: 'names after uncommitted DDL' };

/** DDL that neither reads nor copies rows: whatever its names mean, masks are bound again to what it leaves behind. */
const MOVES_NO_DATA: ReadonlySet<string> = new Set([
  'alterOwner',
  'alterSchema',
  'comment',
  'createSchema',
  'createSequence',
  'createTable',
  'createType',
  'drop',
  'grant',
  'rename',
]);

/**
 * What no policy can permit to someone from whom columns are hidden: code of their own that is not read could copy masked
 * values to where nothing masks them, and so could anything that is not understood.
 */
function unreadableIn(reading: StatementReading, effects: readonly Effect[]): string | undefined {
  const { plantsCode } = reading.control;
  if (plantsCode !== undefined) return `${plantsCode} could read masked columns, and is not read by the gateway`;
  const unknown = effects.find((effect) => effect.action === 'unknown' && !(effect === UNSETTLED && MOVES_NO_DATA.has(reading.kind)));
  if (unknown === undefined) return undefined;
  return `it is not understood as a whole${unknown.via === undefined ? '' : ` (${unknown.via})`}, and columns are masked on this target`;
}

function resourceOf(catalog: Catalog, key: ColumnKey): { readonly type: 'Column'; readonly path: readonly string[] } {
  // An unknown column has no policy, so nothing is permitted on it.
  return { type: 'Column', path: columnPath(catalog, key) ?? [] };
}

function writeUse(write: SensitiveWrite, use: string, allowed: string): SensitiveUse {
  return { column: write.column, columnName: write.columnName, use, allowed, lookup: false };
}

function sensitiveOf(view: View): ReadonlySet<ColumnKey> {
  return new Set(view.masks.keys());
}

type JudgedTexts = Map<string, TextJudgement & { kind: 'judged' }>;

function newCaches(): readonly JudgedTexts[] {
  return [new Map(), new Map(), new Map(), new Map()];
}

function remember<V>(cache: Map<string, V>, key: string, value: V): void {
  if (cache.size >= MAX_CACHED_TEXTS) {
    const oldest = cache.keys().next();
    if (oldest.done !== true) cache.delete(oldest.value);
  }
  cache.set(key, value);
}

const STRICTNESS = { permit: 0, approve: 1, block: 2, misuse: 3, unjudgeable: 4 } as const;

/** The strictest verdict over all statements; several demands for approval add up in the policy set's own way. */
function strictest(statements: readonly JudgedStatement[]): Verdict {
  let worst: Verdict = PERMITTED;
  for (const { verdict } of statements) {
    if (verdict.kind === 'approve' && worst.kind === 'approve') worst = both(worst, verdict);
    else if (STRICTNESS[verdict.kind] > STRICTNESS[worst.kind]) worst = verdict;
  }
  return worst;
}

function both(left: Decision & { kind: 'approve' }, right: Decision & { kind: 'approve' }): Decision {
  return {
    kind: 'approve',
    policies: [...new Set([...left.policies, ...right.policies])],
    reason: left.reason === right.reason ? left.reason : `${left.reason}; ${right.reason}`,
    demand: combineDemands([left.demand, right.demand]) ?? left.demand,
  };
}
