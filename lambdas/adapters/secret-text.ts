/** A secret of the gateway's own, as text. */
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { SallyportError } from '../../core/errors.ts';

/** The secret is not there, or is no text. */
export class SecretUnavailable extends SallyportError {
  readonly code = 'secret-unavailable';
}

/** Read once per start of a function: a new one starts within hours, and whoever rotates a secret restarts them. */
const CLIENT = { maxAttempts: 3, requestHandler: { connectionTimeout: 500, requestTimeout: 2_000, throwOnRequestTimeout: true } };

/** Reads it at the first call and keeps it; a failure is not kept. */
export function secretText(arn: string): () => Promise<string> {
  const client = new SecretsManagerClient(CLIENT);
  let kept: Promise<string> | undefined;
  const read = async (): Promise<string> => {
    const { SecretString } = await client.send(new GetSecretValueCommand({ SecretId: arn }));
    if (SecretString === undefined) throw new SecretUnavailable(`the secret ${arn} is no text`);
    return SecretString;
  };
  return async () => {
    const reading = (kept ??= read());
    try {
      return await reading;
    } catch (error) {
      if (kept === reading) kept = undefined;
      throw error;
    }
  };
}
