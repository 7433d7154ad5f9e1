/** Reads a target's secret with the keys of the target's role. */
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { CredentialUnavailable } from '../../core/credential/credential-unavailable.ts';
import type { CredentialPorts } from '../issue-credential/ports.ts';

/** As STS: two tries of at most two seconds. */
const CLIENT = { maxAttempts: 2, requestHandler: { connectionTimeout: 500, requestTimeout: 2_000, throwOnRequestTimeout: true } };

export function secretsTargetSecret(): CredentialPorts['secret'] {
  return async (arn, region, keys) => {
    const client = new SecretsManagerClient({ ...CLIENT, region, credentials: keys });
    try {
      const { SecretString, VersionId } = await client.send(new GetSecretValueCommand({ SecretId: arn }));
      if (SecretString === undefined || VersionId === undefined) throw new CredentialUnavailable(`secret ${arn} holds no text`);
      return { value: SecretString, version: VersionId };
    } catch (cause) {
      if (cause instanceof CredentialUnavailable) throw cause;
      throw new CredentialUnavailable(
        `secret ${arn} cannot be read by the target's role (${cause instanceof Error ? cause.name : 'unknown'})`,
        {
          cause,
        },
      );
    } finally {
      client.destroy();
    }
  };
}
