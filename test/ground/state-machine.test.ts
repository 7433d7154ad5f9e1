// Facts of the Amazon States Language that the interpreter of the tests must get right.
import { describe, expect, test } from 'vitest';
import { isObject, textOf, type Json } from '../support/state-machine/json-value.ts';
import { StateFailure, UnknownToInterpreter } from '../support/state-machine/state-failure.ts';
import { StateMachine, type Execution } from '../support/state-machine/state-machine.ts';
import { ManualClock } from '../support/manual-clock.ts';

const ARN = 'arn:aws:states:us-east-1:123456789012:stateMachine:facts';
const INVOKE = 'arn:aws:states:::lambda:invoke';
const WAITING = 'arn:aws:states:::lambda:invoke.waitForTaskToken';

type Functions = Readonly<Record<string, (payload: Json) => Json | Promise<Json>>>;

function machine(states: unknown, functions: Functions = {}, more: Readonly<Record<string, unknown>> = {}) {
  const clock = new ManualClock(Date.UTC(2026, 0, 1));
  const started = new StateMachine({
    arn: ARN,
    definition: { StartAt: 'First', States: states, ...more },
    clock,
    invoke: async (name, payload) => {
      const run = functions[name];
      if (run === undefined) throw new StateFailure('Lambda.ResourceNotFoundException', name);
      return run(payload);
    },
  });
  return { machine: started, clock };
}

