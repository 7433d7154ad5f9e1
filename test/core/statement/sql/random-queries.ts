/** Random queries over a few relations of a real database: most are refused by PostgreSQL, the rest are honest SQL. */
import fc from 'fast-check';

const COLUMNS = fc.constantFrom(
  'id',
  'name',
  'ssn',
  'social',
  's2',
  'note',
  'a.id',
  'a.ssn',
  'b.ssn',
  'a.social',
  'b.id',
  'a.name',
  'a.*',
  'b.*',
  '*',
  '(a).ssn',
  'a',
  'b.x1',
  'x1',
  'x2',
  'a.x1',
);
const RELATIONS = fc.constantFrom('c a', 'o a', 'v a', 'w a', 'p a', 'm a', 'c', 'v', 'c a(x1, x2)', 'o b', 'c b', 'only p a');
/** One column of text each, so that any two can be united. */
const TEXTS = fc.constantFrom(
  'select ssn from c',
  'select name from c',
  'select note from o',
  'select ssn from o',
  'select social from v',
  'select s2 from w',
  'select ssn from m',
  'select ssn from p',
);
const SUFFIXES = fc.constantFrom(
  '',
  '',
  '',
  ' where a.id = 1',
  ' order by 1',
  ' order by x1',
  ' order by ssn',
  ' group by 1',
  ' order by id',
);
const NAMES = fc.constantFrom('', '', '', ' as x1', ' as ssn', ' as id');

type Parts = { readonly expression: string; readonly from: string; readonly query: string };

const limits = { maxDepth: 4, depthSize: 'small' } as const;

/** SELECTs with joins of all kinds, subqueries, LATERAL, WITH, UNION ALL, aliases, whole rows and sublinks. */
export const randomQuery: fc.Arbitrary<string> = fc.letrec<Parts>((tie) => ({
  expression: fc.oneof(
    limits,
    { weight: 8, arbitrary: COLUMNS },
    fc.constantFrom('1', "'k'", 'null'),
    tie('query').map((query) => `(${query} limit 1)`),
    tie('query').map((query) => `array(${query})`),
    tie('query').map((query) => `exists(${query})`),
    fc.tuple(fc.constantFrom('count', 'lower', 'max', 'to_json'), tie('expression')).map(([name, argument]) => `${name}(${argument})`),
    tie('expression').map((inner) => `(${inner}) is null`),
    fc.tuple(tie('expression'), tie('expression')).map(([left, right]) => `coalesce(${left}, ${right})`),
  ),
  from: fc.oneof(
    limits,
    { weight: 6, arbitrary: RELATIONS },
    tie('query').map((query) => `(${query}) a`),
    tie('query').map((query) => `(${query}) b(x1, x2)`),
    tie('query').map((query) => `lateral (${query}) b`),
    fc
      .tuple(tie('from'), fc.constantFrom('join', 'left join', 'full join'), tie('from'), fc.constantFrom('on true', 'using (id)'))
      .map((parts) => parts.join(' ')),
    fc.tuple(tie('from'), fc.constantFrom('natural join', 'cross join', ','), tie('from')).map((parts) => parts.join(' ')),
    fc.tuple(tie('from'), tie('from')).map(([left, right]) => `(${left} join ${right} on true) as a(x1, x2)`),
  ),
  query: fc.oneof(
    limits,
    {
      weight: 3,
      arbitrary: fc
        .tuple(fc.array(fc.tuple(tie('expression'), NAMES), { minLength: 1, maxLength: 3 }), tie('from'), SUFFIXES)
        .map(([targets, from, suffix]) => `select ${targets.map((target) => target.join('')).join(', ')} from ${from}${suffix}`),
    },
    fc.tuple(TEXTS, TEXTS).map((both) => both.join(' union all ')),
    fc.tuple(tie('query'), tie('query')).map(([left, right]) => `(${left}) union all (${right})`),
    fc
      .tuple(fc.constantFrom('', 'recursive '), fc.constantFrom('a', 'b'), tie('query'), tie('query'))
      .map(([recursive, name, inner, outer]) => `with ${recursive}${name} as (${inner}) ${outer}`),
  ),
})).query;
