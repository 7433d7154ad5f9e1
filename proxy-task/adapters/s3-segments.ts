/** Segments in the evidence bucket: each put once, whole, and never over another. */
import { createHash } from 'node:crypto';
import { HeadObjectCommand, PutObjectCommand, S3ServiceException, type S3Client } from '@aws-sdk/client-s3';
import type { SegmentStore } from '../../core/evidence/journal-store.ts';
import { SallyportError } from '../../core/errors.ts';

/** Other bytes stand where a segment must: somebody wrote into the evidence. */
export class SegmentTaken extends SallyportError {
  readonly code = 'segment-taken';
}

export function s3Segments({ client, bucket }: { readonly client: S3Client; readonly bucket: string }): SegmentStore {
  return {
    put: async (path, bytes) => {
      const checksum = createHash('sha256').update(bytes).digest('base64');
      try {
        await client.send(
          new PutObjectCommand({
            Bucket: bucket,
            Key: path,
            Body: bytes,
            ContentLength: bytes.length,
            ContentType: 'application/octet-stream',
            // S3 asks for this header beside the checksum wherever an object gets a retention period (PutObject, "Object Lock").
            ChecksumAlgorithm: 'SHA256',
            ChecksumSHA256: checksum,
            IfNoneMatch: '*',
          }),
        );
      } catch (error) {
        if (!(error instanceof S3ServiceException) || error.$metadata.httpStatusCode !== 412) throw error;
        const standing = await client.send(new HeadObjectCommand({ Bucket: bucket, Key: path, ChecksumMode: 'ENABLED' }));
        // An answer was lost and this is ours, or it is not.
        if (standing.ChecksumSHA256 !== checksum || standing.ContentLength !== bytes.length) {
          throw new SegmentTaken(`another object stands at ${path}`, { cause: error });
        }
      }
    },
  };
}
