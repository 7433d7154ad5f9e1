/** Hints about volume: predicates that filter nothing, limits that limit nothing, aggregates. */
import { as, bodyOf, child, constantOf, flag, isTree, items, nameParts, tagOf, text, withoutCasts } from './ast.ts';

/** Whether a WHERE clause is absent or filters nothing: constants, `x = x`, `x IS NOT NULL`, and combinations of them. */
export function isTriviallyTrue(where: unknown): boolean {
  if (where === undefined) return true;
  const value = withoutCasts(where);
  const constant = constantOf(value);
  if (constant !== undefined) return constant !== null && TRUE_WORDS.has(constant.toLowerCase());
  const logic = as(value, 'BoolExpr');
  if (logic !== undefined) {
    const args = items(logic, 'args');
    if (text(logic, 'boolop') === 'AND_EXPR') return args.every(isTriviallyTrue);
    if (text(logic, 'boolop') === 'OR_EXPR') return args.some(isTriviallyTrue);
    return args.every(isConstant);
  }
  const test = as(value, 'NullTest');
  if (test !== undefined) return text(test, 'nulltesttype') === 'IS_NOT_NULL' || isConstant(test['arg']);
  if (as(value, 'BooleanTest') !== undefined) return isConstant(bodyOf(value, 'BooleanTest')['arg']);
  const operator = as(value, 'A_Expr');
  if (operator === undefined) return isConstant(value);
  if (isConstant(operator['lexpr']) && isConstant(operator['rexpr'])) return true;
  const name = nameParts(items(operator, 'name'))?.at(-1);
  return (name === '=' || name === '>=' || name === '<=') && sameTree(operator['lexpr'], operator['rexpr']);
}

const TRUE_WORDS: ReadonlySet<string> = new Set(['t', 'tr', 'tru', 'true', 'y', 'ye', 'yes', 'on', '1']);

/** Nothing in it depends on a row: `1 = 1`, `length('x') > 0`, `$1`. */
function isConstant(value: unknown): boolean {
  if (Array.isArray(value)) return value.every(isConstant);
  if (!isTree(value)) return true;
  const tag = tagOf(value);
  if (tag === 'ColumnRef' || tag === 'SubLink' || tag === 'CurrentOfExpr') return false;
  return Object.values(value).every(isConstant);
}

function sameTree(left: unknown, right: unknown): boolean {
  if (Array.isArray(left)) return Array.isArray(right) && left.length === right.length && left.every((one, i) => sameTree(one, right[i]));
  if (!isTree(left) || !isTree(right)) return left === right;
  const keys = Object.keys(left).filter((key) => key !== 'location');
  const others = Object.keys(right).filter((key) => key !== 'location');
  return keys.length === others.length && keys.every((key) => sameTree(left[key], right[key]));
}

/** LIMIT as a number; `none` when there is none; `unknown` when it is a parameter or an expression. */
export function limitOf(value: unknown): number | 'none' | 'unknown' {
  if (value === undefined) return 'none';
  const constant = constantOf(withoutCasts(value));
  if (constant === null) return 'none';
  if (constant === undefined) return 'unknown';
  const number = Number(constant);
  return Number.isFinite(number) && number >= 0 ? number : 'unknown';
}

/** Aggregates that give back less than they take; those that collect every value are no aggregates here. */
const REDUCING: ReadonlySet<string> = new Set([
  'avg',
  'bit_and',
  'bit_or',
  'bit_xor',
  'bool_and',
  'bool_or',
  'corr',
  'count',
  'covar_pop',
  'covar_samp',
  'every',
  'max',
  'min',
  'mode',
  'percentile_cont',
  'percentile_disc',
  'regr_count',
  'regr_slope',
  'stddev',
  'stddev_pop',
  'stddev_samp',
  'sum',
  'var_pop',
  'var_samp',
  'variance',
]);

/** Whether a target list reduces its rows to one: a call of such an aggregate, not as a window function. */
export function hasAggregate(targets: unknown): boolean {
  if (Array.isArray(targets)) return targets.some(hasAggregate);
  if (!isTree(targets)) return false;
  const call = as(targets, 'FuncCall');
  if (call !== undefined && child(call, 'over') === undefined) {
    const name = nameParts(items(call, 'funcname'))?.at(-1) ?? '';
    if (flag(call, 'agg_star') || REDUCING.has(name)) return true;
  }
  if (tagOf(targets) === 'SubLink') return false;
  return Object.values(targets).some(hasAggregate);
}
