/** The authority of certificates for hosts: a key on P-256 that never leaves KMS. */
import { createPublicKey } from 'node:crypto';
import { GetPublicKeyCommand, KMSClient, SignCommand } from '@aws-sdk/client-kms';
import { CredentialUnavailable } from '../../core/credential/credential-unavailable.ts';
import { p256Blob, p256Signature } from '../../core/ssh/ecdsa.ts';
import { SshMalformed } from '../../core/ssh/wire.ts';
import type { CredentialPorts, HostAuthority } from '../issue-credential/ports.ts';

/** As STS: two tries of at most two seconds. */
const CLIENT = { maxAttempts: 2, requestHandler: { connectionTimeout: 500, requestTimeout: 2_000, throwOnRequestTimeout: true } };
/** KMS hashes a RAW message itself, up to this size. */
const MAX_RAW_BYTES = 4_096;

/** `keyArn`: absent in a stage without SSH. */
export function kmsSshAuthority(keyArn: string | undefined): CredentialPorts['authority'] {
  if (keyArn === undefined) return () => Promise.reject(new CredentialUnavailable('this deployment has no authority for certificates'));
  const kms = new KMSClient(CLIENT);
  let known: HostAuthority | undefined;
  const sign = async (bytes: Uint8Array): Promise<Buffer> => {
    if (bytes.length > MAX_RAW_BYTES) throw new CredentialUnavailable('the certificate is longer than what KMS signs');
    const { Signature: signature } = await kms.send(
      new SignCommand({ KeyId: keyArn, Message: bytes, MessageType: 'RAW', SigningAlgorithm: 'ECDSA_SHA_256' }),
    );
    return p256Signature(signature ?? Buffer.alloc(0));
  };
  // The key of an ARN never changes: its public half is asked for once.
  const load = async (): Promise<HostAuthority> => {
    const { PublicKey: der } = await kms.send(new GetPublicKeyCommand({ KeyId: keyArn }));
    const publicKey = p256Blob(createPublicKey({ key: Buffer.from(der ?? []), format: 'der', type: 'spki' }));
    return { publicKey, sign: (bytes) => named(() => sign(bytes)) };
  };
  return () => named(async () => (known ??= await load()));
}

async function named<V>(ask: () => Promise<V>): Promise<V> {
  try {
    return await ask();
  } catch (cause) {
    if (cause instanceof CredentialUnavailable) throw cause;
    const why = cause instanceof SshMalformed ? cause.message : cause instanceof Error ? cause.name : 'unknown';
    throw new CredentialUnavailable(`the authority of certificates cannot be used (${why})`, { cause });
  }
}
