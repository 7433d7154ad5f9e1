/** Masks and detectors of a COPY, by column: the same as for DataRow, with the types that the caller knows. */
import type { Oid, SqlType } from '../statement/sql/catalog.ts';
import { chosenDetectors } from './apply.ts';
import { cellDetector, type CellDetector } from './cell-detection.ts';
import { columnType, type ColumnFormat } from './column-type.ts';
import type { CopyOptions } from './copy-format.ts';
import type { DetectorSet } from './detectors.ts';
import type { MaskKeys } from './keyed.ts';
import { MalformedRow } from './malformed-row.ts';
import { cellMask, type CellMask } from './methods.ts';
import type { ResultPlan } from './result-plan.ts';

export type CopyPlan = {
  readonly plan: ResultPlan;
  /** Types of the columns, as far as they are known (0 where not). */
  readonly columns: readonly ColumnFormat[];
  readonly copy: CopyOptions;
  readonly keys: MaskKeys;
  readonly detectors: DetectorSet;
  readonly types?: ReadonlyMap<Oid, SqlType>;
};

export type CopyCells = {
  readonly masks: readonly (CellMask | undefined)[];
  readonly cells: readonly (CellDetector | undefined)[];
  readonly detectors: DetectorSet;
};

/** Throws MalformedRow when plan and columns differ in number, BadDetector for a detector that was not compiled. */
export function copyCells(options: CopyPlan): CopyCells {
  const { plan, columns, types } = options;
  if (columns.length !== plan.cells.length) throw new MalformedRow('the COPY has another number of columns than was planned');
  const format = options.copy.format === 'binary' ? 1 : 0;
  const detectors = chosenDetectors(plan, options.detectors);
  const masks = columns.map((column, i) => {
    const cell = plan.cells[i];
    return cell?.kind === 'mask' ? cellMask(cell.mask, { ...column, format }, options.keys, types) : undefined;
  });
  const cells = columns.map((column, i) =>
    masks[i] === undefined ? cellDetector(columnType(column.typeOid, column.typmod, types), format, detectors) : undefined,
  );
  return { masks, cells, detectors };
}
