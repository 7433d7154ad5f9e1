/** What one reading gathers, and the ways its parts call each other. */
import type { Action, Effect, Resource } from '../effect.ts';
import type { Tree } from './ast.ts';
import type { Catalog, ColumnKey, Oid, Relation, SqlFunction } from './catalog.ts';
import { indexOf, type CatalogIndex } from './catalog-index.ts';
import { literalRange } from './literal-range.ts';
import type { ParsedStatement, SqlParser } from './parse.ts';
import type { SensitiveUse, SensitiveWrite, SessionControl, StatementReading } from './reading.ts';
import type { Scope, ScopeColumn, Sensitive, Shape } from './scope.ts';
import type { SessionState } from './session-state.ts';
import { SallyportError } from '../../errors.ts';

/** Nested deeper than this is refused: our own walkers recurse, and honest statements stay far below. */
const MAX_DEPTH = 1000;

/**
 * More steps than this are refused: a small text can name the same thing many times over (nested WITH RECURSIVE is read twice
 * at each level). A statement of 1 MiB takes about a tenth.
 */
const MAX_WORK = 2_000_000;

/** The text nests too deeply, or expands into too much, to be judged; becomes Unjudgeable. */
export class TooDeep extends SallyportError {
  readonly code = 'too-deep';
}

export type Environment = {
  readonly text: string;
  readonly parser: SqlParser;
  readonly catalog: Catalog;
  readonly state: SessionState;
  readonly sensitive: ReadonlySet<ColumnKey>;
  readonly isSafe: (oid: Oid) => boolean;
  readonly fullExportRows: number;
};

/** The walkers, by reference: they call each other in circles, their files do not. */
export type Walkers = {
  query(context: Context, node: unknown, scope: Scope | undefined, options?: QueryOptions): Shape;
  expression(context: Context, scope: Scope | undefined, node: unknown, use: string): void;
  view(context: Context, relation: Relation): Shape;
  body(context: Context, func: SqlFunction): boolean;
  type(context: Context, oid: Oid): void;
  statement(environment: Environment, parsed: ParsedStatement): StatementReading;
  /** One utility or DDL statement inside another: CREATE SCHEMA's elements. */
  element(context: Context, node: Tree): void;
  /** A data-modifying statement inside a WITH list. */
  nested(context: Context, node: Tree, scope: Scope): Shape;
};

export type QueryOptions = {
  /** Uses in a target expression are attached to its output column instead of being reported. */
  readonly usesByColumn?: boolean;
  /** The values of the output are never looked at: EXISTS. */
  readonly outputIgnored?: boolean;
  /** Allowed to carry SELECT INTO. */
  readonly topLevel?: boolean;
};

export type MutableControl = { -readonly [K in keyof SessionControl]: SessionControl[K] };

/** The state of one statement's reading. */
export class Context {
  readonly environment: Environment;
  readonly walkers: Walkers;
  readonly index: CatalogIndex;
  readonly effects = new Map<string, Effect>();
  readonly writes: SensitiveWrite[] = [];
  readonly literals: { startByte: number; endByte: number }[] = [];
  readonly reached = new Map<Oid, string>();
  readonly masked = new Set<string>();
  readonly views = new Map<Oid, Shape>();
  readonly calledFunctions = new Set<Oid>();
  readonly expandedFunctions = new Set<Oid>();
  /** Functions called whose value may be anything. */
  readonly opaqueFunctions = new Set<Oid>();
  readonly touchedTypes = new Set<Oid>();
  readonly control: MutableControl = { dirtiesState: false, dirtiesCatalog: false };
  uses = new Map<string, SensitiveUse>();
  via: string | undefined;
  /** Schemas searched for unqualified names: the session's, or a function's own; only pg_catalog inside views. */
  path: readonly string[];
  /** Inside a view's definition or a function's body, where the session's temporary objects do not shadow. */
  tempVisible = true;
  /** Inside a SQL function's body, where a name that resolves to nothing is an argument. */
  inBody = false;
  opaque = false;
  /** Something other than a safe read happens. */
  writing = false;
  unbounded = false;
  /** set_config() changes settings while the statement runs: functions called beside it may meet them. */
  setsWhileRunning = false;
  /** Names may mean something else after this statement. */
  changesNames = false;
  /** The statement's bytes in the text. */
  readonly range: { readonly startByte: number; readonly endByte: number };
  rowsFrom: StatementReading['rowsFrom'];
  private depth = 0;
  private work = 0;
  private bytes: Buffer | undefined;
  private readonly redacted = new Set<number>();

