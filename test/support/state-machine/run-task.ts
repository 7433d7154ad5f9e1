/** One attempt of a Task state: a Lambda function, called for its answer or given a token to answer with. */
import type { Clock } from '../../../proxy-task/ports.ts';
import type { State } from './definition.ts';
import { isObject, textOf, type Json, type JsonObject } from './json-value.ts';
import { fillTemplate } from './payload-template.ts';
import { readPath } from './reference-path.ts';
import { StateFailure, UnknownToInterpreter } from './state-failure.ts';
import type { TaskTokens } from './task-tokens.ts';

/** Runs a function by the name or ARN that the definition gives; throws StateFailure as the Lambda service would name it. */
export type InvokeFunction = (functionName: string, payload: Json) => Promise<Json>;

export type TaskPorts = { readonly invoke: InvokeFunction; readonly clock: Clock; readonly tokens: TaskTokens };

const INVOKE = /^arn:[^:]+:states:::lambda:invoke(\.waitForTaskToken)?$/;
const FUNCTION = /^arn:[^:]+:lambda:[^:]*:[^:]*:function:/;

/** The task's result. Throws StateFailure, and UnknownToInterpreter for a resource that is no function. */
export async function runTask(state: State, input: Json, context: JsonObject, ports: TaskPorts): Promise<Json> {
  const resource = textOf(state['Resource']);
  const invoke = INVOKE.exec(resource);
  if (invoke === null && !FUNCTION.test(resource)) throw new UnknownToInterpreter(`the resource ${resource}`);
  const waits = invoke?.[1] !== undefined;
  let resolve: (output: Json) => void = () => undefined;
  let reject: (failure: unknown) => void = () => undefined;
  const result = new Promise<Json>((resolved, rejected) => {
    resolve = resolved;
    reject = rejected;
  });
  const timeout = timer(ports.clock, secondsOf(state, 'TimeoutSeconds', input, context), () =>
    reject(new StateFailure('States.Timeout', 'the task ran longer than its TimeoutSeconds')),
  );
  const heartbeatSeconds = secondsOf(state, 'HeartbeatSeconds', input, context);
  const lost = (): void => reject(new StateFailure('States.HeartbeatTimeout', 'the task sent no heartbeat'));
  let heartbeat = timer(ports.clock, heartbeatSeconds, lost);
  const beat = (): void => {
    heartbeat.cancel();
    heartbeat = timer(ports.clock, heartbeatSeconds, lost);
  };
  const token = waits ? ports.tokens.open({ succeed: resolve, fail: reject, beat }) : undefined;
  try {
    const known = token === undefined ? context : { ...context, Task: { Token: token } };
    const parameters = state['Parameters'];
    const sent = parameters === undefined ? input : fillTemplate(parameters, input, known);
    const { name, payload } = invoke === null ? { name: resource, payload: sent } : callIn(sent);
    // A task with a token is not over when its function is; it is when that fails.
    ports.invoke(name, payload).then((answer) => waits || resolve(invoke === null ? answer : answered(answer)), reject);
    return await result;
  } finally {
    timeout.cancel();
    heartbeat.cancel();
    if (token !== undefined) ports.tokens.close(token);
  }
}

function answered(payload: Json): Json {
  return { ExecutedVersion: '$LATEST', Payload: payload, StatusCode: 200 };
}

function callIn(sent: Json): { readonly name: string; readonly payload: Json } {
  if (!isObject(sent)) throw new UnknownToInterpreter('a call of Lambda without parameters');
  const { FunctionName: name, Payload: payload = {}, ...rest } = sent;
  const [other] = Object.keys(rest);
  if (typeof name !== 'string' || other !== undefined) throw new UnknownToInterpreter(`the parameter ${other} of a call of Lambda`);
  return { name, payload };
}

/** Seconds of a field or of the path beside it; undefined where there is neither. */
function secondsOf(state: State, field: string, input: Json, context: JsonObject): number | undefined {
  const path = state[`${field}Path`];
  const seconds = typeof path === 'string' ? readPath(path, input, context) : state[field];
  if (seconds === undefined) return undefined;
  if (typeof seconds !== 'number' || !Number.isInteger(seconds) || seconds <= 0) {
    throw new StateFailure('States.Runtime', `${field} is ${JSON.stringify(seconds)}, not a positive integer`);
  }
  return seconds;
}

function timer(clock: Clock, seconds: number | undefined, run: () => void): { cancel(): void } {
  return seconds === undefined ? { cancel: () => undefined } : clock.after(seconds * 1000, run);
}
