// What the command makes of buckets: which objects it takes, and what it says of those that it may not read.
import {
  GetObjectCommand,
  type GetObjectCommandOutput,
  ListObjectsV2Command,
  NoSuchKey,
  S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import { mockClient } from 'aws-sdk-client-mock';
import { beforeEach, describe, expect, test } from 'vitest';
import { parseBucketUri, s3EvidenceSource } from '../../cli/adapters/s3-evidence-source.ts';

const PLACE = { bucket: 'evidence', prefix: 'bank/' };
const SIGNED = new Date('2026-11-20T09:00:00Z');
const at = (seconds: number): Date => new Date(SIGNED.getTime() + seconds * 1_000);

beforeEach(() => {
  process.env['AWS_REGION'] = 'us-east-1';
});

function answer(bytes: Buffer): Pick<GetObjectCommandOutput, 'Body' | 'ETag'> {
  const body: unknown = { transformToByteArray: () => Promise.resolve(bytes) };
  // A whole stream of the SDK's, of which the adapter asks for its bytes only.
  return { ETag: 'e', Body: body as NonNullable<GetObjectCommandOutput['Body']> };
}

function failure(status: number, name: string): S3ServiceException {
  return new S3ServiceException({ name, $fault: 'client', $metadata: { httpStatusCode: status } });
}

async function paths(): Promise<string[]> {
  const listed: string[] = [];
  for await (const { path } of s3EvidenceSource(PLACE).list()) listed.push(path);
  return listed;
}

describe('an address', () => {
  test.each([
    ['s3://evidence', { bucket: 'evidence', prefix: '' }],
    ['s3://evidence/', { bucket: 'evidence', prefix: '' }],
    ['s3://evidence/bank', { bucket: 'evidence', prefix: 'bank/' }],
    ['s3://evidence/a/b/', { bucket: 'evidence', prefix: 'a/b/' }],
  ])('%s is a place', (uri, place) => expect(parseBucketUri(uri)).toEqual(place));

  test.each(['s3:', 's3://', 's3:///x', 's3://A', 's3://-a-/x', 'https://evidence', 's3://e'])('%s is none', (uri) =>
    expect(parseBucketUri(uri)).toBeUndefined(),
  );
});

describe('a bucket', () => {
  test('is listed below its prefix, without folders', async () => {
    const s3 = mockClient(S3Client);
    s3.on(ListObjectsV2Command)
      .resolvesOnce({
        Contents: [
          { Key: 'bank/', Size: 0 },
          { Key: 'bank/format.json', Size: 44 },
        ],
        NextContinuationToken: 't',
      })
      .resolves({
        Contents: [
          { Key: 'bank/keys/', Size: 0 },
          { Key: 'bank/keys/a.pem', Size: 9 },
        ],
      });
    expect(await paths()).toEqual(['format.json', 'keys/a.pem']);
    expect(s3.commandCalls(ListObjectsV2Command).map(({ args }) => args[0].input.Prefix)).toEqual(['bank/', 'bank/']);
  });

  test('in which a seal is just being made shows none of its pieces, and all that are older or much newer', async () => {
    mockClient(S3Client)
      .on(ListObjectsV2Command)
      .resolves({
        Contents: [
          { Key: 'bank/checkpoints/2026-11-20/000000000002.ckpt', LastModified: SIGNED, Size: 1 },
          { Key: 'bank/sessions/2026-11-20/s1/000000.seg', LastModified: at(60), Size: 1 },
          { Key: 'bank/writers/w1/000000000000.log', LastModified: at(-1), Size: 1 },
          { Key: 'bank/writers/w1/000000000001.log', LastModified: SIGNED, Size: 1 },
          { Key: 'bank/writers/w1/000000000002.log', LastModified: at(60), Size: 1 },
          { Key: 'bank/writers/w2/000000000000.log', LastModified: at(600), Size: 1 },
        ],
      });
    expect(await paths()).toEqual([
      'checkpoints/2026-11-20/000000000002.ckpt',
      'sessions/2026-11-20/s1/000000.seg',
      'writers/w1/000000000000.log',
      'writers/w1/000000000001.log',
      // A checkpoint that is gone does not take with it what it was over.
      'writers/w2/000000000000.log',
    ]);
  });

  test('asks ahead for small files in their order, each once', async () => {
    const s3 = mockClient(S3Client);
    const keys = Array.from({ length: 40 }, (_, each) => `bank/writers/w1/${String(each).padStart(12, '0')}.log`);
    s3.on(ListObjectsV2Command).resolves({ Contents: keys.map((Key) => ({ Key, Size: 10, LastModified: SIGNED })) });
    s3.on(GetObjectCommand).callsFake(({ Key: key }: { Key: string }) => answer(Buffer.from(key)));
    const source = s3EvidenceSource(PLACE);
    for await (const _ of source.list());
    const into = Buffer.alloc(100);
    for (const [each, key] of keys.entries()) {
      const file = await source.open(key.slice('bank/'.length));
      const taken = (await file?.read(into, 0)) ?? 0;
      expect(into.toString('utf8', 0, taken)).toBe(key);
      expect(s3.commandCalls(GetObjectCommand)).toHaveLength(each < 32 ? 32 : 40);
    }
  });

  test('whose small file fails ahead fails where it is opened', async () => {
    const s3 = mockClient(S3Client);
    const Contents = ['0', '1'].map((each) => ({ Key: `bank/writers/w1/00000000000${each}.log`, Size: 10, LastModified: SIGNED }));
    s3.on(ListObjectsV2Command).resolves({ Contents });
    s3.on(GetObjectCommand).callsFake(({ Key: key }: { Key: string }) => {
      if (key.endsWith('1.log')) throw failure(403, 'AccessDenied');
      return answer(Buffer.from(key));
    });
    const source = s3EvidenceSource(PLACE);
    for await (const _ of source.list());
    expect(await source.open('writers/w1/000000000000.log')).toBeDefined();
    await expect(source.open('writers/w1/000000000001.log')).rejects.toMatchObject({ code: 'bucket-unreadable' });
  });

  test('in which an object is replaced while it is read is no evidence', async () => {
    const s3 = mockClient(S3Client);
    s3.on(GetObjectCommand).callsFake(({ IfMatch: etag }: { IfMatch?: string }) => {
      if (etag !== undefined) throw failure(412, 'PreconditionFailed');
      return answer(Buffer.alloc(4 * 1024 * 1024));
    });
    const file = await s3EvidenceSource(PLACE).open('sessions/2026-11-20/s1/000000.seg');
    await expect(file?.read(Buffer.alloc(10), 4 * 1024 * 1024)).rejects.toMatchObject({ message: expect.stringContaining('was replaced') });
  });

  test('has no file where there is no object', async () => {
    mockClient(S3Client)
      .on(GetObjectCommand)
      .rejects(new NoSuchKey({ message: 'no', $metadata: {} }));
    expect(await s3EvidenceSource(PLACE).open('format.json')).toBeUndefined();
  });

  test.each([
    [failure(404, 'NoSuchBucket'), 'there is no bucket evidence'],
    [failure(403, 'AccessDenied'), 'these credentials may not read evidence'],
    [failure(301, 'PermanentRedirect'), 'is in another region'],
    [failure(400, 'ExpiredToken'), 'have expired'],
    [failure(403, 'InvalidAccessKeyId'), 'AWS does not know these credentials'],
    [Object.assign(new Error('no'), { name: 'CredentialsProviderError' }), 'there are no AWS credentials'],
    [Object.assign(new Error('getaddrinfo'), { name: 'TimeoutError' }), 'cannot be read: TimeoutError'],
  ])('that answers %s is told in words', async (error, says) => {
    mockClient(S3Client).on(ListObjectsV2Command).rejects(error);
    await expect(paths()).rejects.toMatchObject({ code: 'bucket-unreadable', message: expect.stringContaining(says) });
  });
});
