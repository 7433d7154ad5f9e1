// The store of evidence on the emulator of AWS. What it does not refuse as AWS does is named.
import { ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { beforeAll, expect, test } from 'vitest';
import { s3EvidenceSource } from '../../cli/adapters/s3-evidence-source.ts';
import { S3EvidenceWriter } from '../../lambdas/adapters/s3-evidence-writer.ts';
import { evidenceStoreContract } from '../contract/evidence-store.ts';
import { lockedBucket } from './support/locked-bucket.ts';
import { resetMoto, useMoto } from './support/moto.ts';

beforeAll(async () => {
  useMoto();
  await resetMoto();
});

evidenceStoreContract(
  'moto',
  () => {
    useMoto();
    return lockedBucket(new S3Client({ forcePathStyle: true }), 'contract', ['wrong-checksum', 'retention-shortened', 'mode-weakened']);
  },
  true,
);

test('a bucket is listed to its last page, below its prefix only', async () => {
  const s3 = new S3Client({ forcePathStyle: true });
  await lockedBucket(s3, 'pages', []);
  const store = new S3EvidenceWriter(s3, 'pages');
  const paths = Array.from({ length: 1_020 }, (_, at) => `sessions/2026-11-20/s${String(at).padStart(4, '0')}/000000.seg`);
  const waiting = [...paths];
  const worker = async (): Promise<void> => {
    for (let path = waiting.shift(); path !== undefined; path = waiting.shift()) await store.put(`bank/${path}`, Buffer.from('x'));
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  await store.put('other/format.json', Buffer.from('x'));
  expect((await s3.send(new ListObjectsV2Command({ Bucket: 'pages' }))).IsTruncated).toBe(true);
  const listed: string[] = [];
  for await (const { path } of s3EvidenceSource({ bucket: 'pages', prefix: 'bank/' }).list()) listed.push(path);
  expect(listed).toEqual(paths);
});
