/**
 * What the emulator cannot do, on loopback: Lambda calls the real handlers in this process, Step Functions runs the synthesized
 * definition on the interpreter. Clients find them by the SDK's own variables.
 */
import { createServer } from 'node:http';
import type { Clock } from '../../../proxy-task/ports.ts';
import { StateMachine } from '../../support/state-machine/state-machine.ts';
import { LambdaEndpoint, type Handler } from './lambda-endpoint.ts';
import { StepFunctionsEndpoint } from './step-functions-endpoint.ts';

export type AwsServices = {
  readonly lambda: LambdaEndpoint;
  readonly stepFunctions: StepFunctionsEndpoint;
  readonly machines: readonly StateMachine[];
  /** For this process and for those that it starts. */
  readonly environment: Readonly<Record<string, string>>;
  stop(): Promise<void>;
};

export type AwsServicesOptions = {
  /** By the name that callers use. */
  readonly functions: Readonly<Record<string, Handler>>;
  /** Definitions by ARN; `FunctionName` in them is a name above, or an ARN that ends in one. */
  readonly stateMachines?: Readonly<Record<string, unknown>>;
  /** Runs the state machines' timers. */
  readonly clock: Clock;
};

export async function startAwsServices(options: AwsServicesOptions): Promise<AwsServices> {
  const lambda = new LambdaEndpoint(options.functions);
  const machines = Object.entries(options.stateMachines ?? {}).map(
    ([arn, definition]) =>
      new StateMachine({ arn, definition, clock: options.clock, invoke: (name, payload) => lambda.invoke(name, payload) }),
  );
  const stepFunctions = new StepFunctionsEndpoint(machines);
  const server = createServer((request, response) => {
    lambda
      .answer(request, response)
      .then(async (answered) => {
        if (!answered && !(await stepFunctions.answer(request, response))) response.writeHead(404).end();
      })
      .catch((error: unknown) => response.writeHead(500).end(String(error)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const url = `http://127.0.0.1:${address.port}`;
  return {
    lambda,
    stepFunctions,
    machines,
    environment: { AWS_ENDPOINT_URL_LAMBDA: url, AWS_ENDPOINT_URL_SFN: url },
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
