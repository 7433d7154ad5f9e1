/** A locked bucket of an emulator under the contract of evidence stores. */
import { createHash } from 'node:crypto';
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectVersionsCommand,
  PutObjectCommand,
  PutObjectLockConfigurationCommand,
  PutObjectRetentionCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { s3EvidenceSource } from '../../../cli/adapters/s3-evidence-source.ts';
import { S3EvidenceWriter } from '../../../lambdas/adapters/s3-evidence-writer.ts';
import type { EvidenceStoreHarness, LockAttacks, StoreGap } from '../../contract/evidence-store.ts';

/** Makes the bucket. `s3EvidenceSource` makes a client of its own, by the environment. */
export async function lockedBucket(s3: S3Client, bucket: string, gaps: readonly StoreGap[]): Promise<EvidenceStoreHarness> {
  await s3.send(new CreateBucketCommand({ Bucket: bucket, ObjectLockEnabledForBucket: true }));
  await s3.send(
    new PutObjectLockConfigurationCommand({
      Bucket: bucket,
      ObjectLockConfiguration: { ObjectLockEnabled: 'Enabled', Rule: { DefaultRetention: { Mode: 'COMPLIANCE', Days: 1 } } },
    }),
  );
  return {
    store: new S3EvidenceWriter(s3, bucket),
    source: s3EvidenceSource({ bucket, prefix: '' }),
    gaps,
    lock: attacks(s3, bucket),
    close: () => Promise.resolve(),
  };
}

function attacks(s3: S3Client, bucket: string): LockAttacks {
  /** The oldest version: what was put first. */
  const versionOf = async (path: string): Promise<{ Bucket: string; Key: string; VersionId: string }> => {
    const { Versions: versions = [] } = await s3.send(new ListObjectVersionsCommand({ Bucket: bucket, Prefix: path }));
    const [oldest] = versions.toSorted((a, b) => (a.LastModified?.getTime() ?? 0) - (b.LastModified?.getTime() ?? 0));
    if (oldest?.VersionId === undefined) throw new Error(`${path} has no version`);
    return { Bucket: bucket, Key: path, VersionId: oldest.VersionId };
  };
  const first = async (path: string): Promise<{ bytes: Buffer; untilMs: number }> => {
    const { Versions: versions = [] } = await s3.send(new ListObjectVersionsCommand({ Bucket: bucket, Prefix: path }));
    for (const { VersionId: id } of versions.toReversed()) {
      if (id === undefined) continue;
      const answer = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: path, VersionId: id }));
      const bytes = Buffer.from((await answer.Body?.transformToByteArray()) ?? []);
      return { bytes, untilMs: answer.ObjectLockRetainUntilDate?.getTime() ?? 0 };
    }
    throw new Error(`${path} has no version`);
  };
  return {
    first: async (path) => (await first(path)).bytes,
    retainedUntilMs: async (path) => (await first(path)).untilMs,
    deleteVersion: async (path, { bypass }) =>
      void (await s3.send(new DeleteObjectCommand({ ...(await versionOf(path)), ...(bypass ? { BypassGovernanceRetention: true } : {}) }))),
    retain: async (path, mode, forMs) =>
      void (await s3.send(
        new PutObjectRetentionCommand({
          ...(await versionOf(path)),
          Retention: { Mode: mode, RetainUntilDate: new Date(Date.now() + forMs) },
          ChecksumAlgorithm: 'SHA256',
        }),
      )),
    hide: async (path) => void (await s3.send(new DeleteObjectCommand({ Bucket: bucket, Key: path }))),
    putWithWrongChecksum: async (path) =>
      void (await s3.send(
        new PutObjectCommand({
          Bucket: bucket,
          Key: path,
          Body: Buffer.from('these bytes'),
          ChecksumAlgorithm: 'SHA256',
          ChecksumSHA256: createHash('sha256').update('other bytes').digest('base64'),
        }),
      )),
  };
}
