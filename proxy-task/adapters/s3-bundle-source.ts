/** Follows the bundle in force on AWS: objects from S3, the key that signs them from KMS. */
import type { KeyObject } from 'node:crypto';
import { GetPublicKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import { GetObjectCommand, S3Client, S3ServiceException } from '@aws-sdk/client-s3';
import { bundleKey, bundlePublicKey, BundleRefused, isBundleLength } from '../../core/config/published-bundle.ts';

export type BundleStore = {
  /** The object of a version; undefined where there is none. */
  readonly object: (version: string) => Promise<string | undefined>;
  readonly publicKey: () => Promise<KeyObject>;
};

/** With the second try well within the 5 s in which a new bundle reaches live sessions. */
const CLIENT = { maxAttempts: 2, requestHandler: { connectionTimeout: 500, requestTimeout: 1_000, throwOnRequestTimeout: true } };

/** What `FollowedBundle` loads from. */
export function s3BundleStore(settings: { readonly configBucket: string; readonly bundleKey: string }): BundleStore {
  const s3 = new S3Client({ ...CLIENT, forcePathStyle: process.env['AWS_ENDPOINT_URL'] !== undefined });
  const kms = new KMSClient(CLIENT);
  return {
    object: async (version) => {
      try {
        const { Body, ContentLength } = await s3.send(new GetObjectCommand({ Bucket: settings.configBucket, Key: bundleKey(version) }));
        if (!isBundleLength(ContentLength)) throw new BundleRefused(`the object of ${version} is no bundle`);
        return await Body?.transformToString('utf8');
      } catch (error) {
        // S3 says 403 of what is not there to whoever may not list the bucket, and nobody here may.
        if (error instanceof S3ServiceException && [403, 404].includes(error.$metadata.httpStatusCode ?? 0)) return undefined;
        throw error;
      }
    },
    publicKey: async () => {
      const { PublicKey } = await kms.send(new GetPublicKeyCommand({ KeyId: settings.bundleKey }));
      return bundlePublicKey(PublicKey);
    },
  };
}
