/** The key by which SSH clients know this gateway, from Secrets Manager: one for all tasks, read once when a task starts. */
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';

/** A task that starts can wait: without its key it may not serve. */
const CLIENT = { maxAttempts: 5, requestHandler: { connectionTimeout: 1_000, requestTimeout: 5_000, throwOnRequestTimeout: true } };

/** The private key in OpenSSH's form, for `readHostKey`; empty where the secret holds no text. Throws what Secrets Manager throws. */
export async function readHostKeySecret(secretArn: string): Promise<string> {
  const client = new SecretsManagerClient(CLIENT);
  try {
    const { SecretString } = await client.send(new GetSecretValueCommand({ SecretId: secretArn }));
    return SecretString ?? '';
  } finally {
    client.destroy();
  }
}
