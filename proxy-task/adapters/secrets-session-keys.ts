/** The keys of this instance from Secrets Manager, read once when the task starts. */
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { parseSecretKeys, SecretKeysUnusable, type SecretKeys } from '../../core/state/secret-keys.ts';

/** A task that starts can wait: without keys it may not serve at all. */
const CLIENT = { maxAttempts: 5, requestHandler: { connectionTimeout: 1_000, requestTimeout: 5_000, throwOnRequestTimeout: true } };

/** Throws SecretKeysUnusable, and what Secrets Manager throws. */
export async function readSessionKeys(secretArn: string): Promise<SecretKeys> {
  const client = new SecretsManagerClient(CLIENT);
  try {
    const { SecretString } = await client.send(new GetSecretValueCommand({ SecretId: secretArn }));
    if (SecretString === undefined) throw new SecretKeysUnusable('the secret of this instance holds no text');
    return parseSecretKeys(SecretString);
  } finally {
    client.destroy();
  }
}
