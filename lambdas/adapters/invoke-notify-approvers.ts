/** Asks the function that tells people to do it again, without a workflow that waits. */
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';

/** Only handed over: the function works after it. */
const CLIENT = { maxAttempts: 2, requestHandler: { connectionTimeout: 500, requestTimeout: 2_000, throwOnRequestTimeout: true } };

export function invokeNotifyApprovers(
  functionName: string,
  client: LambdaClient = new LambdaClient(CLIENT),
): (id: string) => Promise<void> {
  return async (id) => {
    const Payload = Buffer.from(JSON.stringify({ step: 'notify', id }));
    await client.send(new InvokeCommand({ FunctionName: functionName, InvocationType: 'Event', Payload }));
  };
}
