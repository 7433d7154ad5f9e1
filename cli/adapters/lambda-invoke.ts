/** Calls a function of a Sallyport instance with the credentials of whoever runs the command. */
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { SallyportError } from '../../core/errors.ts';

/** The function was not reached, or it failed; the message says what to look at. */
export class FunctionUnavailable extends SallyportError {
  readonly code = 'function-unavailable';
}

/** Functions that people call may read a few megabytes and run a bundle's cases: longer than any of them may take. */
const CLIENT = { maxAttempts: 3, requestHandler: { connectionTimeout: 5_000, requestTimeout: 30_000, throwOnRequestTimeout: true } };
/** What Lambda takes in a synchronous call. */
const MAX_PAYLOAD_BYTES = 6 * 1024 * 1024;

/** The function's answer, not yet read. Throws FunctionUnavailable. */
export async function invokeFunction(functionName: string, payload: object): Promise<unknown> {
  const bytes = Buffer.from(JSON.stringify(payload));
  if (bytes.length > MAX_PAYLOAD_BYTES)
    throw new FunctionUnavailable(`what is to be sent has ${bytes.length} bytes, more than Lambda takes`);
  const client = new LambdaClient(CLIENT);
  try {
    const { Payload, FunctionError } = await client.send(new InvokeCommand({ FunctionName: functionName, Payload: bytes }));
    const text = Payload === undefined ? '' : Buffer.from(Payload).toString('utf8');
    if (FunctionError !== undefined) throw new FunctionUnavailable(`${functionName} failed: ${errorIn(text)}; its log says more`);
    return JSON.parse(text) as unknown; // JSON.parse answers any; here it is unknown until read.
  } catch (cause) {
    if (cause instanceof FunctionUnavailable) throw cause;
    throw new FunctionUnavailable(`${functionName} cannot be called: ${wordsOf(cause)}`, { cause });
  } finally {
    client.destroy();
  }
}

function wordsOf(error: unknown): string {
  const { name, message } = error instanceof Error ? error : { name: '', message: '' };
  switch (name) {
    case 'CredentialsProviderError':
      return 'there are no AWS credentials here: sign in to AWS with the role that may call it';
    case 'AccessDeniedException':
      return 'your role may not call it';
    case 'ResourceNotFoundException':
      return 'there is no such function in this account and region: name the instance with --instance';
    case 'TooManyRequestsException':
      return 'it is being called too often: try again';
    case 'TimeoutError':
      return 'it did not answer in time';
    default:
      return /region/i.test(message) ? 'no AWS region is set: set AWS_REGION' : name;
  }
}

/** `errorMessage` of a failed function. */
function errorIn(text: string): string {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && 'errorMessage' in value ? String(value.errorMessage) : 'no reason given';
  } catch {
    // Not what Lambda writes: there is nothing to repeat.
    return 'no reason given';
  }
}
