// `Parameters` and `ResultSelector`: fields whose names end in `.$` are paths, the rest is as written.
import { isObject, type Json, type JsonObject } from './json-value.ts';
import { readPath } from './reference-path.ts';
import { UnknownToInterpreter } from './state-failure.ts';

/** Throws States.ParameterPathFailure where a path has no value, and UnknownToInterpreter on intrinsic functions. */
export function fillTemplate(template: Json, input: Json, context: JsonObject): Json {
  if (Array.isArray(template)) return template.map((element: Json) => fillTemplate(element, input, context));
  if (!isObject(template)) return template;
  const filled: Record<string, Json> = {};
  for (const [name, value] of Object.entries(template)) {
    if (!name.endsWith('.$')) {
      filled[name] = fillTemplate(value, input, context);
      continue;
    }
    if (typeof value !== 'string' || !value.startsWith('$')) throw new UnknownToInterpreter(`"${name}": ${JSON.stringify(value)}`);
    filled[name.slice(0, -2)] = readPath(value, input, context, 'States.ParameterPathFailure');
  }
  return filled;
}
