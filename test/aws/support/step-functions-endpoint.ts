/** The part of Step Functions that deployables call, on loopback, over the interpreter. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { isObject, jsonOf, textOf, type JsonObject } from '../../support/state-machine/json-value.ts';
import type { StateMachine } from '../../support/state-machine/state-machine.ts';
import type { TokenAnswer } from '../../support/state-machine/task-tokens.ts';
import { bodyOf } from './request-body.ts';

const TARGET = 'AWSStepFunctions.';

type Answer = JsonObject | { readonly refused: string; readonly message: string };

export class StepFunctionsEndpoint {
  /** Actions that were asked for, in order. */
  readonly calls: { readonly action: string; readonly input: JsonObject }[] = [];
  readonly #machines: readonly StateMachine[];
  readonly #refused = new Set<string>();

  constructor(machines: readonly StateMachine[]) {
    this.#machines = machines;
  }

  /** The action fails with a service error until `heal`. */
  refuse(action: string): void {
    this.#refused.add(action);
  }

  heal(action: string): void {
    this.#refused.delete(action);
  }

  /** Whether the request was one for Step Functions. */
  async answer(request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    const target = request.headers['x-amz-target'];
    if (typeof target !== 'string' || !target.startsWith(TARGET)) return false;
    const action = target.slice(TARGET.length);
    const input = jsonOf(JSON.parse((await bodyOf(request)).toString()));
    const fields = isObject(input) ? input : {};
    this.calls.push({ action, input: fields });
    if (this.#refused.has(action)) {
      response.writeHead(500).end(JSON.stringify({ __type: 'InternalServerError', message: 'told to' }));
      return true;
    }
    const answer = this.#act(action, fields);
    const headers = { 'content-type': 'application/x-amz-json-1.0', 'x-amzn-requestid': randomUUID() };
    if ('refused' in answer) response.writeHead(400, headers).end(JSON.stringify({ __type: answer.refused, message: answer.message }));
    else response.writeHead(200, headers).end(JSON.stringify(answer));
    return true;
  }

  #act(action: string, input: JsonObject): Answer {
    const text = (field: string): string => textOf(input[field] ?? '');
    switch (action) {
      case 'StartExecution':
        return this.#start(text('stateMachineArn'), text('name'), text('input'));
      case 'DescribeExecution': {
        const arn = text('executionArn');
        const found = this.#machines.map((machine) => machine.find(arn)).find((execution) => execution !== undefined);
        if (found === undefined) return { refused: 'ExecutionDoesNotExist', message: arn };
        const { name, status, output, error, cause } = found;
        return jsonObject({
          executionArn: arn,
          name,
          status,
          output: output === undefined ? undefined : JSON.stringify(output),
          error,
          cause,
        });
      }
      case 'SendTaskSuccess':
        return this.#token((machine) => machine.tokens.succeed(text('taskToken'), jsonOf(JSON.parse(text('output')))));
      case 'SendTaskFailure':
        return this.#token((machine) => machine.tokens.fail(text('taskToken'), text('error'), text('cause')));
      case 'SendTaskHeartbeat':
        return this.#token((machine) => machine.tokens.heartbeat(text('taskToken')));
      default:
        return { refused: 'UnknownOperationException', message: action };
    }
  }

  #start(arn: string, name: string, input: string): Answer {
    const machine = this.#machines.find((each) => each.arn === arn);
    if (machine === undefined) return { refused: 'StateMachineDoesNotExist', message: arn };
    if (!/^[A-Za-z0-9_-]{1,80}$/.test(name)) return { refused: 'InvalidName', message: name };
    const execution = machine.start(name, JSON.parse(input));
    if (execution === undefined) return { refused: 'ExecutionAlreadyExists', message: name };
    return { executionArn: execution.arn, startDate: Date.now() / 1000 };
  }

  #token(send: (machine: StateMachine) => TokenAnswer): Answer {
    const answers = this.#machines.map(send);
    if (answers.includes('taken')) return {};
    const refused = answers.includes('TaskTimedOut') ? 'TaskTimedOut' : 'InvalidToken';
    return { refused, message: `${refused}: the task is not waiting` };
  }
}

function jsonObject(value: unknown): JsonObject {
  const json = jsonOf(value);
  return isObject(json) ? json : {};
}