/** Lets everything run that waits for no timer. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

async function run(states: unknown, input: unknown = {}, functions: Functions = {}): Promise<Execution> {
  const execution = machine(states, functions).machine.start('one', input);
  if (execution === undefined) throw new Error('it did not start');
  await execution.ended;
  return execution;
}

const pass = { Type: 'Pass', End: true };
const task = (more: Readonly<Record<string, unknown>> = {}): unknown => ({
  Type: 'Task',
  Resource: INVOKE,
  Parameters: { FunctionName: 'f', 'Payload.$': '$' },
  End: true,
  ...more,
});
const failing = (...errors: readonly string[]): Functions => {
  const left = [...errors];
  return {
    f: () => {
      const error = left.shift();
      if (error !== undefined) throw new StateFailure(error, 'told to');
      return 'done';
    },
  };
};

describe('data from state to state', () => {
  test.each([
    ['a Pass state hands on its input', pass, { a: 1 }, { a: 1 }],
    ['a Result replaces the input', { ...pass, Result: [1] }, { a: 1 }, [1]],
    ['ResultPath puts the result beside the input', { ...pass, Result: 2, ResultPath: '$.b.c' }, { a: 1 }, { a: 1, b: { c: 2 } }],
    ['a ResultPath of null drops the result', { ...pass, Result: 2, ResultPath: null }, { a: 1 }, { a: 1 }],
    ['an InputPath of null selects nothing', { ...pass, InputPath: null }, { a: 1 }, {}],
    ['an OutputPath of null hands on nothing', { ...pass, OutputPath: null }, { a: 1 }, {}],
    [
      'an InputPath is applied before ResultPath',
      { ...pass, InputPath: '$.a', Result: 2, ResultPath: '$.r' },
      { a: { b: 1 } },
      { b: 1, r: 2 },
    ],
    ['OutputPath is applied last', { ...pass, Result: 2, ResultPath: '$.r', OutputPath: '$.r' }, { a: 1 }, 2],
    [
      'Parameters take fields by path',
      { ...pass, Parameters: { x: { 'y.$': "$.a['b c'][1]" } } },
      { a: { 'b c': [1, 2] } },
      { x: { y: 2 } },
    ],
    [
      'Parameters see the context object',
      { ...pass, Parameters: { 'n.$': '$$.Execution.Name', 's.$': '$$.State.Name' } },
      {},
      { n: 'one', s: 'First' },
    ],
  ])('%s', async (_, state, input, output) => {
    expect(await run({ First: state }, input)).toMatchObject({ status: 'SUCCEEDED', output });
  });

  test.each([
    ['a path of Parameters without a value', { ...pass, Parameters: { 'x.$': '$.none' } }, 'States.ParameterPathFailure'],
    ['an InputPath without a value', { ...pass, InputPath: '$.none' }, 'States.Runtime'],
    ['a ResultPath below something that is no object', { ...pass, Result: 1, ResultPath: '$.a.b' }, 'States.ResultPathMatchFailure'],
    ['more than 256 KiB', { ...pass, Result: 'x'.repeat(262_144) }, 'States.DataLimitExceeded'],
  ])('%s fails the execution', async (_, state, error) => {
    expect(await run({ First: state }, { a: 1 })).toMatchObject({ status: 'FAILED', error });
  });

  test('the answer of a function is wrapped, and ResultSelector unwraps it', async () => {
    const wrapped = await run({ First: task() }, 1, { f: (payload) => ({ got: payload }) });
    expect(wrapped.output).toEqual({ ExecutedVersion: '$LATEST', Payload: { got: 1 }, StatusCode: 200 });
    const selected = await run({ First: task({ ResultSelector: { 'x.$': '$.Payload.got' } }) }, 1, { f: (payload) => ({ got: payload }) });
    expect(selected.output).toEqual({ x: 1 });
  });
});

describe('choices', () => {
  const choice = (rule: Readonly<Record<string, unknown>>) => ({
    First: { Type: 'Choice', Choices: [{ ...rule, Next: 'Yes' }], Default: 'No' },
    Yes: { Type: 'Pass', Result: true, End: true },
    No: { Type: 'Pass', Result: false, End: true },
  });
  const input = { s: 'b', n: 2, t: '2026-01-01T00:00:00Z', yes: true, nothing: null, other: 'b' };
  test.each([
    [{ Variable: '$.s', StringEquals: 'b' }, true],
    [{ Variable: '$.s', StringLessThan: 'b' }, false],
    [{ Variable: '$.s', StringEqualsPath: '$.other' }, true],
    [{ Variable: '$.n', NumericGreaterThanEquals: 2 }, true],
    [{ Variable: '$.n', StringEquals: '2' }, false],
    [{ Variable: '$.yes', BooleanEquals: true }, true],
    [{ Variable: '$.t', TimestampLessThan: '2026-01-01T00:00:01Z' }, true],
    [{ Variable: '$.none', IsPresent: true }, false],
    [{ Variable: '$.none', IsPresent: false }, true],
    [{ Variable: '$.nothing', IsNull: true }, true],
    [{ And: [{ Variable: '$.n', NumericEquals: 2 }, { Not: { Variable: '$.s', StringEquals: 'c' } }] }, true],
    [
      {
        Or: [
          { Variable: '$.n', NumericEquals: 3 },
          { Variable: '$.s', StringEquals: 'c' },
        ],
      },
      false,
    ],
  ])('%j is %s', async (rule, output) => {
    expect((await run(choice(rule), input)).output).toBe(output);
  });

  test('a variable without a value fails the execution', async () => {
    expect(await run(choice({ Variable: '$.none', StringEquals: 'b' }), input)).toMatchObject({
      status: 'FAILED',
      error: 'States.Runtime',
    });
  });

  test('no rule and no Default is States.NoChoiceMatched', async () => {
    const states = { First: { Type: 'Choice', Choices: [{ Variable: '$.n', NumericEquals: 3, Next: 'Yes' }] }, Yes: pass };
    expect(await run(states, input)).toMatchObject({ status: 'FAILED', error: 'States.NoChoiceMatched' });
  });
});

describe('errors', () => {
  test('a failing function fails the execution with its error and cause', async () => {
    expect(await run({ First: task() }, {}, failing('Boom'))).toMatchObject({ status: 'FAILED', error: 'Boom', cause: 'told to' });
  });

  test('a Fail state names its error and cause', async () => {
    expect(await run({ First: { Type: 'Fail', Error: 'E', Cause: 'C' } })).toMatchObject({ status: 'FAILED', error: 'E', cause: 'C' });
  });

  test('a catcher gets error and cause, and its ResultPath puts them beside the input of the state', async () => {
    const states = { First: task({ Catch: [{ ErrorEquals: ['Boom'], Next: 'Last', ResultPath: '$.failure' }] }), Last: pass };
    const { output } = await run(states, { id: 'x' }, failing('Boom'));
    expect(output).toEqual({ id: 'x', failure: { Error: 'Boom', Cause: 'told to' } });
  });

  test.each([
    ['States.ALL', 'Boom', true],
    ['States.ALL', 'States.Timeout', true],
    ['States.ALL', 'States.Runtime', false],
    ['States.ALL', 'States.DataLimitExceeded', false],
    ['States.TaskFailed', 'Boom', true],
    ['States.TaskFailed', 'States.Timeout', false],
    ['States.Timeout', 'States.HeartbeatTimeout', true],
    ['States.HeartbeatTimeout', 'States.Timeout', false],
    ['Other', 'Boom', false],
  ])('a catcher of %s takes %s: %s', async (named, error, takes) => {
    const states = { First: task({ Catch: [{ ErrorEquals: [named], Next: 'Last' }] }), Last: pass };
    expect((await run(states, {}, failing(error))).status).toBe(takes ? 'SUCCEEDED' : 'FAILED');
  });

  test('the first catcher that takes an error is the one', async () => {
    const first = { ErrorEquals: ['Boom'], Next: 'One' };
    const states = {
      First: task({ Catch: [first, { ErrorEquals: ['States.ALL'], Next: 'Two' }] }),
      One: { ...pass, Result: 1 },
      Two: pass,
    };
    expect((await run(states, {}, failing('Boom'))).output).toBe(1);
  });
});

describe('retries', () => {
  test('the interval grows by the rate up to the longest delay, and the attempts are as many as said', async () => {
    const retry = { ErrorEquals: ['Boom'], IntervalSeconds: 2, BackoffRate: 3, MaxDelaySeconds: 10, MaxAttempts: 3 };
    const times: number[] = [];
    const { machine: made, clock } = machine(
      { First: task({ Retry: [retry] }) },
      {
        f: () => {
          times.push((clock.now() - Date.UTC(2026, 0, 1)) / 1000);
          throw new StateFailure('Boom', '');
        },
      },
    );
    const execution = made.start('one', {});
    for (let second = 0; second < 30; second += 1) {
      await settle();
      clock.advance(1000);
    }
    await execution?.ended;
    expect(times).toEqual([0, 2, 8, 18]);
    expect(execution).toMatchObject({ status: 'FAILED', error: 'Boom' });
  });

  test('without numbers there are three attempts more, after one, two and four seconds', async () => {
    const { machine: made, clock } = machine({ First: task({ Retry: [{ ErrorEquals: ['States.ALL'] }] }) }, failing('A', 'B', 'C'));
    const execution = made.start('one', {});
    for (const wait of [1000, 2000, 4000]) {
      await settle();
      expect(execution?.status).toBe('RUNNING');
      clock.advance(wait);
    }
    await execution?.ended;
    expect(execution).toMatchObject({ status: 'SUCCEEDED' });
  });

  test('MaxAttempts of 0 never tries again, and then the catchers are asked', async () => {
    const states = {
      First: task({ Retry: [{ ErrorEquals: ['States.ALL'], MaxAttempts: 0 }], Catch: [{ ErrorEquals: ['States.ALL'], Next: 'Last' }] }),
      Last: pass,
    };
    expect((await run(states, {}, failing('Boom'))).output).toEqual({ Error: 'Boom', Cause: 'told to' });
  });

  test('each retrier counts its own attempts', async () => {
    const retry = [
      { ErrorEquals: ['A'], MaxAttempts: 1 },
      { ErrorEquals: ['B'], MaxAttempts: 1 },
    ];
    const { machine: made, clock } = machine({ First: task({ Retry: retry }) }, failing('A', 'B', 'A'));
    const execution = made.start('one', {});
    for (let turn = 0; turn < 2; turn += 1) {
      await settle();
      clock.advance(1000);
    }
    await execution?.ended;
    expect(execution).toMatchObject({ status: 'FAILED', error: 'A' });
  });
});

/** The token of a call as `waiting` makes it. */
function tokenIn(payload: Json): string {
  return isObject(payload) ? textOf(payload['token']) : '';
}

