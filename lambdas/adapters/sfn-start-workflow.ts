/** Starts the workflow of an approval. */
import { ExecutionAlreadyExists, SFNClient, StartExecutionCommand } from '@aws-sdk/client-sfn';

/** The request is stored by then: who waits for this waits for people to be told, and a sweep tells them otherwise. */
const CLIENT = { maxAttempts: 3, requestHandler: { connectionTimeout: 500, requestTimeout: 2_000, throwOnRequestTimeout: true } };

/** Named by the approval, so that there is one for ever; its input is the id alone. */
export function startWorkflow(
  stateMachineArn: string,
  client: SFNClient = new SFNClient(CLIENT),
): (id: string) => Promise<'started' | 'exists'> {
  return async (id) => {
    try {
      await client.send(new StartExecutionCommand({ stateMachineArn, name: id, input: JSON.stringify({ id }) }));
      return 'started';
    } catch (error) {
      if (!(error instanceof ExecutionAlreadyExists)) throw error;
      return 'exists';
    }
  };
}
