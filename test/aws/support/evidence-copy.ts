/** A copy of the evidence bucket in a folder, as an auditor would take one away. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { GetObjectCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';

export type EvidenceCopy = { readonly folder: string; readonly keys: readonly string[]; remove(): void };

export async function copyEvidence(bucket: string): Promise<EvidenceCopy> {
  const s3 = new S3Client({ forcePathStyle: true });
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-test-evidence-'));
  const keys: string[] = [];
  let token: string | undefined;
  do {
    const page = await s3.send(new ListObjectsV2Command({ Bucket: bucket, ...(token === undefined ? {} : { ContinuationToken: token }) }));
    for (const { Key } of page.Contents ?? []) {
      if (Key === undefined) continue;
      const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key }));
      mkdirSync(dirname(join(folder, Key)), { recursive: true });
      writeFileSync(join(folder, Key), (await Body?.transformToByteArray()) ?? '');
      keys.push(Key);
    }
    token = page.NextContinuationToken;
  } while (token !== undefined);
  return { folder, keys, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
