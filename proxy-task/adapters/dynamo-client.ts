import { DynamoDBClient } from '@aws-sdk/client-dynamodb';

/** A handshake inside one region takes a few milliseconds: half a second of none is an endpoint that is not there. */
const CONNECT_TIMEOUT_MS = 500;

/**
 * A client that gives up in time for its caller, who knows what a late answer costs. `attempts` counts the first one; with one, the
 * caller repeats by itself.
 */
export function dynamoClient(options: { readonly attempts: number; readonly requestTimeoutMs: number }, endpoint?: string): DynamoDBClient {
  return new DynamoDBClient({
    ...(endpoint === undefined ? {} : { endpoint }),
    maxAttempts: options.attempts,
    requestHandler: {
      connectionTimeout: CONNECT_TIMEOUT_MS,
      requestTimeout: options.requestTimeoutMs,
      // Without it a request that takes longer is only warned about.
      throwOnRequestTimeout: true,
    },
  });
}
