import { describe, expect, test } from 'vitest';
import { bindMasks, hasRuleMasks, type MaterializedLineage, pinnedMasks } from '../../../core/masking/bind.ts';
import type { MaskMethod, MaskRule } from '../../../core/masking/rules.ts';
import type { Catalog } from '../../../core/statement/sql/catalog.ts';
import { catalogOf, relation, sqlFunction } from './catalogs.ts';

const PARTIAL: MaskMethod = { kind: 'partial', keepFirst: 0, keepLast: 4 };

function rule(path: string, method: MaskMethod = PARTIAL, target = 'bank'): MaskRule {
  const [schema = '', table = '', column = ''] = path.split('.');
  return { target, schema, table, column, method, source: 'masking.yaml:7' };
}

/** `public.t.c partial`, sorted. */
function masked(rules: readonly MaskRule[], catalog: Catalog, lineage?: MaterializedLineage): string[] {
  const bound = bindMasks(rules, catalog, 'bank', [], lineage);
  if ('problems' in bound) throw new Error(bound.problems.map((problem) => problem.reason).join('; '));
  return [...bound.masks.values()].map((mask) => `${mask.columnName} ${mask.method.kind}`).toSorted();
}

const customers = relation({ oid: 1, name: 'customers', columns: ['id', 'ssn', 'name'], notNull: ['ssn'] });

describe('rules', () => {
  test('a rule binds to relation and attribute numbers', () => {
    const bound = bindMasks([rule('public.customers.ssn')], catalogOf([customers]), 'bank', []);
    expect(bound).toEqual({
      masks: new Map([
        ['1.2', { column: '1.2', columnName: 'public.customers.ssn', method: PARTIAL, notNull: true, source: 'masking.yaml:7' }],
      ]),
    });
  });

  test('rules of other targets say nothing here', () => {
    expect(masked([rule('public.nowhere.x', PARTIAL, 'other')], catalogOf([customers]))).toEqual([]);
  });

  test.each([
    ['public.nobody.ssn', 'no relation'],
    ['private.customers.ssn', 'no relation'],
    ['public.customers.SSN', 'no column'],
    ['public.v.ssn', 'view'],
    ['public.s.last_value', 'without rows'],
  ])('%s is a problem (%s)', (path, reason) => {
    const catalog = catalogOf([
      customers,
      relation({ oid: 2, name: 'v', kind: 'view', columns: ['ssn'], viewDefinition: ' SELECT ssn FROM customers;' }),
      relation({ oid: 3, name: 's', kind: 'sequence', columns: ['last_value'] }),
    ]);
    const bound = bindMasks([rule(path), rule('public.customers.name')], catalog, 'bank', []);
    expect(bound).toMatchObject({ problems: [{ rule: rule(path), reason: expect.stringContaining(reason) }] });
  });

  test('two rules for one column must agree', () => {
    const twice = (second: MaskMethod) =>
      bindMasks([rule('public.customers.ssn'), rule('public.customers.ssn', second)], catalogOf([customers]), 'bank', []);
    expect(twice(PARTIAL)).toHaveProperty('masks');
    expect(twice({ kind: 'hash' })).toHaveProperty('problems');
  });

  test.each([-1, 1.5, Number.NaN])('keeping %d characters is a problem', (keepFirst) => {
    expect(
      bindMasks([rule('public.customers.ssn', { kind: 'partial', keepFirst, keepLast: 0 })], catalogOf([customers]), 'bank', []),
    ).toHaveProperty('problems');
  });
});

