import { expect, test } from 'vitest';
import { copyColumns, planResult } from '../../../core/masking/plan.ts';
import type { BoundMask, MaskMethod } from '../../../core/masking/rules.ts';
import type { ColumnKey } from '../../../core/statement/sql/catalog.ts';
import { catalogOf, relation } from './catalogs.ts';

const PARTIAL: MaskMethod = { kind: 'partial', keepFirst: 0, keepLast: 4 };
const MASKS = new Map<ColumnKey, BoundMask>(
  (
    [
      ['1.1', PARTIAL, true],
      ['1.2', PARTIAL, false],
      ['1.3', { kind: 'partial', keepFirst: 4, keepLast: 0 }, false],
      ['1.4', { kind: 'hash' }, false],
    ] as const
  ).map(([column, method, notNull]) => [column, { column, columnName: `public.t.c${column}`, method, notNull, source: 'masking.yaml:1' }]),
);

function kinds(sensitive: readonly ColumnKey[][], revealed: readonly ColumnKey[] = []): string[] {
  return planResult(
    sensitive.map((columns) => ({ sensitive: columns })),
    MASKS,
    new Set(revealed),
    [],
  ).cells.map((cell) => (cell.kind === 'mask' ? cell.mask.method.kind : 'clear'));
}

test('a column is masked as its one source is', () => {
  expect(kinds([[], ['1.1'], ['1.4']])).toEqual(['clear', 'partial', 'hash']);
});

test('sources that are masked alike stay so, others are redacted', () => {
  expect(
    kinds([
      ['1.1', '1.2'],
      ['1.1', '1.3'],
      ['1.1', '1.4'],
    ]),
  ).toEqual(['partial', 'redact', 'redact']);
});

test('a column is clear only when all of its sources are revealed', () => {
  expect(kinds([['1.1'], ['1.1', '1.4'], ['1.4', '1.3']], ['1.1', '1.4'])).toEqual(['clear', 'clear', 'partial']);
});

test('a sensitive column that no mask is bound to is redacted', () => {
  expect(kinds([['9.9']])).toEqual(['redact']);
  expect(kinds([['9.9', '1.1']])).toEqual(['redact']);
});

test('a value from a NOT NULL column is never null by its mask, whatever else it comes from', () => {
  const [cell] = planResult([{ sensitive: ['1.2', '1.1'] }], MASKS, new Set(), ['email']).cells;
  expect(cell).toMatchObject({ kind: 'mask', mask: { notNull: true } });
});

test('COPY takes the types of masked columns from the catalog', () => {
  const catalog = catalogOf([relation({ oid: 1, name: 't', columns: ['a', 'b'] })]);
  const plan = planResult([{ sensitive: ['1.2'] }, { sensitive: [] }, { sensitive: ['9.9'] }], MASKS, new Set(), []);
  expect(copyColumns(plan, catalog, 1).map((column) => column.typeOid)).toEqual([25, 0, 0]);
});
