// The state machines that are deployed, by the validator of their language and by the interpreter of the stories.
import validate from 'asl-validator';
import { beforeAll, describe, expect, test } from 'vitest';
import { ManualClock } from '../support/manual-clock.ts';
import { jsonOf, isObject, textOf, type Json } from '../support/state-machine/json-value.ts';
import { StateFailure } from '../support/state-machine/state-failure.ts';
import { StateMachine, type Execution } from '../support/state-machine/state-machine.ts';
import { deployInstance, type Instance } from './support/instance.ts';
import { resetMoto, useMoto } from './support/moto.ts';

let instance: Instance;
beforeAll(async () => {
  useMoto();
  await resetMoto();
  instance = await deployInstance();
});

type Answers = { readonly describe?: () => Json; readonly notify?: (token: string) => void; readonly close?: (cause: string) => void };

const NOTHING_WRONG: Required<Answers> = { describe: () => ({ waitSeconds: 60 }), notify: () => undefined, close: () => undefined };

/** Starts the approval workflow with hand-made functions. */
function start(answers: Answers = {}): { readonly execution: Execution; readonly clock: ManualClock; readonly machine: StateMachine } {
  const { describe: times, notify, close } = { ...NOTHING_WRONG, ...answers };
  const [[arn, definition] = ['', {}]] = Object.entries(instance.stateMachines);
  const clock = new ManualClock(Date.UTC(2026, 0, 1));
  const invoke = async (name: string, payload: Json): Promise<Json> => {
    const input = isObject(payload) ? payload : {};
    expect(input['id']).toBe('ap_1');
    if (name.endsWith(':sallyport-prod-close-approval')) close(textOf(input['cause']));
    else if (input['step'] === 'describe') return times();
    else notify(textOf(input['taskToken']));
    return null;
  };
  const machine = new StateMachine({ arn, definition, clock, invoke });
  const execution = machine.start('ap_1', { id: 'ap_1' });
  if (execution === undefined) throw new Error('it did not start');
  return { execution, clock, machine };
}

/** Lets everything run that waits for no timer. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

describe('every state machine of the templates', () => {
  test('is valid Amazon States Language', async () => {
    const definitions = Object.values(instance.stateMachines);
    expect(definitions).toHaveLength(1);
    for (const definition of definitions) {
      const { isValid, errorsText } = validate(jsonOf(definition), { checkPaths: true, checkArn: true });
      expect([isValid, isValid ? '' : errorsText('\n')]).toEqual([true, '']);
    }
  });
});

describe('the approval workflow', () => {
  test('closes as decided when the token is answered', async () => {
    const causes: string[] = [];
    let token = '';
    const { execution, machine } = start({ notify: (given) => (token = given), close: (cause) => causes.push(cause) });
    await settle();
    expect([execution.status, causes]).toEqual(['RUNNING', []]);
    machine.tokens.succeed(token, {});
    await execution.ended;
    expect([execution.status, execution.entered, causes]).toEqual([
      'SUCCEEDED',
      ['Describe', 'Notify', 'CloseDecided', 'Closed'],
      ['decided'],
    ]);
  });

  test('closes as timed out when nobody answered in the time that the request has', async () => {
    const causes: string[] = [];
    const { execution, clock } = start({ close: (cause) => causes.push(cause) });
    await settle();
    clock.advance(59_999);
    await settle();
    expect(causes).toEqual([]);
    clock.advance(1);
    await execution.ended;
    expect([execution.status, causes]).toEqual(['SUCCEEDED', ['timeout']]);
  });

  test('closes as failed, and expires nothing, when people could not be told', async () => {
    const causes: string[] = [];
    let attempts = 0;
    const { execution, clock } = start({
      notify: () => {
        attempts += 1;
        throw new StateFailure('NoticeFailed', 'no');
      },
      close: (cause) => causes.push(cause),
    });
    for (const seconds of [2, 4, 8, 16, 32, 60]) {
      await settle();
      expect(causes).toEqual([]);
      clock.advance(seconds * 1000);
    }
    await execution.ended;
    expect([execution.status, attempts, causes]).toEqual(['SUCCEEDED', 7, ['failed']]);
  });

  test('closes as decided, at once, when people were faster than it', async () => {
    const causes: string[] = [];
    const { execution } = start({
      notify: () => {
        throw new StateFailure('AlreadyDecided', 'the approval is approved');
      },
      close: (cause) => causes.push(cause),
    });
    await execution.ended;
    expect([execution.status, causes]).toEqual(['SUCCEEDED', ['decided']]);
  });

  test('tries again where Lambda was busy', async () => {
    let calls = 0;
    const { execution, clock } = start({
      describe: () => {
        calls += 1;
        if (calls < 3) throw new StateFailure('Lambda.TooManyRequestsException', 'rate exceeded');
        return { waitSeconds: 60 };
      },
    });
    for (const seconds of [2, 4]) {
      await settle();
      clock.advance(seconds * 1000);
    }
    await settle();
    expect([calls, execution.entered]).toEqual([3, ['Describe', 'Notify']]);
  });

  test('carries the id and nothing of the statement', async () => {
    const { execution } = start();
    await settle();
    expect(execution.input).toEqual({ id: 'ap_1' });
    for (const machine of instance.templates.ofType('AWS::StepFunctions::StateMachine')) {
      expect(machine.properties['LoggingConfiguration']).toMatchObject({ IncludeExecutionData: false });
    }
  });
});
