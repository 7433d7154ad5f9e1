/** Dumps of targets' catalogs in the staging bucket. */
import { GetObjectCommand, S3Client, S3ServiceException } from '@aws-sdk/client-s3';
import { catalogKey } from '../../core/approval/staged-catalog.ts';
import type { DryRunPorts } from '../evaluate-policy/ports.ts';

/** Dumps have megabytes, and nobody's login waits for them. */
const CLIENT = { maxAttempts: 3, requestHandler: { connectionTimeout: 1_000, requestTimeout: 10_000, throwOnRequestTimeout: true } };

export function s3CatalogDumps(bucket: string): DryRunPorts['catalog'] {
  const s3 = new S3Client({ ...CLIENT, forcePathStyle: process.env['AWS_ENDPOINT_URL'] !== undefined });
  return async (target, version) => {
    try {
      const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: catalogKey(target, version) }));
      return await Body?.transformToString('utf8');
    } catch (error) {
      // S3 says 403 of what is not there to whoever may not list the bucket.
      if (error instanceof S3ServiceException && [403, 404].includes(error.$metadata.httpStatusCode ?? 0)) return undefined;
      throw error;
    }
  };
}
