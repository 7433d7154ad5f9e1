/** From a name to a relation, and from a relation to the columns and effects of reading it. */
import { child, flag, text, type Tree } from './ast.ts';
import { columnKey, type Oid, type Relation, type RelationColumn } from './catalog.ts';
import type { Context } from './context.ts';
import { callFunctions } from './functions.ts';
import { type ColumnRead, mergeCarried, type RangeItem, type ScopeColumn, type Sensitive, type Shape } from './scope.ts';
import { touchType } from './type-names.ts';

/** Resolves a relation name over the search path, temporary relations first unless the path places them. */
export function resolveRelation(context: Context, schema: string | undefined, name: string): Relation | undefined {
  const { catalog, state } = context.environment;
  const temporary = state.tempSchema;
  if (schema !== undefined) {
    if (schema === 'pg_temp' || schema === temporary) return findTemporary(context, name);
    return catalog.relationsByName.get(schema)?.get(name);
  }
  const path = context.path;
  if (context.tempVisible && (temporary === undefined || !path.includes(temporary))) {
    const found = findTemporary(context, name);
    if (found !== undefined) return found;
  }
  if (!path.includes('pg_catalog')) {
    const found = catalog.relationsByName.get('pg_catalog')?.get(name);
    if (found !== undefined) return found;
  }
  for (const entry of path) {
    const found = entry === temporary || entry === 'pg_temp' ? findTemporary(context, name) : catalog.relationsByName.get(entry)?.get(name);
    if (found !== undefined) return found;
  }
  return undefined;
}

function findTemporary(context: Context, name: string): Relation | undefined {
  for (const relation of context.environment.state.tempRelations) if (relation.name === name) return relation;
  return undefined;
}

/** The relation that a `RangeVar` names; reports `unknown` where it names none that is known. */
export function relationOf(context: Context, rangeVar: Tree): Relation | undefined {
  const name = text(rangeVar, 'relname') ?? '';
  const schema = text(rangeVar, 'schemaname');
  const relation = resolveRelation(context, schema, name);
  if (relation === undefined) {
    context.unknown(`relation ${schema === undefined ? name : `${schema}.${name}`}`);
    return undefined;
  }
  context.reach(relation.oid, relation.definitionHash);
  return relation;
}

/** [schema, name]: the resource path of a relation. */
export function relationPath(relation: Relation): readonly string[] {
  return [relation.schema, relation.name];
}

export function relationLabel(relation: Relation): string {
  return `${relation.schema}.${relation.name}`;
}

/** A relation with everything below it by inheritance or partitioning, itself first. */
export function withDescendants(context: Context, relation: Relation): readonly Relation[] {
  if (relation.children.length === 0) return [relation];
  const seen = new Set<Oid>([relation.oid]);
  const all: Relation[] = [relation];
  for (let i = 0; i < all.length; i += 1) {
    for (const oid of all[i]?.children ?? []) {
      if (seen.has(oid)) continue;
      seen.add(oid);
      const below = context.relation(oid);
      if (below === undefined) context.unknown(`a child of ${relationLabel(relation)}`);
      else all.push(below);
    }
  }
  return all;
}

/** A memo, not state: goes with its snapshot. Targets have partitions by the thousand. */
const columnNames = new WeakMap<Relation, ReadonlyMap<string, RelationColumn>>();

function columnOf(relation: Relation, name: string): RelationColumn | undefined {
  let names = columnNames.get(relation);
  if (names === undefined) {
    names = new Map(relation.columns.map((column) => [column.name, column]));
    columnNames.set(relation, names);
  }
  return names.get(name);
}

/** What a column of a base relation carries: itself, its namesakes in children, and what it is generated from. */
function carriedBy(context: Context, family: readonly Relation[], column: RelationColumn): readonly Sensitive[] {
  const { sensitive } = context.environment;
  if (sensitive.size === 0) return [];
  const carried: Sensitive[] = [];
  for (const relation of family) {
    const own = relation === family[0] ? column : columnOf(relation, column.name);
    if (own === undefined) continue;
    for (const attnum of [own.attnum, ...(own.generatedFrom ?? [])]) {
      const key = columnKey(relation.oid, attnum);
      if (!sensitive.has(key)) continue;
      carried.push(sensitiveColumn(relation, attnum));
    }
  }
  return carried;
}

function sensitiveColumn(relation: Relation, attnum: number): Sensitive {
  const name = relation.columns.find((one) => one.attnum === attnum)?.name ?? String(attnum);
  const unique = relation.uniqueKeys.some((columns) => columns.length === 1 && columns[0] === attnum);
  const constrained = relation.constrained.includes(attnum) || relation.uniqueKeys.some((columns) => columns.includes(attnum));
  return { key: columnKey(relation.oid, attnum), name: `${relation.schema}.${relation.name}.${name}`, unique, constrained };
}

/** The columns of a base relation as range table columns; no effects. */
export function baseColumns(context: Context, relation: Relation, inherit = true): readonly ScopeColumn[] {
  const family = inherit ? withDescendants(context, relation) : [relation];
  return relation.columns.map((column) => {
    const reads: ColumnRead[] = [];
    for (const member of family) {
      const own = member === relation ? column : columnOf(member, column.name);
      if (own === undefined) continue;
      reads.push({
        relation: member,
        column: own,
        via: member === relation ? context.via : (context.via ?? `parent ${relationLabel(relation)}`),
      });
    }
    return { name: column.name, carries: carriedBy(context, family, column), origin: { relation, column }, reads, typeOid: column.typeOid };
  });
}

