/** What verdicts of one session rest on, put together from the parts: the same for the wire and for explanations. */
import { BUILT_IN_SOURCE, bindMasks, type MaterializedLineage, type PinnedMask } from '../masking/bind.ts';
import { SallyportError } from '../errors.ts';
import type { BoundMasks } from '../masking/rules.ts';
import type { Bundle } from '../policy/bundle.ts';
import type { Principal } from '../principal.ts';
import { columnKey, type Catalog, type ColumnKey, type Oid } from '../statement/sql/catalog.ts';
import { dataHoldingColumns } from '../statement/sql/data-holding-columns.ts';
import { OPAQUE_COLUMN } from '../statement/sql/opaque-value.ts';
import type { SessionState } from '../statement/sql/session-state.ts';

/** Everything that a verdict depends on besides the text. Two equal views give equal verdicts. */
export type View = {
  readonly principal: Principal;
  readonly target: string;
  readonly bundle: Bundle;
  readonly catalog: Catalog;
  readonly state: SessionState;
  readonly masks: BoundMasks;
  /** Columns of `masks` that policy lets this principal see. */
  readonly revealed: ReadonlySet<ColumnKey>;
  /** Whether columns are masked for this principal beyond those of the system catalogs. */
  readonly hidden: boolean;
  /** Functions that run nothing but PostgreSQL's own, harmless code. */
  readonly isSafe: (oid: Oid) => boolean;
};

/** A masking rule resolves to nothing on this target: it stays closed until rule or target is mended. */
export class TargetClosed extends SallyportError {
  readonly code = 'target-closed';
}

/** A full read of a table from this many rows on counts as an export (`context.fullExport`). */
export const FULL_EXPORT_ROWS = 10_000;

/**
 * Binds the masks of a bundle to a target's catalog. `pinned` is what its rules were bound to before. Throws TargetClosed,
 * naming the rule and where it stands.
 */
export function masksOf(
  bundle: Bundle,
  catalog: Catalog,
  target: string,
  lineage?: MaterializedLineage,
  pinned: readonly PinnedMask[] = [],
): BoundMasks {
  const bound = bindMasks(bundle.masks, catalog, target, systemColumns(catalog), lineage, pinned);
  if ('masks' in bound) return bound.masks;
  const reasons = bound.problems.map(({ rule, reason }) => `${rule.source}: ${reason}`).join('; ');
  throw new TargetClosed(`masking rules do not resolve on target "${target}": ${reasons}`);
}

export function viewOf(parts: {
  readonly principal: Principal;
  readonly target: string;
  readonly bundle: Bundle;
  readonly catalog: Catalog;
  readonly state: SessionState;
  readonly masks: BoundMasks;
  readonly isSafe: (oid: Oid) => boolean;
}): View {
  const { principal, target, bundle, catalog, masks } = parts;
  const revealed = new Set<ColumnKey>();
  let hidden = false;
  for (const mask of masks.values()) {
    // What PostgreSQL itself keeps of everyone's data is nobody's to see.
    if (mask.source === BUILT_IN_SOURCE) continue;
    const path = columnPath(catalog, mask.column);
    if (path !== undefined && bundle.policies.reveals(principal, target, { type: 'Column', path })) revealed.add(mask.column);
    else hidden = true;
  }
  // What code that cannot be read returns may be any masked value: it is shown to whoever may see all of them.
  if (!hidden) revealed.add(OPAQUE_COLUMN);
  return { ...parts, revealed, hidden };
}

/** Schema, relation and column of a key, as policy names them. */
export function columnPath(catalog: Catalog, key: ColumnKey): readonly string[] | undefined {
  const [oid = '', attnum = ''] = key.split('.');
  const relation = catalog.relations.get(Number(oid));
  const column = relation?.columns.find((candidate) => candidate.attnum === Number(attnum));
  return relation === undefined || column === undefined ? undefined : [relation.schema, relation.name, column.name];
}

/** Columns of PostgreSQL's own relations that hold data of others, TOAST tables included. */
function systemColumns(catalog: Catalog): { readonly schema: string; readonly relation: string; readonly column: string }[] {
  const held = dataHoldingColumns(catalog);
  const found = [];
  for (const { oid, schema, name, columns } of catalog.relations.values()) {
    for (const column of columns) {
      if (held.has(columnKey(oid, column.attnum))) found.push({ schema, relation: name, column: column.name });
    }
  }
  return found;
}
