// The stores of a recorder on AWS, under the faults of AWS.
import { createHash } from 'node:crypto';
import { ConditionalCheckFailedException, DynamoDBClient, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { HeadObjectCommand, PutObjectCommand, S3Client, S3ServiceException } from '@aws-sdk/client-s3';
import { mockClient } from 'aws-sdk-client-mock';
import { beforeEach, describe, expect, test } from 'vitest';
import { NO_BATCH } from '../../../core/evidence/batch.ts';
import { encodeCommit, encodeTombstone } from '../../../core/evidence/journal-item.ts';
import { commitHash, type JournalCommit } from '../../../core/evidence/journal.ts';
import { dynamoJournal } from '../../../proxy-task/adapters/dynamo-journal.ts';
import { s3Segments } from '../../../proxy-task/adapters/s3-segments.ts';
import { s3Staging } from '../../../proxy-task/adapters/s3-staging.ts';
import { flushed, opened } from '../../support/evidence.ts';
import { passes, settled, startJournalRecorder } from '../../support/journal-stores.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const dynamo = mockClient(DynamoDBClient);
const s3 = mockClient(S3Client);
const clock = new ManualClock(Date.UTC(2026, 10, 20, 9));

beforeEach(() => {
  dynamo.reset();
  s3.reset();
});

function commit(text: string): JournalCommit {
  const unhashed = { writer: 't1', seq: 17, prev: NO_BATCH, body: Buffer.from(text), needed: 3 };
  return { ...unhashed, hash: commitHash(unhashed) };
}

const refused = (Item?: ConditionalCheckFailedException['Item']): ConditionalCheckFailedException =>
  new ConditionalCheckFailedException({ message: 'the condition failed', $metadata: {}, ...(Item === undefined ? {} : { Item }) });

const throttled = Object.assign(new Error('too much'), { name: 'ProvisionedThroughputExceededException' });

const s3Failure = (httpStatusCode: number, name: string): S3ServiceException =>
  new S3ServiceException({ name, $fault: 'client', message: name, $metadata: { httpStatusCode } });

describe('the journal in DynamoDB', () => {
  const journal = dynamoJournal({ client: new DynamoDBClient({ region: 'us-east-1' }), table: 'journal', clock });

  test('puts a commit only where nothing stands, and asks what does', async () => {
    dynamo.on(PutItemCommand).resolves({});
    expect(await journal.put(commit('a'))).toBe('written');
    const [call] = dynamo.commandCalls(PutItemCommand);
    expect(call?.args[0].input).toMatchObject({
      TableName: 'journal',
      ConditionExpression: 'attribute_not_exists(id)',
      ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
      Item: { id: { S: 't1#1' }, n: { N: '17' }, needed: { N: '3' }, hash: { S: commit('a').hash } },
    });
  });

  test('takes its own commit for written, whenever it was put', async () => {
    dynamo.on(PutItemCommand).rejects(refused({ ...encodeCommit(commit('a'), 1, 2) }));
    expect(await journal.put(commit('a'))).toBe('written');
  });

  test.each([
    ['another commit', { ...encodeCommit(commit('b'), 1, 2) }],
    ['a tombstone', { ...encodeTombstone('t1', 17, 'sweep-1', 1, 2) }],
    ['something else', { id: { S: 't1#1' }, n: { N: '17' } }],
  ])('takes %s in its place for the end of the writer', async (_, item) => {
    dynamo.on(PutItemCommand).rejects(refused(item));
    expect(await journal.put(commit('a'))).toBe('fenced');
  });

  test('knows nothing after any other failure', async () => {
    for (const failure of [throttled, refused(), new Error('socket hang up')]) {
      dynamo.on(PutItemCommand).rejects(failure);
      await expect(journal.put(commit('a'))).rejects.toThrow();
    }
  });

  test('that is throttled for a while delays a flush, and loses nothing', async () => {
    dynamo.on(PutItemCommand).rejectsOnce(throttled).rejectsOnce(throttled).resolves({});
    const desk = startJournalRecorder({ journal });
    const session = desk.recorder.open('s1');
    session.append(opened('s1'));
    let told = false;
    session.flush('written', () => {
      told = true;
    });
    await settled();
    expect(told).toBe(false);
    await passes(desk.clock, 1_000);
    expect(told).toBe(true);
    const seqs = dynamo.commandCalls(PutItemCommand).map((call) => call.args[0].input.Item?.['n']?.N);
    expect(seqs).toEqual(['0', '0', '0', '1']);
  });

  test('that is throttled for long refuses every statement', async () => {
    dynamo.on(PutItemCommand).rejects(throttled);
    const desk = startJournalRecorder({ journal });
    const session = desk.recorder.open('s1');
    session.append(opened('s1'));
    const waited = flushed(session);
    const failed = expect(waited).rejects.toMatchObject({ code: 'ZG030' });
    await passes(desk.clock, 6_000);
    await failed;
  });
});

describe('segments in S3', () => {
  const segments = s3Segments({ client: new S3Client({ region: 'us-east-1' }), bucket: 'evidence' });
  const bytes = Buffer.from('a segment');
  const ChecksumSHA256 = createHash('sha256').update(bytes).digest('base64');
  const put = (): Promise<void> => segments.put('sessions/2026-11-20/s1/000000.seg', bytes);

  test('are put whole, with their checksum, and only where nothing stands', async () => {
    s3.on(PutObjectCommand).resolves({});
    await put();
    expect(s3.commandCalls(PutObjectCommand)[0]?.args[0].input).toMatchObject({
      Bucket: 'evidence',
      Key: 'sessions/2026-11-20/s1/000000.seg',
      ChecksumSHA256,
      IfNoneMatch: '*',
      ContentLength: bytes.length,
    });
  });

  test('that stand already are looked at: the same bytes are ours', async () => {
    s3.on(PutObjectCommand).rejects(s3Failure(412, 'PreconditionFailed'));
    s3.on(HeadObjectCommand).resolves({ ChecksumSHA256, ContentLength: bytes.length });
    await expect(put()).resolves.toBeUndefined();
  });

  test.each([
    ['other bytes', { ChecksumSHA256: 'x', ContentLength: bytes.length }],
    ['a longer object', { ChecksumSHA256, ContentLength: bytes.length + 1 }],
    ['an object without a checksum', { ContentLength: bytes.length }],
  ])('with %s in their place are not taken for ours', async (_, standing) => {
    s3.on(PutObjectCommand).rejects(s3Failure(412, 'PreconditionFailed'));
    s3.on(HeadObjectCommand).resolves(standing);
    await expect(put()).rejects.toMatchObject({ code: 'segment-taken' });
  });

  test.each([
    [403, 'AccessDenied'],
    [409, 'ConditionalRequestConflict'],
    [503, 'SlowDown'],
  ])('that S3 answers with %i are not known to stand', async (status, name) => {
    s3.on(PutObjectCommand).rejects(s3Failure(status, name));
    await expect(put()).rejects.toThrow(name);
    expect(s3.commandCalls(HeadObjectCommand)).toEqual([]);
  });

  test('that are denied hold flushes in the end, and lose nothing that was acknowledged', async () => {
    const desk = startJournalRecorder({ segments, limits: { sessionBytes: 1024 * 1024, processBytes: 4 * 1024 * 1024 } });
    s3.on(PutObjectCommand).rejects(s3Failure(403, 'AccessDenied'));
    const session = desk.recorder.open('s1');
    session.append(opened('s1'));
    await flushed(session);
    session.appendContent(Buffer.alloc(2 * 1024 * 1024), 0, 2 * 1024 * 1024);
    let told: Error | undefined | 'nothing' = 'nothing';
    session.flush('written', (error) => {
      told = error;
    });
    await passes(desk.clock, 9_000);
    expect(told).toBe('nothing');
    await passes(desk.clock, 2_000);
    expect(told).toMatchObject({ code: 'ZG030' });
    expect(desk.problems.length).toBeGreaterThan(2);
  });
});

test('a staged line is put with its checksum', async () => {
  s3.on(PutObjectCommand).resolves({});
  const line = Buffer.from('{"batch":1}');
  await s3Staging({ client: new S3Client({ region: 'us-east-1' }), bucket: 'staging' }).put('large/t1/s1/000000000001', line);
  expect(s3.commandCalls(PutObjectCommand)[0]?.args[0].input).toMatchObject({
    Bucket: 'staging',
    Key: 'large/t1/s1/000000000001',
    ChecksumSHA256: createHash('sha256').update(line).digest('base64'),
  });
});
