/**
 * A small interpreter of the Amazon States Language for tests: the synthesized definition runs with the real handlers and the
 * clock it is given. What it does not know it throws on, so a definition that grows past it fails and is never half run.
 */
import type { Clock } from '../../../proxy-task/ports.ts';
import { holds } from './choice.ts';
import { listAt, readDefinition, type Definition, type State } from './definition.ts';
import { jsonOf, textOf, type Json, type JsonObject } from './json-value.ts';
import { fillTemplate } from './payload-template.ts';
import { readPath, writePath } from './reference-path.ts';
import { catcherOf, nextAttemptMs, type RetryCounts } from './retry.ts';
import { runTask, type InvokeFunction } from './run-task.ts';
import { StateFailure } from './state-failure.ts';
import { TaskTokens } from './task-tokens.ts';

export type Execution = {
  readonly name: string;
  readonly arn: string;
  readonly input: Json;
  status: 'RUNNING' | 'SUCCEEDED' | 'FAILED' | 'TIMED_OUT';
  output?: Json;
  error?: string;
  cause?: string;
  /** Names of the states entered, in order; one entry per entry, not per attempt. */
  readonly entered: string[];
  /** Settles, and never throws, when the execution is over. */
  readonly ended: Promise<void>;
  /** An error of the test, not of the execution: the definition uses what the interpreter does not know. */
  broken?: unknown;
};

export type StateMachineOptions = {
  readonly arn: string;
  readonly definition: unknown;
  readonly invoke: InvokeFunction;
  readonly clock: Clock;
  /** For retriers with jitter. */
  readonly random?: () => number;
};

/** The service carries no more than this between states. */
const MAX_PAYLOAD_BYTES = 256 * 1024;

export class StateMachine {
  readonly arn: string;
  readonly tokens = new TaskTokens();
  readonly #definition: Definition;
  readonly #options: StateMachineOptions;
  readonly #executions = new Map<string, Execution>();

  /** Throws UnknownToInterpreter. */
  constructor(options: StateMachineOptions) {
    this.arn = options.arn;
    this.#options = options;
    this.#definition = readDefinition(jsonOf(options.definition));
  }

  /**
   * Starts an execution; the running one where that has the same name and input, as a Standard workflow does; undefined where the
   * name is taken otherwise (ExecutionAlreadyExists).
   */
  start(name: string, input: unknown): Execution | undefined {
    const known = this.#executions.get(name);
    const given = jsonOf(input);
    if (known !== undefined) {
      return known.status === 'RUNNING' && JSON.stringify(known.input) === JSON.stringify(given) ? known : undefined;
    }
    let over: () => void = () => undefined;
    const ended = new Promise<void>((resolve) => {
      over = resolve;
    });
    const arn = `${this.arn.replace(':stateMachine:', ':execution:')}:${name}`;
    const execution: Execution = { name, arn, input: given, status: 'RUNNING', entered: [], ended };
    this.#executions.set(name, execution);
    void this.#run(execution).finally(over);
    return execution;
  }

  find(nameOrArn: string): Execution | undefined {
    return this.#executions.get(nameOrArn) ?? [...this.#executions.values()].find(({ arn }) => arn === nameOrArn);
  }

