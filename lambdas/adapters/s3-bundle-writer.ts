/** Puts published bundles into the bucket of configurations; what is there is never replaced. */
import { PutObjectCommand, S3Client, S3ServiceException } from '@aws-sdk/client-s3';
import { bundleKey } from '../../core/config/published-bundle.ts';
import type { PublishPorts } from '../publish-bundle/ports.ts';

/** Up to four megabytes, and people wait for it. */
const CLIENT = { maxAttempts: 3, requestHandler: { connectionTimeout: 1_000, requestTimeout: 10_000, throwOnRequestTimeout: true } };

export function s3BundleWriter(bucket: string): PublishPorts['put'] {
  const s3 = new S3Client({ ...CLIENT, forcePathStyle: process.env['AWS_ENDPOINT_URL'] !== undefined });
  return async (version, text) => {
    try {
      await s3.send(
        new PutObjectCommand({
          Bucket: bucket,
          Key: bundleKey(version),
          Body: text,
          ContentType: 'application/json',
          ChecksumAlgorithm: 'SHA256',
          IfNoneMatch: '*',
        }),
      );
      return 'stored';
    } catch (error) {
      // Published before, or stored by the try whose answer was lost: whoever asks compares.
      if (error instanceof S3ServiceException && error.$metadata.httpStatusCode === 412) return 'exists';
      throw error;
    }
  };
}