describe('task tokens', () => {
  const waiting = (more: Readonly<Record<string, unknown>> = {}): unknown =>
    task({ Resource: WAITING, Parameters: { FunctionName: 'f', Payload: { 'token.$': '$$.Task.Token' } }, ...more });
  const tokens: string[] = [];
  const remember: Functions = {
    f: (payload) => {
      tokens.push(tokenIn(payload));
      return 'ignored';
    },
  };
  const last = (): string => tokens.at(-1) ?? '';

  test('the output is what the token was answered with, not what the function returned', async () => {
    const { machine: made } = machine({ First: waiting() }, remember);
    const execution = made.start('one', {});
    await settle();
    expect(execution?.status).toBe('RUNNING');
    expect(made.tokens.succeed(last(), { answer: 1 })).toBe('taken');
    await execution?.ended;
    expect(execution).toMatchObject({ status: 'SUCCEEDED', output: { answer: 1 } });
    expect(made.tokens.succeed(last(), {})).toBe('TaskTimedOut');
  });

  test('a token that is answered before the function returns counts', async () => {
    const { machine: made } = machine({ First: waiting() }, { f: (payload) => made.tokens.succeed(tokenIn(payload), 'early') });
    const execution = made.start('one', {});
    await execution?.ended;
    expect(execution?.output).toBe('early');
  });

  test('a failing function fails the task, whose token is over', async () => {
    const { machine: made } = machine(
      { First: waiting() },
      {
        f: (payload) => {
          tokens.push(tokenIn(payload));
          throw new StateFailure('Boom', '');
        },
      },
    );
    const execution = made.start('one', {});
    await execution?.ended;
    expect(execution?.error).toBe('Boom');
    expect(made.tokens.succeed(last(), {})).toBe('TaskTimedOut');
  });

  test('a failure that is sent is the error of the task', async () => {
    const { machine: made } = machine({ First: waiting() }, remember);
    const execution = made.start('one', {});
    await settle();
    made.tokens.fail(last(), 'Denied', 'by a person');
    await execution?.ended;
    expect(execution).toMatchObject({ error: 'Denied', cause: 'by a person' });
  });

  test('every attempt has a token of its own', async () => {
    const { machine: made, clock } = machine({ First: waiting({ Retry: [{ ErrorEquals: ['Again'] }] }) }, remember);
    const execution = made.start('one', {});
    await settle();
    const first = last();
    made.tokens.fail(first, 'Again', '');
    await settle();
    clock.advance(1000);
    await settle();
    expect(last()).not.toBe(first);
    expect(made.tokens.succeed(first, {})).toBe('TaskTimedOut');
    made.tokens.succeed(last(), {});
    await execution?.ended;
    expect(execution?.status).toBe('SUCCEEDED');
  });

  test('a token that was never given is invalid', () => {
    expect(machine({ First: waiting() }, remember).machine.tokens.succeed('made up', {})).toBe('InvalidToken');
  });

  test('a task ends with States.Timeout after its seconds, also when they come from a path', async () => {
    for (const timeout of [{ TimeoutSeconds: 5 }, { TimeoutSecondsPath: '$.wait' }]) {
      const { machine: made, clock } = machine({ First: waiting(timeout) }, remember);
      const execution = made.start('one', { wait: 5 });
      await settle();
      clock.advance(4999);
      await settle();
      expect(execution?.status).toBe('RUNNING');
      clock.advance(1);
      await execution?.ended;
      expect(execution?.error).toBe('States.Timeout');
    }
  });

  test('a TimeoutSecondsPath that is no positive integer fails the execution', async () => {
    expect(await run({ First: waiting({ TimeoutSecondsPath: '$.wait' }) }, { wait: 0.5 }, remember)).toMatchObject({
      error: 'States.Runtime',
    });
  });

  test('heartbeats keep a task alive, and their absence ends it', async () => {
    const { machine: made, clock } = machine({ First: waiting({ HeartbeatSeconds: 10 }) }, remember);
    const execution = made.start('one', {});
    await settle();
    clock.advance(9000);
    expect(made.tokens.heartbeat(last())).toBe('taken');
    clock.advance(9000);
    await settle();
    expect(execution?.status).toBe('RUNNING');
    clock.advance(1000);
    await execution?.ended;
    expect(execution?.error).toBe('States.HeartbeatTimeout');
  });
});

