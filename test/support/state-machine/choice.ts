// Choice rules: Amazon States Language, "Choice State".
import { isObject, textOf, type Json, type JsonObject } from './json-value.ts';
import { findPath, readPath } from './reference-path.ts';
import { StateFailure, UnknownToInterpreter } from './state-failure.ts';

type Compare = (order: number) => boolean;

const ORDERS: Readonly<Record<string, Compare>> = {
  Equals: (order) => order === 0,
  LessThan: (order) => order < 0,
  GreaterThan: (order) => order > 0,
  LessThanEquals: (order) => order <= 0,
  GreaterThanEquals: (order) => order >= 0,
};

const KINDS: Readonly<Record<string, (value: Json | undefined) => boolean>> = {
  IsPresent: (value) => value !== undefined,
  IsNull: (value) => value === null,
  IsString: (value) => typeof value === 'string',
  IsNumeric: (value) => typeof value === 'number',
  IsBoolean: (value) => typeof value === 'boolean',
  IsTimestamp: isTimestamp,
};

/** Whether a rule of a Choice state holds. Throws UnknownToInterpreter, and States.Runtime where its variable has no value. */
export function holds(rule: JsonObject, input: Json, context: JsonObject): boolean {
  const parts = Object.entries(rule).filter(([name]) => name !== 'Next' && name !== 'Comment' && name !== 'Variable');
  const [part] = parts;
  if (part === undefined || parts.length > 1) throw new UnknownToInterpreter(`the choice rule ${JSON.stringify(rule)}`);
  const [operator, operand] = part;
  if (operator === 'And') return rulesIn(operand).every((each) => holds(each, input, context));
  if (operator === 'Or') return rulesIn(operand).some((each) => holds(each, input, context));
  if (operator === 'Not' && isObject(operand)) return !holds(operand, input, context);
  const variable = rule['Variable'];
  if (typeof variable !== 'string') throw new UnknownToInterpreter(`the choice rule ${JSON.stringify(rule)}`);
  const kind = KINDS[operator];
  if (kind !== undefined) return kind(findPath(variable, input, context)) === operand;
  return compares(operator, readPath(variable, input, context), operand, input, context);
}

function compares(operator: string, value: Json, operand: Json, input: Json, context: JsonObject): boolean {
  const [, type, order, path] = /^(String|Numeric|Boolean|Timestamp)(\w*?)(Path)?$/.exec(operator) ?? [];
  const compare = ORDERS[order ?? ''];
  if (compare === undefined || (type === 'Boolean' && order !== 'Equals')) throw new UnknownToInterpreter(`the comparison ${operator}`);
  const other = path === undefined ? operand : readPath(textOf(operand), input, context);
  // A comparison of other types is false, not an error.
  if (type === 'Numeric') return typeof value === 'number' && typeof other === 'number' && compare(value - other);
  if (type === 'Boolean') return typeof value === 'boolean' && value === other;
  if (type === 'Timestamp') {
    if (!isTimestamp(other)) throw new StateFailure('States.Runtime', `${operator} needs a timestamp`);
    return isTimestamp(value) && compare(Date.parse(textOf(value)) - Date.parse(textOf(other)));
  }
  return typeof value === 'string' && typeof other === 'string' && compare(value === other ? 0 : value < other ? -1 : 1);
}

function rulesIn(value: Json): readonly JsonObject[] {
  if (!Array.isArray(value)) throw new UnknownToInterpreter('And and Or take a list of rules');
  return value.filter((each: Json) => isObject(each));
}

function isTimestamp(value: Json | undefined): boolean {
  return typeof value === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(value);
}