  constructor(environment: Environment, walkers: Walkers, range = { startByte: 0, endByte: 0 }) {
    this.range = range;
    this.environment = environment;
    this.walkers = walkers;
    this.index = indexOf(environment.catalog);
    this.path = environment.state.searchPath;
  }

  enter(): void {
    this.depth += 1;
    this.work += 1;
    if (this.work > MAX_WORK) throw new TooDeep(`more than ${MAX_WORK} steps`);
    if (this.depth > MAX_DEPTH) throw new TooDeep(`nested deeper than ${MAX_DEPTH} levels`);
  }

  leave(): void {
    this.depth -= 1;
  }

  effect(action: Action, type: Resource['type'], path: readonly string[], via: string | undefined = this.via): void {
    const key = `${action} ${type} ${path.join('\0')}`;
    const known = this.effects.get(key);
    if (known !== undefined && (known.via === undefined || via !== undefined)) return;
    const resource: Resource = { type, path };
    this.effects.set(key, via === undefined ? { action, resource } : { action, resource, via });
  }

  /** Something that is not understood: policy blocks it unless it says otherwise. */
  unknown(what: string): void {
    this.writing = true;
    this.effect('unknown', 'Target', [], this.via === undefined ? what : `${what} in ${this.via}`);
  }

  /** Code is reached that cannot be read: anything may have changed after it. */
  reachOpaque(): void {
    this.opaque = true;
    this.writing = true;
    this.control.dirtiesState = true;
    this.control.dirtiesCatalog = true;
    this.changesNames = true;
  }

  reach(oid: Oid, definitionHash: string): void {
    this.reached.set(oid, definitionHash);
  }

  /** Reports a use outside the allow-list of design §7. */
  use(sensitive: Sensitive, use: string, lookup = false): void {
    const words = this.via === undefined ? use : `${use} in ${this.via}`;
    const key = `${sensitive.key} ${lookup ? 'lookup' : ''} ${words}`;
    if (this.uses.has(key)) return;
    this.uses.set(key, {
      column: sensitive.key,
      columnName: sensitive.name,
      use: words,
      allowed: ALLOWED_USES,
      lookup,
    });
  }

  useAll(columns: readonly ScopeColumn[], use: string): void {
    for (const column of columns) for (const sensitive of column.carries) this.use(sensitive, use);
  }

  /** Runs `read` with another reason in `via`, where none is given yet. */
  through<T>(via: string, read: () => T): T {
    const before = this.via;
    this.via = before ?? via;
    try {
      return read();
    } finally {
      this.via = before;
    }
  }

  /** Notes the constant that starts there as one that recordings redact. */
  redact(location: number): void {
    if (this.redacted.has(location)) return;
    this.redacted.add(location);
    this.bytes ??= Buffer.from(this.environment.text, 'utf8');
    const range = literalRange(this.bytes, location);
    if (range !== undefined) this.literals.push(range);
  }

  /** Takes over all that another reading found, as a part of this statement. */
  merge(reading: StatementReading): void {
    for (const effect of reading.effects) this.effect(effect.action, effect.resource.type, effect.resource.path, effect.via);
    for (const use of reading.uses) this.uses.set(`${use.column} ${use.lookup ? 'lookup' : ''} ${use.use}`, use);
    this.writes.push(...reading.writes);
    this.literals.push(...reading.sensitiveLiterals);
    for (const { oid, definitionHash } of reading.reached) this.reach(oid, definitionHash);
    for (const name of reading.facts.maskedColumns) this.masked.add(name);
    this.unbounded ||= reading.facts.unbounded;
    if (reading.facts.opaque) this.opaque = true;
    if (reading.control.callsOpaque === true) this.control.callsOpaque = true;
    if (reading.control.dirtiesState) this.control.dirtiesState = true;
    if (reading.control.dirtiesCatalog) this.control.dirtiesCatalog = true;
    if (reading.control.dirtiesState || reading.control.dirtiesCatalog) this.changesNames = true;
  }

  relation(oid: Oid): Relation | undefined {
    return this.environment.catalog.relations.get(oid) ?? this.environment.state.tempRelations.find((relation) => relation.oid === oid);
  }
}

const ALLOWED_USES = 'the bare column as an output column, count(column), or column IS [NOT] NULL';
