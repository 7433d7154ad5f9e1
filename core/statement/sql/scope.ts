/** Range tables: what names in a query mean, and which sensitive columns their values carry. */
import type { ColumnKey, Oid, Relation, RelationColumn } from './catalog.ts';
import type { SensitiveUse } from './reading.ts';

/** A sensitive column by key, with the name that people read. */
export type Sensitive = {
  readonly key: ColumnKey;
  readonly name: string;
  /** A unique index on this column alone exists: equality may be permitted as a look-up. */
  readonly unique: boolean;
  /** Unique, checked, excluded or a foreign key: whether a write succeeds tells something about the values. */
  readonly constrained: boolean;
};

/** A column of a range table entry or of a query's result. */
export type ScopeColumn = {
  readonly name: string;
  /** The sensitive columns whose bare value it can be. */
  readonly carries: readonly Sensitive[];
  /** Present when it is the bare column of a base relation. */
  readonly origin?: { readonly relation: Relation; readonly column: RelationColumn };
  /** Columns to report as read when this one is referenced. */
  readonly reads: readonly ColumnRead[];
  readonly typeOid?: Oid;
  /** Uses found in the expression that computes it; only where the caller asked to judge them by output column. */
  readonly uses?: readonly SensitiveUse[];
};

export type ColumnRead = { readonly relation: Relation; readonly column: RelationColumn; readonly via: string | undefined };

/** What a query returns. `open`: it may have more columns than are known. */
export type Shape = {
  readonly columns: readonly ScopeColumn[];
  readonly open: boolean;
  /** Estimated rows; -1 when unknown. */
  readonly rows: number;
  /** Whether rows of a base relation flow out with no predicate, aggregate or limit on the way, and how large that relation is. */
  readonly unfiltered: boolean;
};

export const EMPTY_SHAPE: Shape = { columns: [], open: false, rows: 1, unfiltered: false };
export const OPEN_SHAPE: Shape = { columns: [], open: true, rows: -1, unfiltered: false };

/** A name that columns can be qualified with. */
export type RangeItem = {
  readonly alias: string;
  /** Schema that also qualifies it: base relations without an alias. */
  readonly schema?: string;
  readonly columns: readonly ScopeColumn[];
  readonly open: boolean;
  /** A base relation has system columns. */
  readonly system: boolean;
};

/** What one element of a FROM list offers to unqualified names and to `*`. */
export type FromPart = Shape;

export type Scope = {
  readonly parts: FromPart[];
  readonly items: RangeItem[];
  readonly parent?: Scope | undefined;
  readonly ctes?: CteScope | undefined;
};

/** A WITH list: each entry is read at its first reference, so that forward references of WITH RECURSIVE work. */
export type CteScope = {
  readonly entries: Map<string, CteEntry>;
  readonly parent?: CteScope | undefined;
};

export type CteEntry = { shape(): Shape };

export function emptyScope(parent?: Scope, ctes?: CteScope): Scope {
  return { parts: [], items: [], parent, ctes: ctes ?? parent?.ctes };
}

export function findCte(ctes: CteScope | undefined, name: string): CteEntry | undefined {
  for (let scope = ctes; scope !== undefined; scope = scope.parent) {
    const entry = scope.entries.get(name);
    if (entry !== undefined) return entry;
  }
  return undefined;
}

export type Found = {
  readonly columns: readonly ScopeColumn[];
  /** A range entry of unknown shape could also hold the column. */
  readonly maybeElsewhere: boolean;
};

/**
 * Looks an unqualified column up as PostgreSQL does: the innermost level that has it wins. Where an entry of unknown shape
 * stands beside it, it is that column or PostgreSQL refuses it as ambiguous; one further in could hide it.
 */
export function findColumn(scope: Scope | undefined, name: string): Found {
  let maybeElsewhere = false;
  const found: ScopeColumn[] = [];
  for (let level = scope; level !== undefined && found.length === 0; level = level.parent) {
    let open = false;
    for (const part of level.parts) {
      if (part.open) open = true;
      for (const column of part.columns) if (column.name === name) found.push(column);
    }
    if (open && found.length === 0) maybeElsewhere = true;
  }
  return { columns: found, maybeElsewhere };
}

/** Looks a qualifier up: the nearest level that has the name; several entries only if PostgreSQL would refuse it too. */
export function findItems(scope: Scope | undefined, name: string, schema?: string): readonly RangeItem[] {
  for (let level = scope; level !== undefined; level = level.parent) {
    const found = level.items.filter((item) => item.alias === name && (schema === undefined || item.schema === schema));
    if (found.length > 0) return found;
  }
  return [];
}

/** Names that every base relation answers to besides its columns. */
export function isSystemColumn(name: string): boolean {
  return name === 'ctid' || name === 'xmin' || name === 'xmax' || name === 'cmin' || name === 'cmax' || name === 'tableoid';
}

/** Sensitive columns of both, each once. */
export function mergeCarried(left: readonly Sensitive[], right: readonly Sensitive[]): readonly Sensitive[] {
  if (right.length === 0) return left;
  if (left.length === 0) return right;
  return [...left, ...right.filter((one) => !left.some((other) => other.key === one.key))];
}
