/** Masking rules name columns; masks hold for (oid, attnum) and follow the data to where PostgreSQL keeps copies of it. */
import { columnKey, type Catalog, type ColumnKey, type Oid, type Relation, type RelationColumn } from '../statement/sql/catalog.ts';
import { readersOf } from './data-readers.ts';
import { sameMethod } from './plan.ts';
import type { BoundMask, BoundMasks, MaskMethod, MaskRule } from './rules.ts';

export type BindProblem = { readonly rule: MaskRule; readonly reason: string };
export type BindResult = { readonly masks: BoundMasks } | { readonly problems: readonly BindProblem[] };

/** A column of the system catalogs that holds data of tables: samples, statement texts. */
export type SystemColumn = { readonly schema: string; readonly relation: string; readonly column: string };

/**
 * The masked columns that each column of a materialized view carries, in order; undefined when any of it is unclear, or
 * the definition uses a masked column otherwise than as a bare output.
 */
export type MaterializedLineage = (view: Relation, masks: BoundMasks) => readonly (readonly ColumnKey[])[] | undefined;

/** A rule, and a column that it once meant by name: it means that one for as long as it exists. */
export type PinnedMask = { readonly rule: MaskRule; readonly column: ColumnKey };

/** What each rule of a target means by name now: what to hold on to when something is renamed. */
export function pinnedMasks(rules: readonly MaskRule[], catalog: Catalog, target: string): readonly PinnedMask[] {
  return rules.flatMap((rule) => {
    const found = rule.target === target ? resolve(rule, catalog) : '';
    return typeof found === 'string' ? [] : [{ rule, column: columnKey(found.relation.oid, found.column.attnum) }];
  });
}

/** `source` of masks that no rule asked for. */
export const BUILT_IN_SOURCE = 'built in';

const REDACT: MaskMethod = { kind: 'redact' };
const TABLE_KINDS: ReadonlySet<Relation['kind']> = new Set(['table', 'partitioned', 'foreign', 'materialized']);

/**
 * Binds the rules of one target, or says why it must stay closed. Masks follow inheritance and partitioning both ways by
 * column name, generated columns (redacted), and materialized views. A plain view holds nothing: the analyzer expands it,
 * so a rule on one would not hold and is a problem. `systemColumns` that this version does not have are left out.
 */
export function bindMasks(
  rules: readonly MaskRule[],
  catalog: Catalog,
  target: string,
  systemColumns: readonly SystemColumn[],
  lineage?: MaterializedLineage,
  pinned: readonly PinnedMask[] = [],
): BindResult {
  const problems: BindProblem[] = [];
  const masks = new Map<ColumnKey, BoundMask>();
  for (const rule of rules.filter((candidate) => candidate.target === target)) {
    const found = resolve(rule, catalog);
    if (typeof found === 'string') {
      problems.push({ rule, reason: found });
      continue;
    }
    const mask = bound(found.relation, found.column, rule.method, rule.source);
    const other = masks.get(mask.column);
    if (other !== undefined && !sameMethod(other.method, mask.method)) {
      problems.push({ rule, reason: `${mask.columnName} is masked in another way by ${other.source}` });
    }
    masks.set(mask.column, mask);
  }
  if (problems.length > 0) return { problems };
  for (const { rule: former, column: key } of pinned) {
    const rule = rules.find((candidate) => sameColumn(candidate, former));
    const found = masks.has(key) || rule === undefined ? undefined : columnOf(catalog, key);
    if (rule !== undefined && found !== undefined) masks.set(key, bound(found.relation, found.column, rule.method, rule.source));
  }
  new Follower(catalog, masks, lineage).follow();
  for (const { schema, relation: name, column: columnName } of systemColumns) {
    const relation = catalog.relationsByName.get(schema)?.get(name);
    const column = relation?.columns.find((candidate) => candidate.name === columnName);
    if (relation !== undefined && column !== undefined && !masks.has(columnKey(relation.oid, column.attnum))) {
      masks.set(columnKey(relation.oid, column.attnum), bound(relation, column, REDACT, BUILT_IN_SOURCE));
    }
  }
  return { masks };
}

/** Whether rules mask anything here: then the target's messages are rebuilt (`error-text.ts`). */
export function hasRuleMasks(masks: BoundMasks): boolean {
  for (const mask of masks.values()) if (mask.source !== BUILT_IN_SOURCE) return true;
  return false;
}

function resolve(rule: MaskRule, catalog: Catalog): { relation: Relation; column: RelationColumn } | string {
  const relation = catalog.relationsByName.get(rule.schema)?.get(rule.table);
  if (relation === undefined) return `there is no relation ${rule.schema}.${rule.table}`;
  if (relation.kind === 'view') {
    return `${rule.schema}.${rule.table} is a view: mask the columns of the tables it reads, and the view follows`;
  }
  if (!TABLE_KINDS.has(relation.kind)) return `${rule.schema}.${rule.table} is a relation without rows to mask`;
  const column = relation.columns.find((candidate) => candidate.name === rule.column);
  if (column === undefined) return `${rule.schema}.${rule.table} has no column ${rule.column}`;
  const { method } = rule;
  if (method.kind === 'partial' && !(isCount(method.keepFirst) && isCount(method.keepLast))) {
    return 'keepFirst and keepLast must be whole numbers from 0';
  }
  return { relation, column };
}

function sameColumn(left: MaskRule, right: MaskRule): boolean {
  return left.target === right.target && left.schema === right.schema && left.table === right.table && left.column === right.column;
}

