/** The public key of an instance's authority for hosts, from KMS. */
import { createPublicKey } from 'node:crypto';
import { GetPublicKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import { SallyportError } from '../../core/errors.ts';
import { p256Blob } from '../../core/ssh/ecdsa.ts';

/** KMS gave no key; the message says what to do. */
export class AuthorityUnavailable extends SallyportError {
  readonly code = 'authority-unavailable';
}

const CLIENT = { maxAttempts: 3, requestHandler: { connectionTimeout: 2_000, requestTimeout: 5_000, throwOnRequestTimeout: true } };

/** The blob of the key with this alias, with the SDK's own credentials and region. Throws AuthorityUnavailable. */
export async function authorityKey(alias: string): Promise<Buffer> {
  try {
    const { PublicKey: der } = await new KMSClient(CLIENT).send(new GetPublicKeyCommand({ KeyId: alias }));
    return p256Blob(createPublicKey({ key: Buffer.from(der ?? []), format: 'der', type: 'spki' }));
  } catch (cause) {
    const why = cause instanceof Error ? cause.name : 'unknown';
    throw new AuthorityUnavailable(
      `${alias} cannot be read (${why}): the stage must have SSH, and your AWS credentials kms:GetPublicKey in its account and region`,
      { cause },
    );
  }
}
