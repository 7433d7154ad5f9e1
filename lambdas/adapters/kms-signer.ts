/** The signing key of an instance, which never leaves KMS. */
import { createPublicKey } from 'node:crypto';
import { GetPublicKeyCommand, type KMSClient, SignCommand } from '@aws-sdk/client-kms';
import { SallyportError } from '../../core/errors.ts';
import { keyFingerprint, type Signer } from '../../core/evidence/checkpoint.ts';
import type { SignerSource } from '../seal/ports.ts';

/** The key in KMS is not one that checkpoints can be signed with, or what is to be signed does not fit. */
export class SigningRefused extends SallyportError {
  readonly code = 'signing-refused';
}

/** KMS hashes a RAW message itself, up to this size. */
const MAX_RAW_BYTES = 4096;

export class KmsSigner implements SignerSource {
  readonly #kms: KMSClient;
  readonly #keyArn: string;
  #known: Signer | undefined;

  constructor(kms: KMSClient, keyArn: string) {
    this.#kms = kms;
    this.#keyArn = keyArn;
  }

  /** The key of an ARN never changes: its public half is asked for once. Throws SigningRefused and what KMS throws. */
  async signer(): Promise<Signer> {
    this.#known ??= await this.#load();
    return this.#known;
  }

  async #load(): Promise<Signer> {
    const { PublicKey: der, KeyUsage: usage } = await this.#kms.send(new GetPublicKeyCommand({ KeyId: this.#keyArn }));
    const key = der === undefined ? undefined : createPublicKey({ key: Buffer.from(der), format: 'der', type: 'spki' });
    // The key itself says its curve: the emulator leaves `KeySpec` out.
    if (key?.asymmetricKeyDetails?.namedCurve !== 'prime256v1' || usage !== 'SIGN_VERIFY') {
      throw new SigningRefused('the signing key must be ECC_NIST_P256 for SIGN_VERIFY');
    }
    return {
      keyId: keyFingerprint(key),
      publicKeyPem: key.export({ type: 'spki', format: 'pem' }).toString(),
      sign: (bytes) => this.#sign(bytes),
    };
  }

  async #sign(bytes: Buffer): Promise<Buffer> {
    if (bytes.length > MAX_RAW_BYTES) throw new SigningRefused(`KMS signs ${MAX_RAW_BYTES} bytes at most, not ${bytes.length}`);
    const { Signature: signature } = await this.#kms.send(
      new SignCommand({ KeyId: this.#keyArn, Message: bytes, MessageType: 'RAW', SigningAlgorithm: 'ECDSA_SHA_256' }),
    );
    if (signature === undefined) throw new SigningRefused('KMS answered without a signature');
    return Buffer.from(signature);
  }
}
