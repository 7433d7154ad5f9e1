// The endpoints that stand in for Lambda and Step Functions, as the SDK's own clients see them.
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import {
  DescribeExecutionCommand,
  SendTaskFailureCommand,
  SendTaskSuccessCommand,
  SFNClient,
  StartExecutionCommand,
} from '@aws-sdk/client-sfn';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isObject, jsonOf, textOf } from '../support/state-machine/json-value.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { startAwsServices, type AwsServices } from './support/aws-services.ts';
import { useMoto } from './support/moto.ts';

const MACHINE = 'arn:aws:states:us-east-1:123456789012:stateMachine:facts';
const EXECUTION = 'arn:aws:states:us-east-1:123456789012:execution:facts';

const tokens: string[] = [];
let services: AwsServices;
let lambda: LambdaClient;
let sfn: SFNClient;
beforeAll(async () => {
  useMoto();
  services = await startAwsServices({
    clock: new ManualClock(),
    functions: {
      'sallyport-test-echo': (event) => Promise.resolve({ event }),
      'sallyport-test-fails': () => Promise.reject(new TypeError('told to')),
      'sallyport-test-remembers': (event) => {
        const json = jsonOf(event);
        tokens.push(isObject(json) ? textOf(json['token']) : '');
        return Promise.resolve();
      },
    },
    stateMachines: {
      [MACHINE]: {
        StartAt: 'Ask',
        States: {
          Ask: {
            Type: 'Task',
            Resource: 'arn:aws:states:::lambda:invoke.waitForTaskToken',
            Parameters: {
              FunctionName: 'arn:aws:lambda:us-east-1:123456789012:function:sallyport-test-remembers',
              Payload: { 'token.$': '$$.Task.Token' },
            },
            End: true,
          },
        },
      },
    },
  });
  Object.assign(process.env, services.environment);
  lambda = new LambdaClient({ maxAttempts: 1 });
  sfn = new SFNClient({ maxAttempts: 1 });
});
afterAll(() => services.stop());

const invoke = (name: string, type?: 'Event') =>
  lambda.send(
    new InvokeCommand({ FunctionName: name, Payload: Buffer.from('{"a":1}'), ...(type === undefined ? {} : { InvocationType: type }) }),
  );

describe('Lambda on loopback', () => {
  test('a function is called by its name or ARN and answers with JSON', async () => {
    for (const name of ['sallyport-test-echo', 'arn:aws:lambda:us-east-1:123456789012:function:sallyport-test-echo']) {
      const { Payload, StatusCode, FunctionError } = await invoke(name);
      expect([StatusCode, FunctionError, Buffer.from(Payload ?? []).toString()]).toEqual([200, undefined, '{"event":{"a":1}}']);
    }
  });

  test('a function that throws answers 200 with FunctionError and the kind of error', async () => {
    const { Payload, StatusCode, FunctionError } = await invoke('sallyport-test-fails');
    expect([StatusCode, FunctionError]).toEqual([200, 'Unhandled']);
    expect(JSON.parse(Buffer.from(Payload ?? []).toString())).toMatchObject({ errorType: 'TypeError', errorMessage: 'told to' });
  });

  test('an event is accepted before it ran, and its failure is no answer', async () => {
    expect((await invoke('sallyport-test-fails', 'Event')).StatusCode).toBe(202);
  });

  test('a function that is not there is ResourceNotFoundException', async () => {
    await expect(invoke('none')).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
  });

  test('a throttled function is TooManyRequestsException, one out of reach a broken connection', async () => {
    services.lambda.fail('sallyport-test-echo', 'throttled');
    await expect(invoke('sallyport-test-echo')).rejects.toMatchObject({ name: 'TooManyRequestsException' });
    services.lambda.fail('sallyport-test-echo', 'unreachable');
    await expect(invoke('sallyport-test-echo')).rejects.toThrow();
    services.lambda.heal('sallyport-test-echo');
    expect((await invoke('sallyport-test-echo')).StatusCode).toBe(200);
  });
});

describe('Step Functions on loopback', () => {
  const start = (name: string, input = '{}') => sfn.send(new StartExecutionCommand({ stateMachineArn: MACHINE, name, input }));

  test('a started execution waits for its token and ends with what it was answered', async () => {
    expect((await start('one')).executionArn).toBe(`${EXECUTION}:one`);
    await expect.poll(() => tokens.length).toBe(1);
    const describeIt = () => sfn.send(new DescribeExecutionCommand({ executionArn: `${EXECUTION}:one` }));
    expect((await describeIt()).status).toBe('RUNNING');
    await sfn.send(new SendTaskSuccessCommand({ taskToken: tokens[0], output: '{"b":2}' }));
    await expect.poll(async () => (await describeIt()).status).toBe('SUCCEEDED');
    expect((await describeIt()).output).toBe('{"b":2}');
    await expect(sfn.send(new SendTaskSuccessCommand({ taskToken: tokens[0], output: '{}' }))).rejects.toMatchObject({
      name: 'TaskTimedOut',
    });
    await expect(start('one')).rejects.toMatchObject({ name: 'ExecutionAlreadyExists' });
  });

  test('a running execution may be started again with the same input only', async () => {
    await start('two');
    expect((await start('two')).executionArn).toBe(`${EXECUTION}:two`);
    await expect(start('two', '{"x":1}')).rejects.toMatchObject({ name: 'ExecutionAlreadyExists' });
  });

  test('tokens and machines that are not there are refused by name', async () => {
    await expect(sfn.send(new SendTaskFailureCommand({ taskToken: 'made up', error: 'E' }))).rejects.toMatchObject({
      name: 'InvalidToken',
    });
    const other = new StartExecutionCommand({ stateMachineArn: `${MACHINE}2`, name: 'x', input: '{}' });
    await expect(sfn.send(other)).rejects.toMatchObject({ name: 'StateMachineDoesNotExist' });
  });

  test('a refused action fails until it is healed', async () => {
    services.stepFunctions.refuse('StartExecution');
    await expect(start('three')).rejects.toThrow();
    services.stepFunctions.heal('StartExecution');
    expect((await start('three')).executionArn).toBe(`${EXECUTION}:three`);
  });
});
