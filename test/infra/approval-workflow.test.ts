import aslValidator from 'asl-validator';
import { beforeAll, describe, expect, test } from 'vitest';
import { PRODUCTION } from '../../infra/stages.ts';
import { resources, type Synthesized, synthesize, textOf } from './synthesized.ts';

let production: Synthesized;
let definition: Record<string, Record<string, Record<string, unknown>>>;
beforeAll(() => {
  production = synthesize(PRODUCTION);
  const [machine] = resources(production.templates.control, 'AWS::StepFunctions::StateMachine');
  definition = JSON.parse(textOf(machine?.properties['DefinitionString']));
});

describe('the approval workflow', () => {
  test('it is valid Amazon States Language', () => {
    const { isValid, errorsText } = aslValidator(Object(definition), { checkPaths: true, checkArn: false });
    expect(errorsText('\n')).toBe('');
    expect(isValid).toBe(true);
  });

  test('it asks how long people have, tells them with a task token, and closes', () => {
    expect(definition['StartAt']).toBe('Describe');
    expect(definition['States']?.['Describe']).toMatchObject({ Next: 'Notify', ResultPath: '$.times' });
    expect(definition['States']?.['Notify']).toMatchObject({
      Next: 'CloseDecided',
      Resource: expect.stringMatching(/lambda:invoke\.waitForTaskToken$/u),
      TimeoutSecondsPath: '$.times.waitSeconds',
      Parameters: { Payload: { step: 'notify', 'id.$': '$.id', 'taskToken.$': '$$.Task.Token' } },
    });
  });

  test('silence closes as a time-out, and every other failure as one that expires nothing', () => {
    expect(definition['States']?.['Notify']?.['Catch']).toEqual([
      { ErrorEquals: ['AlreadyDecided'], ResultPath: null, Next: 'CloseDecided' },
      { ErrorEquals: ['States.Timeout'], ResultPath: null, Next: 'CloseTimedOut' },
      { ErrorEquals: ['States.ALL'], ResultPath: null, Next: 'CloseFailed' },
    ]);
    expect(definition['States']?.['Describe']?.['Catch']).toEqual([{ ErrorEquals: ['States.ALL'], ResultPath: null, Next: 'CloseFailed' }]);
    for (const [state, cause] of Object.entries({ CloseDecided: 'decided', CloseTimedOut: 'timeout', CloseFailed: 'failed' })) {
      expect(definition['States']?.[state]).toMatchObject({ Parameters: { Payload: { 'id.$': '$.id', cause } }, Next: 'Closed' });
    }
  });

  test('every call is repeated with growing pauses, but one that says that people were faster', () => {
    for (const [name, state] of Object.entries(definition['States'] ?? {})) {
      if (state['Type'] === 'Task') {
        expect(state['Retry'], name).toContainEqual({
          ErrorEquals: ['States.TaskFailed'],
          IntervalSeconds: 2,
          MaxAttempts: 6,
          BackoffRate: 2,
          MaxDelaySeconds: 60,
        });
      }
    }
    // The first that matches counts.
    expect(Object(definition['States']?.['Notify']?.['Retry'])[0]).toMatchObject({ ErrorEquals: ['AlreadyDecided'], MaxAttempts: 0 });
  });

  test('it is Standard, traced, and its logs have no data', () => {
    production.templates.control.hasResourceProperties('AWS::StepFunctions::StateMachine', {
      StateMachineType: 'STANDARD',
      StateMachineName: 'sallyport-prod-approval',
      LoggingConfiguration: { IncludeExecutionData: false, Level: 'ALL' },
      TracingConfiguration: { Enabled: true },
    });
  });
});
