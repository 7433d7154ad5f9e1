/** Signs with the key for bundles. */
import { KMSClient, SignCommand } from '@aws-sdk/client-kms';
import { BundleRefused } from '../../core/config/published-bundle.ts';
import type { PublishPorts } from '../publish-bundle/ports.ts';

/** People wait for this, not a login. */
const CLIENT = { maxAttempts: 3, requestHandler: { connectionTimeout: 1_000, requestTimeout: 3_000, throwOnRequestTimeout: true } };
/** What KMS takes as a message of type RAW; a digest of type DIGEST would be signed by whoever can make one up. */
const MAX_MESSAGE_BYTES = 4_096;

export function kmsBundleSigner(keyArn: string): PublishPorts['sign'] {
  const kms = new KMSClient(CLIENT);
  return async (text) => {
    const message = Buffer.from(text);
    if (message.length > MAX_MESSAGE_BYTES)
      throw new BundleRefused(`what is to be signed has ${message.length} bytes, more than KMS takes`);
    const { Signature } = await kms.send(
      new SignCommand({ KeyId: keyArn, Message: message, MessageType: 'RAW', SigningAlgorithm: 'ECDSA_SHA_256' }),
    );
    if (Signature === undefined) throw new BundleRefused('KMS gave no signature');
    return Buffer.from(Signature);
  };
}
