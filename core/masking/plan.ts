/** From what a statement can return, and whose values those are, to what happens to each cell. */
import type { Catalog, ColumnKey, Oid } from '../statement/sql/catalog.ts';
import type { OutputColumn } from '../statement/sql/reading.ts';
import type { ColumnFormat } from './column-type.ts';
import type { CellPlan, ResultPlan } from './result-plan.ts';
import type { BoundMask, BoundMasks, MaskMethod } from './rules.ts';

/**
 * A column that can carry several masked columns (UNION ALL) is redacted unless all of their methods are equal; it is
 * clear only when policy reveals every one of them. A sensitive column without a bound mask is redacted too: the lineage
 * and the masks then come from different catalogs, and the stricter answer holds.
 */
export function planResult(
  output: readonly Pick<OutputColumn, 'sensitive'>[],
  masks: BoundMasks,
  revealed: ReadonlySet<ColumnKey>,
  detectors: readonly string[],
): ResultPlan {
  return { cells: output.map((column) => cellPlan(column.sensitive, masks, revealed)), detectors: [...detectors] };
}

function cellPlan(sensitive: readonly ColumnKey[], masks: BoundMasks, revealed: ReadonlySet<ColumnKey>): CellPlan {
  const hidden = sensitive.filter((column) => !revealed.has(column)).map((column) => masks.get(column) ?? unbound(column));
  const first = hidden[0];
  if (first === undefined) return { kind: 'clear' };
  const method: MaskMethod = hidden.every((mask) => sameMethod(mask.method, first.method)) ? first.method : { kind: 'redact' };
  return { kind: 'mask', mask: { ...first, method, notNull: hidden.some((mask) => mask.notNull) } };
}

/** Whether two methods mask alike. */
export function sameMethod(a: MaskMethod, b: MaskMethod): boolean {
  if (a.kind === 'partial' && b.kind === 'partial') return a.keepFirst === b.keepFirst && a.keepLast === b.keepLast;
  return a.kind === b.kind;
}

function unbound(column: ColumnKey): BoundMask {
  return { column, columnName: column, method: { kind: 'redact' }, notNull: false, source: 'no bound mask' };
}

/**
 * Column formats for COPY, whose CopyOutResponse tells no types: those of the masked columns are read from the catalog,
 * all others are unknown (0), and handled as text.
 */
export function copyColumns(plan: ResultPlan, catalog: Catalog, format: 0 | 1): readonly ColumnFormat[] {
  return plan.cells.map((cell) => ({ typeOid: cell.kind === 'mask' ? typeOf(cell.mask.column, catalog) : 0, typmod: -1, format }));
}

function typeOf(column: ColumnKey, catalog: Catalog): Oid {
  const [relation, attnum] = column.split('.').map(Number);
  return catalog.relations.get(relation ?? 0)?.columns.find((candidate) => candidate.attnum === attnum)?.typeOid ?? 0;
}