describe('executions', () => {
  test('a Wait state waits its seconds, or until its timestamp', async () => {
    for (const until of [{ Seconds: 60 }, { Timestamp: '2026-01-01T00:01:00Z' }, { SecondsPath: '$.s' }]) {
      const { machine: made, clock } = machine({ First: { Type: 'Wait', ...until, End: true } });
      const execution = made.start('one', { s: 60 });
      await settle();
      clock.advance(59_999);
      await settle();
      expect(execution?.status).toBe('RUNNING');
      clock.advance(1);
      await execution?.ended;
      expect(execution?.status).toBe('SUCCEEDED');
    }
  });

  test('a name is used once: the same input is the running execution, anything else is refused', async () => {
    const { machine: made, clock } = machine({ First: { Type: 'Wait', Seconds: 1, End: true } });
    const execution = made.start('one', { a: 1 });
    expect(made.start('one', { a: 1 })).toBe(execution);
    expect(made.start('one', { a: 2 })).toBeUndefined();
    clock.advance(1000);
    await execution?.ended;
    expect(made.start('one', { a: 1 })).toBeUndefined();
  });

  test('an execution that runs longer than the definition allows is timed out', async () => {
    const { machine: made, clock } = machine({ First: { Type: 'Wait', Seconds: 100, End: true } }, {}, { TimeoutSeconds: 10 });
    const execution = made.start('one', {});
    clock.advance(10_000);
    await execution?.ended;
    expect(execution).toMatchObject({ status: 'TIMED_OUT', error: 'States.Timeout' });
  });
});

