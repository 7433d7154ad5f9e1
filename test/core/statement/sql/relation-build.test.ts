import { expect, test } from 'vitest';
import { Dependencies, type CodeSources } from '../../../../core/statement/sql/code-reach.ts';
import { relationSteps, type RelationRows } from '../../../../core/statement/sql/relation-build.ts';
import { atOnce, flag, integers, text } from '../../../../core/statement/sql/snapshot-rows.ts';

const NONE: RelationRows = {
  relations: [],
  columns: [],
  views: [],
  rules: [],
  triggers: [],
  inherits: [],
  indexes: [],
  constraints: [],
  defaults: [],
  policies: [],
};
const NO_CODE: CodeSources = { functions: new Map(), operators: new Map(), opclasses: new Map(), typeCode: () => [] };
const TABLE = ['500', 't', 'public', 'r', 'p', '1e+06', 'f'];

function build(rows: Partial<RelationRows>, dependencies: readonly string[][] = [], table: readonly string[] = TABLE) {
  const steps = relationSteps({ ...NONE, relations: [table], ...rows }, new Dependencies(dependencies), {
    ...NO_CODE,
    isChecked: () => false,
  });
  const [relation] = atOnce(steps).values();
  if (relation === undefined) throw new Error('nothing was built');
  return relation;
}

test.each([
  ['v', [20_000], [20_000]],
  ['s', [20_000], []],
  ['', [], []],
])('code of a column generated as "%s" runs on writing %j and on reading %j', (generated, onWrite, onRead) => {
  const { writeFunctions, readFunctions, columns } = build(
    { columns: [['500', '2', 'b', '25', 'f', generated]], defaults: [['900', '500', '2', '7']] },
    [
      ['2604', '900', '0', '1255', '20000', '0'],
      ['2604', '900', '0', '1259', '500', '1'],
    ],
  );
  expect({ writeFunctions, readFunctions }).toEqual({ writeFunctions: onWrite, readFunctions: onRead });
  expect(columns[0]?.generatedFrom).toEqual(generated === '' ? undefined : [1]);
});

test('a function that the snapshot does not hold is taken for code', () => {
  const { writeFunctions } = build({ indexes: [['600', '500', '0', '1', 'f', 'f', 'f', '7']] }, [
    ['1259', '600', '0', '1255', '31000', '0'],
  ]);
  expect(writeFunctions).toEqual([31_000]);
});

test.each([
  ['operator', '2617'],
  ['operator class', '2616'],
])('an %s that the snapshot does not hold is taken for code', (_what, refClass) => {
  const { writeFunctions } = build({ indexes: [['600', '500', '0', '1', 'f', 'f', 'f', '7']] }, [
    ['1259', '600', '0', refClass, '31000', '0'],
  ]);
  expect(writeFunctions).toEqual([31_000]);
});

test('estimates are read in every form of a float, and are unknown where nothing was counted', () => {
  expect(build({}).estimatedRows).toBe(1_000_000);
  expect(build({}, [], TABLE.with(5, '-1')).estimatedRows).toBe(-1);
  expect(build({}, [], TABLE.with(5, 'NaN')).estimatedRows).toBe(-1);
  expect(build({}, [], TABLE.with(3, 'v')).estimatedRows).toBe(-1);
});

test('a temporal or partial unique index is no key to look up by', () => {
  const index = (exclusion: string, plain: string) => build({ indexes: [['600', '500', '1 2', '2', 't', exclusion, plain, '7']] });
  expect(index('f', 't')).toMatchObject({ uniqueKeys: [[1, 2]], constrained: [] });
  expect(index('t', 't')).toMatchObject({ uniqueKeys: [], constrained: [1, 2] });
  expect(index('f', 'f')).toMatchObject({ uniqueKeys: [], constrained: [1, 2] });
});

test('included columns are no part of a key', () => {
  expect(build({ indexes: [['600', '500', '1 2', '1', 't', 'f', 't', '7']] }).uniqueKeys).toEqual([[1]]);
});

test('a kind of relation that is not known is refused', () => {
  expect(() => build({}, [], TABLE.with(3, 'g'))).toThrow(expect.objectContaining({ code: 'snapshot-malformed' }));
});

test('cells of another shape are refused', () => {
  expect(() => integers(['1 x'], 0)).toThrow(/no whole number/u);
  expect(() => flag(['yes'], 0)).toThrow(/no boolean/u);
  expect(() => text([null], 0)).toThrow(/missing/u);
  expect([integers(['{1,2}'], 0), integers(['1 2'], 0), integers([null], 0), integers([''], 0)]).toEqual([[1, 2], [1, 2], [], []]);
});

test('what a check or a foreign key reads together is told, and where a foreign key takes its values from', () => {
  const { checkedTogether, references } = build({
    columns: [
      ['500', '1', 'a', '25', 'f', ''],
      ['500', '2', 'b', '25', 'f', ''],
    ],
    constraints: [
      ['700', '500', '0', 'c', '1 2', '0', ' ', ' ', '', '7'],
      ['701', '500', '0', 'f', '2', '600', 'a', 'a', '3', '7'],
    ],
  });
  expect(checkedTogether).toEqual([[1, 2]]);
  expect(references).toEqual([{ columns: [2], relation: 600, referenced: [3] }]);
});
