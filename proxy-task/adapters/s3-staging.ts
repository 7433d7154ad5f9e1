/** Lines too large for the journal, in the staging bucket. The journal has their hashes, so a later put of the same line changes nothing. */
import { createHash } from 'node:crypto';
import { PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import type { StagingStore } from '../../core/evidence/journal-store.ts';

export function s3Staging({ client, bucket }: { readonly client: S3Client; readonly bucket: string }): StagingStore {
  return {
    put: async (key, bytes) => {
      await client.send(
        new PutObjectCommand({
          Bucket: bucket,
          Key: key,
          Body: bytes,
          ContentLength: bytes.length,
          ContentType: 'application/octet-stream',
          ChecksumAlgorithm: 'SHA256',
          ChecksumSHA256: createHash('sha256').update(bytes).digest('base64'),
        }),
      );
    },
  };
}
