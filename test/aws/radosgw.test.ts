// The store of evidence on Ceph's gateway, which truly refuses to delete and to shorten. It knows no If-None-Match on a PUT.
import { S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll } from 'vitest';
import { evidenceStoreContract } from '../contract/evidence-store.ts';
import { lockedBucket } from './support/locked-bucket.ts';
import { RADOSGW_CREDENTIALS, type Radosgw, startRadosgw } from './support/radosgw.ts';

let radosgw: Radosgw;

beforeAll(async () => {
  radosgw = await startRadosgw();
  const { accessKeyId, secretAccessKey } = RADOSGW_CREDENTIALS;
  Object.assign(process.env, {
    AWS_ENDPOINT_URL: radosgw.url,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
  });
}, 600_000);

afterAll(() => radosgw.stop());

evidenceStoreContract(
  'radosgw',
  () => lockedBucket(new S3Client({ forcePathStyle: true }), 'contract', ['replaces', 'wrong-checksum']),
  true,
);
