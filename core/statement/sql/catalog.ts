/**
 * A snapshot of what names mean on one target: read over a connection of the gateway's own, shared by all sessions,
 * and replaced as a whole. Object identifiers are PostgreSQL's OIDs.
 */
import type { PostgresMajor } from '../../target.ts';

export type Oid = number;

/** `${relation oid}.${attnum}`: how masks are bound, so that renames and moved schemas keep them (design §7). */
export type ColumnKey = `${Oid}.${number}`;

export function columnKey(relation: Oid, attnum: number): ColumnKey {
  return `${relation}.${attnum}`;
}

export type Catalog = {
  readonly major: PostgresMajor;
  /** SHA-256 (hex) over the snapshot's content: two equal catalogs have equal versions. */
  readonly version: string;
  readonly schemas: ReadonlyMap<string, Oid>;
  readonly relations: ReadonlyMap<Oid, Relation>;
  /** schema → relation name → relation. */
  readonly relationsByName: ReadonlyMap<string, ReadonlyMap<string, Relation>>;
  /** Every function, pg_catalog's too, by bare name. */
  readonly functionsByName: ReadonlyMap<string, readonly SqlFunction[]>;
  readonly functions: ReadonlyMap<Oid, SqlFunction>;
  readonly types: ReadonlyMap<Oid, SqlType>;
  /** Operators outside pg_catalog, by bare name; pg_catalog's own are judged by the safe list. */
  readonly userOperatorsByName: ReadonlyMap<string, readonly SqlOperator[]>;
  /** Casts that run a function, or text input and output, of a type or function outside pg_catalog. */
  readonly userCasts: readonly SqlCast[];
  /** Functions of enabled event triggers, which DDL runs without naming them, and (17 and later) every login. */
  readonly eventTriggers?: readonly { readonly name: string; readonly event: string; readonly functionOid: Oid }[];
};

export type Relation = {
  readonly oid: Oid;
  readonly schema: string;
  readonly name: string;
  readonly kind: 'table' | 'partitioned' | 'view' | 'materialized' | 'foreign' | 'sequence' | 'index' | 'composite' | 'toast';
  readonly columns: readonly RelationColumn[];
  /** `pg_get_viewdef` of views and materialized views. */
  readonly viewDefinition?: string;
  /** Rewrite rules other than a view's own SELECT rule: what they do is opaque. */
  readonly rules: readonly { readonly name: string; readonly event: 'select' | 'update' | 'insert' | 'delete' }[];
  readonly triggers: readonly SqlTrigger[];
  /** Direct parents and children by inheritance or partitioning. */
  readonly parents: readonly Oid[];
  readonly children: readonly Oid[];
  readonly rowSecurity: boolean;
  /** Functions and operators' functions outside pg_catalog that run when this relation is written (constraints, generated columns, index expressions). */
  readonly writeFunctions: readonly Oid[];
  /** The same for reading (row-level security policies). */
  readonly readFunctions: readonly Oid[];
  /** Sets of attnums with a unique index each. */
  readonly uniqueKeys: readonly (readonly number[])[];
  /** Attnums under a CHECK, exclusion or foreign-key constraint. */
  readonly constrained: readonly number[];
  /** Sets of attnums that one check, exclusion, partial or computed index, or foreign key reads together: writing one tells about the others. */
  readonly checkedTogether?: readonly (readonly number[])[];
  /** Foreign keys of this relation: its columns hold values of those that they refer to, in the same order. */
  readonly references?: readonly { readonly columns: readonly number[]; readonly relation: Oid; readonly referenced: readonly number[] }[];
  /** What foreign keys elsewhere do when rows of this relation change: the tables they write to. */
  readonly cascades?: readonly { readonly on: 'update' | 'delete'; readonly relation: Oid; readonly effect: 'update' | 'delete' }[];
  /** Whether the relation is a temporary one of some session. */
  readonly temporary: boolean;
  readonly estimatedRows: number;
  /** SHA-256 (hex) over all of the above: what an approval binds (design §8). */
  readonly definitionHash: string;
};

export type RelationColumn = {
  readonly attnum: number;
  readonly name: string;
  readonly typeOid: Oid;
  readonly notNull: boolean;
  /** Columns of the same relation that a generated column is computed from; absent for ordinary columns. */
  readonly generatedFrom?: readonly number[];
  /** Functions outside pg_catalog in its default expression. */
  readonly defaultFunctions: readonly Oid[];
};

export type SqlTrigger = {
  readonly name: string;
  readonly functionOid: Oid;
  readonly events: readonly ('insert' | 'update' | 'delete' | 'truncate')[];
  readonly enabled: boolean;
};

export type SqlFunction = {
  readonly oid: Oid;
  readonly schema: string;
  readonly name: string;
  readonly kind: 'function' | 'procedure' | 'aggregate' | 'window';
  readonly language: string;
  readonly volatility: 'immutable' | 'stable' | 'volatile';
  readonly securityDefiner: boolean;
  readonly argumentCount: number;
  readonly defaultCount: number;
  readonly variadic: boolean;
  readonly argumentTypes: readonly Oid[];
  readonly returnType: Oid;
  readonly returnsSet: boolean;
  /** Source of SQL-language functions, `prosrc` or the deparsed `prosqlbody`; absent for other languages. */
  readonly body?: string;
  /** Functions outside pg_catalog in its argument defaults or its parsed body, as pg_depend names them; absent when none. */
  readonly dependsOn?: readonly Oid[];
  /** `SET` clauses of the function. */
  readonly settings: readonly string[];
  readonly definitionHash: string;
};

export type SqlType = {
  readonly oid: Oid;
  readonly schema: string;
  readonly name: string;
  readonly kind: 'base' | 'composite' | 'domain' | 'enum' | 'pseudo' | 'range' | 'multirange';
  /** Base type of a domain. */
  readonly baseType?: Oid;
  /** Element type of a true array. */
  readonly elementType?: Oid;
  /** The relation of a composite type. */
  readonly relation?: Oid;
  /** Functions outside pg_catalog that run on input, output or a domain check. */
  readonly codeFunctions: readonly Oid[];
};

export type SqlOperator = {
  readonly oid: Oid;
  readonly schema: string;
  readonly name: string;
  readonly functionOid: Oid;
};

export type SqlCast = {
  readonly sourceType: Oid;
  readonly targetType: Oid;
  readonly context: 'implicit' | 'assignment' | 'explicit';
  /** Absent for binary-coercible and I/O casts. */
  readonly functionOid?: Oid;
};
