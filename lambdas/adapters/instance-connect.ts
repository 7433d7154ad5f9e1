/** Pushes a public key to an instance, with the keys of the target's role. */
import { EC2InstanceConnectClient, SendSSHPublicKeyCommand } from '@aws-sdk/client-ec2-instance-connect';
import { CredentialUnavailable } from '../../core/credential/credential-unavailable.ts';
import type { CredentialPorts } from '../issue-credential/ports.ts';

/** As STS: two tries of at most two seconds. A key that is pushed twice is there once. */
const CLIENT = { maxAttempts: 2, requestHandler: { connectionTimeout: 500, requestTimeout: 2_000, throwOnRequestTimeout: true } };

export function instanceConnect(): CredentialPorts['pushKey'] {
  return async ({ instanceId, account, publicKey, region }, keys) => {
    const client = new EC2InstanceConnectClient({ ...CLIENT, region, credentials: keys });
    try {
      const { RequestId, Success } = await client.send(
        new SendSSHPublicKeyCommand({ InstanceId: instanceId, InstanceOSUser: account, SSHPublicKey: publicKey }),
      );
      if (Success !== true || RequestId === undefined) throw new CredentialUnavailable(`instance ${instanceId} has not taken the key`);
      return RequestId;
    } catch (cause) {
      if (cause instanceof CredentialUnavailable) throw cause;
      throw new CredentialUnavailable(`no key can be pushed to ${instanceId} (${cause instanceof Error ? cause.name : 'unknown'})`, {
        cause,
      });
    } finally {
      client.destroy();
    }
  };
}
