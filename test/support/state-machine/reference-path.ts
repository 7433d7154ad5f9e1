// The part of JSONPath that the definitions use: fields and array places, no filters, wildcards or slices.
import { isObject, type Json, type JsonObject } from './json-value.ts';
import { StateFailure, UnknownToInterpreter } from './state-failure.ts';

type Step = string | number;

const STEP = /^(?:\.([A-Za-z_][A-Za-z0-9_-]*)|\['([^']+)'\]|\[(\d+)\])/;

/** Steps of `$.a['b'][0]`; the leading `$` or `$$` is not one. Throws UnknownToInterpreter. */
function stepsOf(path: string): readonly Step[] {
  let rest = path.replace(/^\$\$?/, '');
  const steps: Step[] = [];
  while (rest.length > 0) {
    const found = STEP.exec(rest);
    if (found === null) throw new UnknownToInterpreter(`the path ${path}`);
    steps.push(found[1] ?? found[2] ?? Number(found[3]));
    rest = rest.slice(found[0].length);
  }
  return steps;
}

/** The value at a path of the input (`$…`) or of the context object (`$$…`); undefined where there is none. */
export function findPath(path: string, input: Json, context: JsonObject): Json | undefined {
  if (!path.startsWith('$')) throw new UnknownToInterpreter(`the path ${path}`);
  let value: Json | undefined = path.startsWith('$$') ? context : input;
  for (const step of stepsOf(path)) {
    if (typeof step === 'number') value = Array.isArray(value) ? value[step] : undefined;
    else value = isObject(value) && Object.hasOwn(value, step) ? value[step] : undefined;
  }
  return value;
}

/** As `findPath`; throws the failure named where there is no value. */
export function readPath(path: string, input: Json, context: JsonObject, failure = 'States.Runtime'): Json {
  const value = findPath(path, input, context);
  if (value === undefined) throw new StateFailure(failure, `the path ${path} has no value`);
  return value;
}

/** The input with this value at a reference path; fields on the way are made. Throws States.ResultPathMatchFailure. */
export function writePath(path: string, input: Json, value: Json): Json {
  return write(stepsOf(path), input, value, path);
}

function write(steps: readonly Step[], at: Json | undefined, value: Json, path: string): Json {
  const [step, ...rest] = steps;
  if (step === undefined) return value;
  if (typeof step === 'number') {
    if (!Array.isArray(at) || step >= at.length) throw new StateFailure('States.ResultPathMatchFailure', `no element for ${path}`);
    // The check above says that it is an array of these.
    const elements = at as readonly Json[];
    return elements.map((element, index) => (index === step ? write(rest, element, value, path) : element));
  }
  if (at !== undefined && !isObject(at)) throw new StateFailure('States.ResultPathMatchFailure', `no object for ${path}`);
  return { ...at, [step]: write(rest, at?.[step], value, path) };
}
