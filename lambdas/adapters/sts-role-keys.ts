/** Assumes a target's role. Only `issue-credential` may, in all of Sallyport. */
import { AssumeRoleCommand, STSClient } from '@aws-sdk/client-sts';
import { CredentialUnavailable } from '../../core/credential/credential-unavailable.ts';
import { checkRoleSession } from '../../core/credential/role-session-limits.ts';
import type { CredentialPorts } from '../issue-credential/ports.ts';

/** A login waits for this: two tries of at most two seconds, within the function's own time-out. */
const CLIENT = { maxAttempts: 2, requestHandler: { connectionTimeout: 500, requestTimeout: 2_000, throwOnRequestTimeout: true } };

export function stsRoleKeys(): CredentialPorts['assume'] {
  const sts = new STSClient(CLIENT);
  return async (session) => {
    checkRoleSession(session);
    const { roleArn, externalId } = session;
    try {
      const { Credentials } = await sts.send(
        new AssumeRoleCommand({
          RoleArn: roleArn,
          RoleSessionName: session.roleSessionName,
          SourceIdentity: session.sourceIdentity,
          Tags: session.tags.map(({ key, value }) => ({ Key: key, Value: value })),
          TransitiveTagKeys: [...session.transitiveTagKeys],
          Policy: session.policy,
          DurationSeconds: session.durationSeconds,
          ...(externalId === undefined ? {} : { ExternalId: externalId }),
        }),
      );
      const { AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey, SessionToken: sessionToken } = Credentials ?? {};
      if (accessKeyId === undefined || secretAccessKey === undefined || sessionToken === undefined)
        throw new CredentialUnavailable(`role ${roleArn}: STS answered without keys`);
      return { accessKeyId, secretAccessKey, sessionToken };
    } catch (cause) {
      if (cause instanceof CredentialUnavailable) throw cause;
      // STS repeats in its message what it was asked; its name says enough.
      throw new CredentialUnavailable(`role ${roleArn} cannot be assumed (${cause instanceof Error ? cause.name : 'unknown'})`, { cause });
    }
  };
}
