/** Completes the step of a workflow that waits for people. */
import { InvalidToken, SendTaskSuccessCommand, SFNClient, TaskDoesNotExist, TaskTimedOut } from '@aws-sdk/client-sfn';
import type { CompleteTask } from '../decide-approval/ports.ts';

/** A person waits for the page; what fails is done by the sweep. */
const CLIENT = { maxAttempts: 2, requestHandler: { connectionTimeout: 500, requestTimeout: 1_000, throwOnRequestTimeout: true } };

export function completeTask(client: SFNClient = new SFNClient(CLIENT)): CompleteTask {
  return async (taskToken, id) => {
    try {
      await client.send(new SendTaskSuccessCommand({ taskToken, output: JSON.stringify({ id }) }));
    } catch (error) {
      // It was completed before, or its time ran out: it does not wait any more.
      if (error instanceof TaskTimedOut || error instanceof TaskDoesNotExist || error instanceof InvalidToken) return;
      throw error;
    }
  };
}