describe('what the interpreter does not know', () => {
  test.each([
    ['a type', { First: { Type: 'Map', End: true } }],
    ['a field', { First: { ...pass, Assign: {} } }],
    ['a query language', { First: { ...pass, QueryLanguage: 'JSONata' } }],
    ['a field of a retrier', { First: task({ Retry: [{ ErrorEquals: ['A'], Tries: 3 }] }) }],
    ['a state that is named and not there', { First: { Type: 'Pass', Next: 'Second' } }],
    ['a state that leads nowhere', { First: { Type: 'Pass' } }],
  ])('%s is refused before anything runs', (_, states) => {
    expect(() => machine(states)).toThrow(UnknownToInterpreter);
  });

  test.each([
    ['an intrinsic function', { ...pass, Parameters: { 'x.$': "States.Format('{}', $.a)" } }],
    ['a filter in a path', { ...pass, InputPath: '$.a[?(@.b)]' }],
    ['another service', { Type: 'Task', Resource: 'arn:aws:states:::sqs:sendMessage', End: true }],
    ['a parameter of a call', task({ Parameters: { FunctionName: 'f', InvocationType: 'Event' } })],
    ['a comparison', { Type: 'Choice', Choices: [{ Variable: '$.a', StringMatches: 'a*', Next: 'First' }] }],
  ])('%s breaks the execution instead of being guessed', async (_, state) => {
    expect((await run({ First: state }, { a: [] })).broken).toBeInstanceOf(UnknownToInterpreter);
  });
});
