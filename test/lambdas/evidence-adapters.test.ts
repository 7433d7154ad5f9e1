// What sealer and sweeper make of services that throttle, answer late, lose answers or refuse.
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import {
  BatchGetItemCommand,
  ConditionalCheckFailedException,
  DynamoDBClient,
  GetItemCommand,
  ProvisionedThroughputExceededException,
  PutItemCommand,
  QueryCommand,
  ScanCommand,
  type AttributeValue,
} from '@aws-sdk/client-dynamodb';
import { GetPublicKeyCommand, KMSClient, KMSInternalException, SignCommand } from '@aws-sdk/client-kms';
import {
  GetObjectCommand,
  type GetObjectCommandOutput,
  ListObjectsV2Command,
  NoSuchKey,
  PutObjectCommand,
  S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import { PublishCommand, SNSClient } from '@aws-sdk/client-sns';
import { mockClient } from 'aws-sdk-client-mock';
import { describe, expect, test } from 'vitest';
import { NO_BATCH } from '../../core/evidence/batch.ts';
import { commitHash, type JournalCommit } from '../../core/evidence/journal.ts';
import { encodeCommit, encodeTombstone, journalKey } from '../../core/evidence/journal-item.ts';
import { encodeStored } from '../../core/state/stored-item.ts';
import { DynamoJournalAppender } from '../../lambdas/adapters/dynamo-journal-appender.ts';
import { DynamoJournalReader } from '../../lambdas/adapters/dynamo-journal-reader.ts';
import { DynamoLeftSessions } from '../../lambdas/adapters/dynamo-left-sessions.ts';
import { DynamoSealPositions } from '../../lambdas/adapters/dynamo-seal-positions.ts';
import { DynamoSealState } from '../../lambdas/adapters/dynamo-seal-state.ts';
import { DynamoWriterDirectory } from '../../lambdas/adapters/dynamo-writer-directory.ts';
import { DynamoWriterFence } from '../../lambdas/adapters/dynamo-writer-fence.ts';
import { KmsSigner } from '../../lambdas/adapters/kms-signer.ts';
import { S3EvidenceWriter } from '../../lambdas/adapters/s3-evidence-writer.ts';
import { S3RecordingFiles } from '../../lambdas/adapters/s3-recording-files.ts';
import { SnsCheckpointHolder } from '../../lambdas/adapters/sns-checkpoint-holder.ts';

const TABLE = 'journal';
const CLOCK = { now: () => 1_000_000 };
const THROTTLED = new ProvisionedThroughputExceededException({ message: 'slow down', $metadata: {} });

function commit(seq: number, body = 'x'): JournalCommit {
  const bare = { writer: 'w1', seq, prev: NO_BATCH, body: Buffer.from(body), needed: seq };
  return { ...bare, hash: commitHash(bare) };
}

const item = (seq: number): Record<string, AttributeValue> => ({ ...encodeCommit(commit(seq), 1, 2) });

describe('a journal that is read', () => {
  test('asks again for what did not fit, and takes none of it for a gap', async () => {
    const dynamo = mockClient(DynamoDBClient);
    const pauses: number[] = [];
    dynamo
      .on(BatchGetItemCommand)
      .resolvesOnce({ Responses: { [TABLE]: [item(1)] }, UnprocessedKeys: { [TABLE]: { Keys: [{ ...journalKey('w1', 0) }] } } })
      .resolves({ Responses: { [TABLE]: [item(0)] } });
    const reader = new DynamoJournalReader(new DynamoDBClient({}), TABLE, (ms) => Promise.resolve(void pauses.push(ms)));
    expect((await reader.read('w1', 0, 3)).map((entry) => entry.kind === 'commit' && entry.commit.seq)).toEqual([0, 1]);
    expect(pauses).toHaveLength(1);
  });

  test('that never answers in full is an error, not the end of the journal', async () => {
    const dynamo = mockClient(DynamoDBClient);
    dynamo.on(BatchGetItemCommand).resolves({ UnprocessedKeys: { [TABLE]: { Keys: [{ ...journalKey('w1', 0) }] } } });
    const reader = new DynamoJournalReader(new DynamoDBClient({}), TABLE, () => Promise.resolve());
    await expect(reader.read('w1', 0, 3)).rejects.toMatchObject({ code: 'journal-busy' });
  });

  test('is read consistently, stops at a gap, and tells a tombstone and a stranger from commits', async () => {
    const dynamo = mockClient(DynamoDBClient);
    const stranger = { ...journalKey('w1', 2), other: { S: 'x' } };
    const tombstone: Record<string, AttributeValue> = { ...encodeTombstone('w1', 1, 'sweep-w1', 1, 2) };
    dynamo.on(BatchGetItemCommand).resolves({ Responses: { [TABLE]: [stranger, item(0), item(4), tombstone] } });
    const reader = new DynamoJournalReader(new DynamoDBClient({}), TABLE);
    expect((await reader.read('w1', 0, 5)).map(({ kind }) => kind)).toEqual(['commit', 'tombstone', 'malformed']);
    expect(dynamo.commandCalls(BatchGetItemCommand)[0]?.args[0].input.RequestItems?.[TABLE]?.ConsistentRead).toBe(true);
  });

  test('that is throttled throws on', async () => {
    mockClient(DynamoDBClient).on(BatchGetItemCommand).rejects(THROTTLED);
    const reader = new DynamoJournalReader(new DynamoDBClient({}), TABLE);
    await expect(reader.read('w1', 0, 1)).rejects.toBe(THROTTLED);
  });
});

describe('a write into a journal', () => {
  const appender = (): DynamoJournalAppender => new DynamoJournalAppender(new DynamoDBClient({}), TABLE, CLOCK);
  const failed = (standing: Record<string, AttributeValue>): ConditionalCheckFailedException =>
    new ConditionalCheckFailedException({ message: 'no', $metadata: {}, Item: standing });

  test('is made only where nothing stands', async () => {
    const dynamo = mockClient(DynamoDBClient);
    dynamo.on(PutItemCommand).resolves({});
    expect(await appender().append(commit(0))).toBe('written');
    expect(dynamo.commandCalls(PutItemCommand)[0]?.args[0].input).toMatchObject({
      ConditionExpression: 'attribute_not_exists(id)',
      ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
    });
  });

  test.each([
    ['the same commit, after a lost answer', item(0), 'written'],
    ['another commit', { ...encodeCommit(commit(0, 'y'), 1, 2) }, 'taken'],
    ['a tombstone', { ...encodeTombstone('w1', 0, 'sweep-w1', 1, 2) }, 'taken'],
  ] as const)('that finds %s', async (_, standing, answer) => {
    mockClient(DynamoDBClient).on(PutItemCommand).rejects(failed(standing));
    expect(await appender().append(commit(0))).toBe(answer);
  });

  test.each([
    ['its own tombstone', { ...encodeTombstone('w1', 0, 'sweep-w1', 1, 2) }, 'written'],
    ['a commit of the zombie', item(0), 'taken'],
  ] as const)('that fences and finds %s', async (_, standing, answer) => {
    mockClient(DynamoDBClient).on(PutItemCommand).rejects(failed(standing));
    expect(await appender().fence('w1', 0, 'sweep-w1')).toBe(answer);
  });

  test('that cannot be told is an error', async () => {
    mockClient(DynamoDBClient).on(PutItemCommand).rejects(THROTTLED);
    await expect(appender().append(commit(0))).rejects.toBe(THROTTLED);
  });
});

describe('state of the sealer', () => {
  test('is written over older versions only', async () => {
    const dynamo = mockClient(DynamoDBClient);
    dynamo.on(PutItemCommand).resolves({});
    expect(await new DynamoSealState(new DynamoDBClient({}), 'seal').put('tree', 7, { size: 1 })).toBe(true);
    expect(dynamo.commandCalls(PutItemCommand)[0]?.args[0].input).toMatchObject({
      ConditionExpression: 'attribute_not_exists(id) OR v < :v',
      ExpressionAttributeValues: { ':v': { N: '7' } },
    });
  });

  test.each([
    ['its own item, after a lost answer', { ...encodeStored('tree', 7, { size: 1 }) }, true],
    ['another one of that version', { ...encodeStored('tree', 7, { size: 2 }) }, false],
    ['a newer one', { ...encodeStored('tree', 8, { size: 1 }) }, false],
  ] as const)('that finds %s', async (_, standing, answer) => {
    const conflict = new ConditionalCheckFailedException({ message: 'no', $metadata: {}, Item: standing });
    mockClient(DynamoDBClient).on(PutItemCommand).rejects(conflict);
    expect(await new DynamoSealState(new DynamoDBClient({}), 'seal').put('tree', 7, { size: 1 })).toBe(answer);
  });

  test('that cannot be read is never taken for absent', async () => {
    const state = new DynamoSealState(new DynamoDBClient({}), 'seal');
    mockClient(DynamoDBClient)
      .on(BatchGetItemCommand)
      .resolves({ Responses: { seal: [{ id: { S: 'tree' }, v: { N: '1' } }] } });
    await expect(state.get(['tree'])).rejects.toMatchObject({ code: 'seal-state-unreadable' });
    mockClient(DynamoDBClient)
      .on(BatchGetItemCommand)
      .resolves({ UnprocessedKeys: { seal: { Keys: [{ id: { S: 'tree' } }] } } });
    await expect(state.get(['tree'])).rejects.toMatchObject({ code: 'seal-state-unreadable' });
    mockClient(DynamoDBClient)
      .on(GetItemCommand)
      .resolves({ Item: { ...encodeStored('writer#w1', 1, { position: 'none' }) } });
    const positions = new DynamoSealPositions(new DynamoDBClient({}), 'seal');
    await expect(positions.read('w1')).rejects.toMatchObject({ code: 'seal-position-malformed' });
  });
});

describe('writers', () => {
  test('are listed page by page, and one that cannot be read is not left out in silence', async () => {
    const writer = { writer: 'w1', slot: 1, state: 'live', leaseUntilMs: 1, nextSeq: 0, generation: 1, image: 'i' };
    const dynamo = mockClient(DynamoDBClient);
    dynamo
      .on(ScanCommand)
      .resolvesOnce({ Items: [{ ...encodeStored('writer#w1', 3, writer) }], LastEvaluatedKey: { id: { S: 'writer#w1' } } })
      .resolves({ Items: [{ ...encodeStored('writer#w2', 1, { ...writer, writer: 'w2' }) }] });
    const directory = new DynamoWriterDirectory(new DynamoDBClient({}), 'writers');
    expect((await directory.list()).map(({ v, item: each }) => [each.writer, v])).toEqual([
      ['w1', 3],
      ['w2', 1],
    ]);
    mockClient(DynamoDBClient)
      .on(ScanCommand)
      .resolves({ Items: [{ ...encodeStored('writer#w1', 1, { writer: 'w1' }) }] });
    await expect(directory.list()).rejects.toMatchObject({ code: 'writer-malformed' });
  });

  test('that changed meanwhile are not marked as fenced', async () => {
    const writer = { writer: 'w1', slot: 1, state: 'live', leaseUntilMs: 1, nextSeq: 0, generation: 1, image: 'i' } as const;
    mockClient(DynamoDBClient)
      .on(PutItemCommand)
      .rejects(new ConditionalCheckFailedException({ message: 'no', $metadata: {} }));
    const fence = new DynamoWriterFence(new DynamoDBClient({}), 'writers', CLOCK);
    expect(await fence.fenced({ v: 3, item: writer })).toBe(false);
    await fence.register(writer);
  });

  test('leave sessions on more than one page', async () => {
    const key = (session: string): Record<string, AttributeValue> => ({ writer: { S: 'w1' }, session: { S: session } });
    mockClient(DynamoDBClient)
      .on(QueryCommand)
      .resolvesOnce({ Items: [key('s1')], LastEvaluatedKey: key('s1') })
      .resolves({ Items: [key('s2')] });
    expect(await new DynamoLeftSessions(new DynamoDBClient({}), 'sessions').list('w1')).toEqual(['s1', 's2']);
  });
});

describe('an object of evidence', () => {
  const refused = (status: number, name: string): S3ServiceException =>
    new S3ServiceException({ name, $fault: 'client', $metadata: { httpStatusCode: status } });
  const standing = (text: string): Pick<GetObjectCommandOutput, 'Body'> => {
    const body: unknown = { transformToByteArray: () => Promise.resolve(Buffer.from(text)) };
    // A whole stream of the SDK's, of which the adapter asks for its bytes only.
    return { Body: body as NonNullable<GetObjectCommandOutput['Body']> };
  };
  const store = (): S3EvidenceWriter => new S3EvidenceWriter(new S3Client({}), 'evidence');

  test('is put with its checksum where nothing stands', async () => {
    const s3 = mockClient(S3Client);
    s3.on(PutObjectCommand).resolves({});
    expect(await store().put('format.json', Buffer.from('one'))).toBe('written');
    expect(s3.commandCalls(PutObjectCommand)[0]?.args[0].input).toMatchObject({
      IfNoneMatch: '*',
      ChecksumSHA256: createHash('sha256').update('one').digest('base64'),
    });
  });

  test.each([
    ['the same bytes, after a lost answer', 'one', 'present'],
    ['others', 'two', 'taken'],
  ] as const)('that finds %s', async (_, text, answer) => {
    const s3 = mockClient(S3Client);
    s3.on(PutObjectCommand).rejects(refused(412, 'PreconditionFailed'));
    s3.on(GetObjectCommand).resolves(standing(text));
    expect(await store().put('format.json', Buffer.from('one'))).toBe(answer);
  });

  test('that another request is just putting is tried again', async () => {
    const s3 = mockClient(S3Client);
    s3.on(PutObjectCommand).rejectsOnce(refused(409, 'ConditionalRequestConflict')).resolves({});
    expect(await store().put('format.json', Buffer.from('one'))).toBe('written');
  });

  test('that may not be put or read is an error, not absent', async () => {
    const s3 = mockClient(S3Client);
    s3.on(PutObjectCommand).rejects(refused(403, 'AccessDenied'));
    s3.on(GetObjectCommand).rejects(refused(403, 'AccessDenied'));
    await expect(store().put('format.json', Buffer.from('one'))).rejects.toMatchObject({ name: 'AccessDenied' });
    await expect(store().read('format.json')).rejects.toMatchObject({ name: 'AccessDenied' });
    s3.on(GetObjectCommand).rejects(new NoSuchKey({ message: 'no', $metadata: {} }));
    expect(await store().read('format.json')).toBeUndefined();
  });

  test('stands in a list of more than one page', async () => {
    const s3 = mockClient(S3Client);
    s3.on(ListObjectsV2Command)
      .resolvesOnce({ Contents: [{ Key: 'sessions/d/s/000000.seg' }], NextContinuationToken: 't' })
      .resolves({ Contents: [{ Key: 'sessions/d/s/000001.seg' }] });
    expect(await new S3RecordingFiles(new S3Client({}), 'evidence').list('d', 's')).toHaveLength(2);
  });
});

describe('the key', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const der = publicKey.export({ type: 'spki', format: 'der' });
  const otherCurve = generateKeyPairSync('ec', { namedCurve: 'secp384r1' }).publicKey.export({ type: 'spki', format: 'der' });

  test('signs messages as they are, and is asked for its public half once', async () => {
    const kms = mockClient(KMSClient);
    kms.on(GetPublicKeyCommand).resolves({ PublicKey: der, KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' });
    kms.on(SignCommand).callsFake(({ Message: message }: { Message: Uint8Array }) => ({ Signature: sign('sha256', message, privateKey) }));
    const source = new KmsSigner(new KMSClient({}), 'arn');
    await (await source.signer()).sign(Buffer.from('text'));
    await (await source.signer()).sign(Buffer.from('text'));
    expect(kms.commandCalls(GetPublicKeyCommand)).toHaveLength(1);
    expect(kms.commandCalls(SignCommand)[0]?.args[0].input).toMatchObject({ MessageType: 'RAW', SigningAlgorithm: 'ECDSA_SHA_256' });
  });

  test.each([
    ['another curve', { PublicKey: otherCurve, KeyUsage: 'SIGN_VERIFY' }],
    ['a key for encryption', { PublicKey: der, KeySpec: 'ECC_NIST_P256', KeyUsage: 'KEY_AGREEMENT' }],
    ['no public half', { KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' }],
  ] as const)('is refused with %s', async (_, answer) => {
    mockClient(KMSClient).on(GetPublicKeyCommand).resolves(answer);
    await expect(new KmsSigner(new KMSClient({}), 'arn').signer()).rejects.toMatchObject({ code: 'signing-refused' });
  });

  test('signs nothing that KMS would refuse as too long', async () => {
    const kms = mockClient(KMSClient);
    kms.on(GetPublicKeyCommand).resolves({ PublicKey: der, KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' });
    const signer = await new KmsSigner(new KMSClient({}), 'arn').signer();
    await expect(signer.sign(Buffer.alloc(4_097))).rejects.toMatchObject({ code: 'signing-refused' });
    expect(kms.commandCalls(SignCommand)).toHaveLength(0);
  });

  test('that cannot be reached is asked for again at the next seal', async () => {
    const kms = mockClient(KMSClient);
    kms
      .on(GetPublicKeyCommand)
      .rejectsOnce(new KMSInternalException({ message: 'down', $metadata: {} }))
      .resolves({ PublicKey: der, KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' });
    const source = new KmsSigner(new KMSClient({}), 'arn');
    await expect(source.signer()).rejects.toBeInstanceOf(KMSInternalException);
    await source.signer();
  });
});

test('a checkpoint is sent to its holder whole', async () => {
  const sns = mockClient(SNSClient);
  sns.on(PublishCommand).resolves({});
  await new SnsCheckpointHolder(new SNSClient({}), 'arn').keep('checkpoints/d/1.ckpt', 'note');
  expect(sns.commandCalls(PublishCommand)[0]?.args[0].input).toMatchObject({ TopicArn: 'arn', Message: 'note' });
});
