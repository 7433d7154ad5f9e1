// A definition as the interpreter takes it: every field is one that it acts on, or it is refused.
import { isObject, type Json, type JsonObject } from './json-value.ts';
import { UnknownToInterpreter } from './state-failure.ts';

export type Definition = {
  readonly startAt: string;
  readonly states: ReadonlyMap<string, State>;
  readonly timeoutSeconds: number | undefined;
};

/** Checked: it has only fields that its type may have. */
export type State = JsonObject & { readonly Type: string };

const EVERYWHERE = ['Type', 'Comment', 'QueryLanguage'];
const FLOW = ['InputPath', 'OutputPath', 'Next', 'End'];
const TASK = [
  'Resource',
  'Parameters',
  'ResultSelector',
  'ResultPath',
  'Retry',
  'Catch',
  'TimeoutSeconds',
  'TimeoutSecondsPath',
  'HeartbeatSeconds',
  'HeartbeatSecondsPath',
];
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  Pass: [...FLOW, 'Result', 'ResultPath', 'Parameters'],
  Task: [...FLOW, ...TASK],
  Wait: [...FLOW, 'Seconds', 'SecondsPath', 'Timestamp', 'TimestampPath'],
  Choice: ['InputPath', 'OutputPath', 'Choices', 'Default'],
  Succeed: ['InputPath', 'OutputPath'],
  Fail: ['Error', 'ErrorPath', 'Cause', 'CausePath'],
};
const RETRIER = ['ErrorEquals', 'IntervalSeconds', 'MaxAttempts', 'BackoffRate', 'MaxDelaySeconds', 'JitterStrategy', 'Comment'];
const CATCHER = ['ErrorEquals', 'Next', 'ResultPath', 'Comment'];

/** Throws UnknownToInterpreter naming the first field, type or state that it does not act on. */
export function readDefinition(definition: Json): Definition {
  const root = objectAt(definition, 'the definition');
  onlyFields(root, ['Comment', 'StartAt', 'States', 'TimeoutSeconds', 'Version', 'QueryLanguage'], 'the definition');
  const states = new Map<string, State>();
  for (const [name, value] of Object.entries(objectAt(root['States'], 'States'))) states.set(name, stateOf(value, name));
  const startAt = root['StartAt'];
  if (typeof startAt !== 'string') throw new UnknownToInterpreter('StartAt is missing');
  const timeout = root['TimeoutSeconds'];
  const read = { startAt, states, timeoutSeconds: typeof timeout === 'number' ? timeout : undefined };
  for (const target of [startAt, ...[...states.values()].flatMap(nextStates)]) {
    if (!states.has(target)) throw new UnknownToInterpreter(`the state ${target}, which is named and not there`);
  }
  return read;
}

function stateOf(value: Json, name: string): State {
  const state = objectAt(value, name);
  const type = state['Type'];
  const fields = typeof type === 'string' ? FIELDS[type] : undefined;
  if (typeof type !== 'string' || fields === undefined) throw new UnknownToInterpreter(`the type ${JSON.stringify(type)} of state ${name}`);
  onlyFields(state, [...EVERYWHERE, ...fields], `state ${name}`);
  for (const retrier of listAt(state['Retry'])) onlyFields(retrier, RETRIER, `a retrier of state ${name}`);
  for (const catcher of listAt(state['Catch'])) onlyFields(catcher, CATCHER, `a catcher of state ${name}`);
  if (fields.includes('Next') && state['Next'] === undefined && state['End'] !== true) {
    throw new UnknownToInterpreter(`state ${name}, which has neither Next nor End`);
  }
  return { ...state, Type: type };
}

function nextStates(state: State): readonly string[] {
  const rules = [...listAt(state['Choices']), ...listAt(state['Catch'])];
  return [state['Next'], state['Default'], ...rules.map((rule) => rule['Next'])].filter((next) => typeof next === 'string');
}

function onlyFields(value: JsonObject, known: readonly string[], where: string): void {
  for (const field of Object.keys(value)) if (!known.includes(field)) throw new UnknownToInterpreter(`the field ${field} of ${where}`);
  const language = value['QueryLanguage'];
  if (language !== undefined && language !== 'JSONPath') throw new UnknownToInterpreter(`the query language ${JSON.stringify(language)}`);
}

function objectAt(value: Json | undefined, where: string): JsonObject {
  if (!isObject(value)) throw new UnknownToInterpreter(`${where}, which is no object`);
  return value;
}

/** The objects of a list, none where there is no list. */
export function listAt(value: Json | undefined): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter((each: Json) => isObject(each)) : [];
}