  async #run(execution: Execution): Promise<void> {
    const { clock } = this.#options;
    const { timeoutSeconds } = this.#definition;
    let cancel = (): void => undefined;
    const timedOut = new Promise<'TIMED_OUT'>((resolve) => {
      if (timeoutSeconds === undefined) return;
      const timer = clock.after(timeoutSeconds * 1000, () => resolve('TIMED_OUT'));
      cancel = () => timer.cancel();
    });
    try {
      const output = await Promise.race([this.#states(execution), timedOut]);
      if (output === 'TIMED_OUT') Object.assign(execution, { status: 'TIMED_OUT', error: 'States.Timeout' });
      else Object.assign(execution, { status: 'SUCCEEDED', output: output.output });
    } catch (error) {
      if (error instanceof StateFailure) {
        Object.assign(execution, { status: 'FAILED', error: error.errorName, cause: error.causeText });
      } else Object.assign(execution, { status: 'FAILED', error: 'interpreter', cause: String(error), broken: error });
    } finally {
      cancel();
    }
  }

  /** Goes from state to state; an execution that timed out goes no further. */
  async #states(execution: Execution): Promise<{ readonly output: Json }> {
    let name: string | undefined = this.#definition.startAt;
    let data = execution.input;
    const startedAt = this.#options.clock.now();
    while (name !== undefined && execution.status === 'RUNNING') {
      const state = this.#definition.states.get(name);
      if (state === undefined) throw new StateFailure('States.Runtime', `no state ${name}`);
      execution.entered.push(name);
      ({ next: name, data } = await this.#enter(state, data, this.#context(execution, name, startedAt)));
      if (Buffer.byteLength(JSON.stringify(data)) > MAX_PAYLOAD_BYTES) {
        throw new StateFailure('States.DataLimitExceeded', 'more than 256 KiB between two states');
      }
    }
    return { output: data };
  }

  #context(execution: Execution, state: string, startedAtMs: number): JsonObject {
    const time = (ms: number): string => new Date(ms).toISOString();
    return {
      Execution: { Id: execution.arn, Input: execution.input, Name: execution.name, StartTime: time(startedAtMs) },
      State: { Name: state, EnteredTime: time(this.#options.clock.now()) },
      StateMachine: { Id: this.arn, Name: this.arn.split(':').at(-1) ?? '' },
    };
  }

  /** Runs one state with its retriers and catchers. */
  async #enter(state: State, data: Json, context: JsonObject): Promise<{ readonly next: string | undefined; readonly data: Json }> {
    const counts: RetryCounts = new Map();
    for (;;) {
      try {
        return await this.#attempt(state, data, context);
      } catch (error) {
        if (!(error instanceof StateFailure)) throw error;
        const waitMs = nextAttemptMs(state, error, counts, this.#options.random ?? Math.random);
        if (waitMs !== undefined) {
          await this.#sleep(waitMs);
          continue;
        }
        const catcher = catcherOf(state, error);
        if (catcher === undefined) throw error;
        const failure = { Error: error.errorName, Cause: error.causeText };
        return { next: textOf(catcher['Next']), data: placed(catcher['ResultPath'], data, failure) };
      }
    }
  }

  async #attempt(state: State, data: Json, context: JsonObject): Promise<{ readonly next: string | undefined; readonly data: Json }> {
    const next = typeof state['Next'] === 'string' ? state['Next'] : undefined;
    const input = selected(state['InputPath'], data, context);
    const out = (value: Json): Json => selected(state['OutputPath'], value, context);
    switch (state.Type) {
      case 'Pass': {
        const parameters = state['Parameters'];
        const result = state['Result'] ?? (parameters === undefined ? input : fillTemplate(parameters, input, context));
        return { next, data: out(placed(state['ResultPath'], input, result)) };
      }
      case 'Task': {
        const raw = await runTask(state, input, context, { ...this.#options, tokens: this.tokens });
        const selector = state['ResultSelector'];
        const result = selector === undefined ? raw : fillTemplate(selector, raw, context);
        return { next, data: out(placed(state['ResultPath'], input, result)) };
      }
      case 'Wait':
        await this.#sleep(this.#waitMs(state, input, context));
        return { next, data: out(input) };
      case 'Choice': {
        const rule = listAt(state['Choices']).find((each) => holds(each, input, context));
        const chosen = rule?.['Next'] ?? state['Default'];
        if (typeof chosen !== 'string') throw new StateFailure('States.NoChoiceMatched', 'no rule holds and there is no Default');
        return { next: chosen, data: out(input) };
      }
      case 'Fail': {
        const text = (field: string): string => {
          const path = state[`${field}Path`];
          return textOf(typeof path === 'string' ? readPath(path, input, context) : (state[field] ?? ''));
        };
        throw new StateFailure(text('Error'), text('Cause'));
      }
      default:
        return { next: undefined, data: out(input) };
    }
  }

  #waitMs(state: State, input: Json, context: JsonObject): number {
    const at = (field: string): Json | undefined => {
      const path = state[`${field}Path`];
      return typeof path === 'string' ? readPath(path, input, context) : state[field];
    };
    const seconds = at('Seconds');
    if (typeof seconds === 'number') return seconds * 1000;
    return Math.max(0, Date.parse(textOf(at('Timestamp'))) - this.#options.clock.now());
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#options.clock.after(ms, resolve));
  }
}

/** `InputPath` and `OutputPath`: null selects nothing. */
function selected(path: Json | undefined, data: Json, context: JsonObject): Json {
  if (path === null) return {};
  return typeof path === 'string' ? readPath(path, data, context) : data;
}

/** `ResultPath`: null drops the result, none takes it whole. */
function placed(path: Json | undefined, input: Json, result: Json): Json {
  if (path === null) return input;
  return typeof path === 'string' && path !== '$' ? writePath(path, input, result) : result;
}