function columnOf(catalog: Catalog, key: ColumnKey): { relation: Relation; column: RelationColumn } | undefined {
  const [oid = '', attnum = ''] = key.split('.');
  const relation = catalog.relations.get(Number(oid));
  const column = relation?.columns.find((candidate) => candidate.attnum === Number(attnum));
  return relation === undefined || column === undefined ? undefined : { relation, column };
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function bound(relation: Relation, column: RelationColumn, method: MaskMethod, source: string): BoundMask {
  return {
    column: columnKey(relation.oid, column.attnum),
    columnName: `${relation.schema}.${relation.name}.${column.name}`,
    method,
    notNull: column.notNull,
    source,
  };
}

/** Adds the masks that follow from those of the rules, until nothing new follows. Rules are never overridden. */
class Follower {
  private readonly catalog: Catalog;
  private readonly masks: Map<ColumnKey, BoundMask>;
  private readonly lineage: MaterializedLineage | undefined;
  private readonly ruled: ReadonlySet<ColumnKey>;
  private readonly pending: BoundMask[];
  private readonly references = new Map<Oid, { from: Relation; columns: readonly number[]; referenced: readonly number[] }[]>();

  constructor(catalog: Catalog, masks: Map<ColumnKey, BoundMask>, lineage: MaterializedLineage | undefined) {
    this.catalog = catalog;
    this.masks = masks;
    this.lineage = lineage;
    this.ruled = new Set(masks.keys());
    this.pending = [...masks.values()];
    for (const from of catalog.relations.values()) {
      for (const { relation, columns, referenced } of from.references ?? []) {
        const known = this.references.get(relation) ?? [];
        known.push({ from, columns, referenced });
        this.references.set(relation, known);
      }
    }
  }

  follow(): void {
    do {
      this.followTables();
      this.followMaterialized();
    } while (this.pending.length > 0);
  }

  private followTables(): void {
    for (let mask = this.pending.pop(); mask !== undefined; mask = this.pending.pop()) {
      const found = columnOf(this.catalog, mask.column);
      if (found === undefined) continue;
      const { relation, column } = found;
      for (const kin of [...relation.parents, ...relation.children]) {
        const other = this.catalog.relations.get(kin);
        const same = other?.columns.find((candidate) => candidate.name === column.name);
        if (other !== undefined && same !== undefined) this.add(bound(other, same, mask.method, mask.source));
      }
      for (const computed of relation.columns) {
        if (computed.generatedFrom?.includes(column.attnum) === true) this.add(bound(relation, computed, REDACT, mask.source));
      }
      for (const { relation: other, column: referring } of this.referring(relation, column)) {
        this.add(bound(other, referring, mask.method, mask.source));
      }
    }
  }

  /** Columns whose foreign key refers to this one: their values are values of it. */
  private referring(relation: Relation, column: RelationColumn): { relation: Relation; column: RelationColumn }[] {
    return (this.references.get(relation.oid) ?? []).flatMap(({ from, columns, referenced }) => {
      const attnum = columns[referenced.indexOf(column.attnum)];
      const referring = from.columns.find((candidate) => candidate.attnum === attnum);
      return referring === undefined ? [] : [{ relation: from, column: referring }];
    });
  }

  private followMaterialized(): void {
    const masked = new Set([...this.masks.keys()].map((key) => Number(key.split('.')[0])));
    for (const view of readersOf(this.catalog, masked)) {
      if (view.kind !== 'materialized') continue;
      const known = this.lineage?.(view, this.masks);
      view.columns.forEach((column, i) => {
        const sources = known?.length === view.columns.length ? known[i] : undefined;
        const mask = sources === undefined ? this.guess(view, column) : this.carried(view, column, sources);
        if (mask !== undefined) this.add(mask);
      });
    }
  }

  /** Without lineage: a column of the same name has the same mask, and all others are redacted, since any may be an alias. */
  private guess(view: Relation, column: RelationColumn): BoundMask {
    const sameName = [...this.masks.values()].filter(
      (mask) => mask.columnName.endsWith(`.${column.name}`) && mask.source !== BUILT_IN_SOURCE && !mask.column.startsWith(`${view.oid}.`),
    );
    const first = sameName[0];
    const agree = first !== undefined && sameName.every((mask) => sameMethod(mask.method, first.method));
    return bound(view, column, agree ? first.method : REDACT, first?.source ?? 'materialized view of masked columns');
  }

  private carried(view: Relation, column: RelationColumn, sources: readonly ColumnKey[]): BoundMask | undefined {
    const carried = sources.map((source) => this.masks.get(source)).filter((mask) => mask !== undefined);
    const first = carried[0];
    if (first === undefined) return sources.length === 0 ? undefined : bound(view, column, REDACT, 'materialized view of masked columns');
    const agree = carried.length === sources.length && carried.every((mask) => sameMethod(mask.method, first.method));
    return bound(view, column, agree ? first.method : REDACT, first.source);
  }

  /** Two ways to the same column that differ in method meet in `redact`. */
  private add(mask: BoundMask): void {
    if (this.ruled.has(mask.column)) return;
    const other = this.masks.get(mask.column);
    if (other !== undefined && (sameMethod(other.method, mask.method) || other.method.kind === 'redact')) return;
    const added = other === undefined ? mask : { ...mask, method: REDACT };
    this.masks.set(mask.column, added);
    this.pending.push(added);
  }
}
