/** One synchronous call of a function of ours, with its answer as unknown data. */
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';

/** Calls the function and reads its answer. Rejects where there is none: throttled, too slow, failed, or no JSON. */
export type InvokeLambda = (payload: object) => Promise<unknown>;

/**
 * A login waits for the answer. `timeoutMs` is for each of two tries: a cold start takes most of a second, and the second try finds
 * it warm. Our functions may be asked twice, since they only read.
 */
export function invokeLambda(functionName: string, timeoutMs: number): InvokeLambda {
  const client = new LambdaClient({
    maxAttempts: 2,
    // Without `throwOnRequestTimeout` a request that takes longer is only warned about.
    requestHandler: { connectionTimeout: 500, requestTimeout: timeoutMs, throwOnRequestTimeout: true },
  });
  return async (payload) => {
    const { Payload, FunctionError } = await client.send(
      new InvokeCommand({ FunctionName: functionName, Payload: Buffer.from(JSON.stringify(payload)) }),
    );
    // What a function says of its own failure may repeat what it was given.
    if (FunctionError !== undefined || Payload === undefined) throw new Error(`the function ${functionName} has failed`);
    return JSON.parse(Buffer.from(Payload).toString('utf8')) as unknown; // JSON.parse answers any; here it is unknown until read.
  };
}