/** Whether any column of the relation or its children is sensitive itself, or generated from one that is. */
export function hasSensitive(context: Context, relation: Relation): boolean {
  if (context.environment.sensitive.size === 0) return false;
  return baseColumns(context, relation).some((column) => column.carries.length > 0);
}

/** Reads a relation in FROM: its effects, those of a view's definition, and its columns. */
export function readRelation(context: Context, relation: Relation, inherit: boolean): Shape {
  switch (relation.kind) {
    case 'index':
    case 'composite':
    case 'toast':
      context.unknown(`${relation.kind} ${relationLabel(relation)}`);
      return { columns: [], open: true, rows: -1, unfiltered: true };
    case 'table':
    case 'partitioned':
    case 'view':
    case 'materialized':
    case 'foreign':
    case 'sequence':
      break;
  }
  const family = inherit ? withDescendants(context, relation) : [relation];
  for (const member of family) {
    context.effect(
      'select',
      'Table',
      relationPath(member),
      member === relation ? context.via : (context.via ?? `parent ${relationLabel(relation)}`),
    );
    context.reach(member.oid, member.definitionHash);
    for (const oid of member.readFunctions) callFunctions(context, [oid], `row security of ${relationLabel(member)}`);
    if (member.kind === 'foreign') context.reachOpaque();
    if (member.rules.some((rule) => rule.event === 'select')) {
      context.reachOpaque();
      context.through(`rule on ${relationLabel(member)}`, () => context.unknown('a rule'));
    }
  }
  const columns = baseColumns(context, relation, inherit);
  if (isServerView(relation)) return { columns, open: false, rows: -1, unfiltered: false };
  if (relation.kind === 'view' || relation.kind === 'materialized') return throughDefinition(context, relation, columns);
  const rows = estimate(family);
  // PostgreSQL's own catalogs are what drivers read in full all day.
  return { columns, open: false, rows, unfiltered: relation.schema !== 'pg_catalog' && relation.kind !== 'sequence' };
}

/**
 * PostgreSQL's own views are read as what they are: their columns that hold data are masked by name (`dataHoldingColumns`),
 * the `select` on them is what policy judges, and how they are made differs from version to version.
 */
function isServerView(relation: Relation): boolean {
  if (relation.kind !== 'view' || relation.oid >= FIRST_USER_OID || !SERVER_SCHEMAS.has(relation.schema)) return false;
  return !READS_FILES.has(relation.name);
}

/** Views over functions that read the server's files or memory: calling those is an effect of its own. */
const READS_FILES: ReadonlySet<string> = new Set([
  'pg_backend_memory_contexts',
  'pg_config',
  'pg_file_settings',
  'pg_hba_file_rules',
  'pg_ident_file_mappings',
  'pg_shadow',
  'pg_shmem_allocations',
]);

/** FirstNormalObjectId (`access/transam.h`). */
const FIRST_USER_OID = 16_384;
const SERVER_SCHEMAS: ReadonlySet<string> = new Set(['pg_catalog', 'information_schema']);

/** A partitioned parent has no rows of its own; a relation that was never analyzed says so with -1. */
function estimate(family: readonly Relation[]): number {
  let sum = 0;
  for (const member of family) {
    if (member.kind === 'partitioned') continue;
    if (member.estimatedRows < 0) return -1;
    sum += member.estimatedRows;
  }
  return sum;
}

function throughDefinition(context: Context, relation: Relation, columns: readonly ScopeColumn[]): Shape {
  const inner = context.walkers.view(context, relation);
  if (inner.open || inner.columns.length !== columns.length) {
    context.unknown(`the definition of ${relationLabel(relation)}`);
    // Which output carries what is not known: each may carry all.
    const all = inner.columns.reduce<readonly Sensitive[]>((sum, column) => mergeCarried(sum, column.carries), []);
    return { ...inner, columns: columns.map((column) => ({ ...column, carries: mergeCarried(column.carries, all) })), open: false };
  }
  const merged = columns.map((column, i) => {
    const below = inner.columns[i];
    if (below === undefined) return column;
    if (column.carries.length === 0) for (const use of below.uses ?? []) context.uses.set(`${use.column} ${use.use}`, use);
    return { ...column, carries: mergeCarried(column.carries, below.carries) };
  });
  const rows = relation.kind === 'materialized' ? relation.estimatedRows : inner.rows;
  return { columns: merged, open: false, rows, unfiltered: relation.kind === 'materialized' || inner.unfiltered };
}

/** Reports a column as read. */
export function readColumn(context: Context, column: ScopeColumn): void {
  for (const read of column.reads) {
    context.effect('select', 'Table', relationPath(read.relation), read.via);
    context.effect('select', 'Column', [read.relation.schema, read.relation.name, read.column.name], read.via);
    touchType(context, read.column.typeOid);
  }
}

/** The range table entry of a base relation: qualified by its alias, or by its own name with or without schema. */
export function relationItem(relation: Relation | undefined, rangeVar: Tree, shape: Shape): RangeItem {
  const alias = child(rangeVar, 'alias');
  const name = (alias && text(alias, 'aliasname')) ?? text(rangeVar, 'relname') ?? '';
  const item = { alias: name, columns: shape.columns, open: shape.open, system: relation !== undefined };
  return alias === undefined && relation !== undefined ? { ...item, schema: relation.schema } : item;
}

/** Whether the reference includes children: everything but `ONLY t`. */
export function inherits(rangeVar: Tree): boolean {
  return flag(rangeVar, 'inh');
}