describe('what follows', () => {
  test('parents, children and their children have the mask, by column name', () => {
    const catalog = catalogOf([
      relation({ oid: 1, name: 'p', kind: 'partitioned', columns: ['id', 'ssn'], children: [2, 3] }),
      relation({ oid: 2, name: 'p1', columns: ['ssn', 'id'], parents: [1] }),
      relation({ oid: 3, name: 'p2', kind: 'partitioned', columns: ['id', 'ssn'], parents: [1], children: [4] }),
      relation({ oid: 4, name: 'p2a', kind: 'foreign', columns: ['x', 'ssn', 'id'], parents: [3] }),
      relation({ oid: 5, name: 'apart', columns: ['ssn'] }),
    ]);
    const all = ['public.p.ssn partial', 'public.p1.ssn partial', 'public.p2.ssn partial', 'public.p2a.ssn partial'];
    expect(masked([rule('public.p.ssn')], catalog)).toEqual(all);
    expect(masked([rule('public.p2a.ssn')], catalog)).toEqual(all);
  });

  test('a rule on a child is not overridden by its parent’s', () => {
    const catalog = catalogOf([
      relation({ oid: 1, name: 'p', columns: ['ssn'], children: [2] }),
      relation({ oid: 2, name: 'c', columns: ['ssn'], parents: [1] }),
    ]);
    expect(masked([rule('public.p.ssn'), rule('public.c.ssn', { kind: 'hash' })], catalog)).toEqual([
      'public.c.ssn hash',
      'public.p.ssn partial',
    ]);
  });

  test('a generated column is redacted, in partitions too', () => {
    const catalog = catalogOf([
      relation({ oid: 1, name: 'p', columns: ['ssn', 'last4'], generated: { last4: ['ssn'] }, children: [2] }),
      relation({ oid: 2, name: 'c', columns: ['ssn', 'last4'], parents: [1] }),
    ]);
    expect(masked([rule('public.p.ssn')], catalog)).toEqual([
      'public.c.last4 redact',
      'public.c.ssn partial',
      'public.p.last4 redact',
      'public.p.ssn partial',
    ]);
  });

  const mat = (oid: number, name: string, viewDefinition: string, columns = ['ssn', 'n']) =>
    relation({ oid, name, kind: 'materialized', columns, viewDefinition });
  const MASKED_BOTH = ['public.customers.ssn partial', 'public.m.n redact', 'public.m.ssn partial'];

  test.each([
    ['names the table', [mat(2, 'm', ' SELECT c.ssn, c.name AS n FROM customers c;')], []],
    ['names it in quotes', [mat(2, 'm', ' SELECT ssn, n FROM public."customers";')], []],
    [
      'reads a view of it',
      [
        mat(2, 'm', ' SELECT ssn, n FROM v;'),
        relation({ oid: 3, name: 'v', kind: 'view', columns: ['ssn'], viewDefinition: ' SELECT ssn FROM customers;' }),
      ],
      [],
    ],
    ['calls a function that reads it', [mat(2, 'm', ' SELECT ssn, n FROM f();')], [sqlFunction(9, 'f', 'SELECT * FROM Customers')]],
    ['calls a function that cannot be read', [mat(2, 'm', ' SELECT ssn, n FROM f();')], [sqlFunction(9, 'f')]],
  ] as const)('a materialized view that %s is masked: same names alike, all others redacted', (_, relations, functions) => {
    expect(masked([rule('public.customers.ssn')], catalogOf([customers, ...relations], functions))).toEqual(MASKED_BOTH);
  });

  test('materialized views over materialized views are masked', () => {
    const catalog = catalogOf([customers, mat(2, 'm', 'SELECT * FROM customers'), mat(3, 'mm', 'SELECT * FROM m')]);
    expect(masked([rule('public.customers.ssn')], catalog)).toEqual([...MASKED_BOTH, 'public.mm.n redact', 'public.mm.ssn partial']);
  });

  test('a materialized view of other tables is left alone', () => {
    const catalog = catalogOf([customers, mat(2, 'm', 'SELECT ssn, n FROM customers_archive')]);
    expect(masked([rule('public.customers.ssn')], catalog)).toEqual(['public.customers.ssn partial']);
  });

  test('known lineage decides by column, unknown redacts', () => {
    const catalog = catalogOf([customers, mat(2, 'm', 'SELECT c.name AS n, c.ssn AS x, c.ssn FROM customers c', ['n', 'x', 'y'])]);
    const lineage: MaterializedLineage = () => [[], ['1.2'], ['1.2', '9.9']];
    expect(masked([rule('public.customers.ssn')], catalog, lineage)).toEqual([
      'public.customers.ssn partial',
      'public.m.x partial',
      'public.m.y redact',
    ]);
    expect(masked([rule('public.customers.ssn')], catalog, () => undefined)).toEqual([
      'public.customers.ssn partial',
      'public.m.n redact',
      'public.m.x redact',
      'public.m.y redact',
    ]);
  });
});

test('catalog columns that hold data are redacted from the start, where they exist', () => {
  const catalog = catalogOf([
    relation({ oid: 5, schema: 'pg_catalog', name: 'pg_stats', kind: 'view', columns: ['tablename', 'most_common_vals'] }),
  ]);
  const columns = ['most_common_vals', 'histogram_bounds'].map((column) => ({ schema: 'pg_catalog', relation: 'pg_stats', column }));
  const bound = bindMasks([], catalog, 'bank', [...columns, { schema: 'public', relation: 'pg_stat_statements', column: 'query' }]);
  if ('problems' in bound) throw new Error('there are no rules to have problems with');
  expect([...bound.masks.keys()]).toEqual(['5.2']);
  expect(bound.masks.get('5.2')?.method).toEqual({ kind: 'redact' });
  expect(hasRuleMasks(bound.masks)).toBe(false);
});

test('a column that a foreign key fills from a masked one has its mask', () => {
  const cards = {
    ...relation({ oid: 2, name: 'cards', columns: ['id', 'owner'] }),
    references: [{ columns: [2], relation: 1, referenced: [2] }],
  };
  expect(masked([rule('public.customers.ssn')], catalogOf([customers, cards]))).toEqual([
    'public.cards.owner partial',
    'public.customers.ssn partial',
  ]);
});

test('columns that swap their names keep the masks that they had', () => {
  const rules = [rule('public.customers.ssn')];
  const pinned = pinnedMasks(rules, catalogOf([customers]), 'bank');
  const swapped = relation({ oid: 1, name: 'customers', columns: ['id', 'name', 'ssn'] });
  const bound = bindMasks(rules, catalogOf([swapped]), 'bank', [], undefined, pinned);
  expect('masks' in bound ? [...bound.masks.keys()].toSorted() : bound).toEqual(['1.2', '1.3']);
  const gone = bindMasks([], catalogOf([swapped]), 'bank', [], undefined, pinned);
  expect(gone).toEqual({ masks: new Map() });
});
