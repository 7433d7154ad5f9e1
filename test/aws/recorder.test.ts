// The recorder of a task on AWS, on the emulator: the same contract as on one machine.
import { DeleteItemCommand, DynamoDBClient, paginateQuery, PutItemCommand, ScanCommand } from '@aws-sdk/client-dynamodb';
import { GetObjectCommand, HeadObjectCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { JournalChain } from '../../core/evidence/journal-chain.ts';
import { decodeJournalItem, encodeTombstone, journalKey } from '../../core/evidence/journal-item.ts';
import { JOURNAL_PARTITIONS, type JournalRecord } from '../../core/evidence/journal.ts';
import { dynamoClient } from '../../proxy-task/adapters/dynamo-client.ts';
import { dynamoJournal } from '../../proxy-task/adapters/dynamo-journal.ts';
import { dynamoLiveSessions } from '../../proxy-task/adapters/dynamo-live-sessions.ts';
import { evidenceClient } from '../../proxy-task/adapters/s3-client.ts';
import { s3Segments } from '../../proxy-task/adapters/s3-segments.ts';
import { s3Staging } from '../../proxy-task/adapters/s3-staging.ts';
import { createJournalRecorder, type JournalRecorder } from '../../proxy-task/recording/journal-recorder.ts';
import { systemClock } from '../../proxy-task/system-clock.ts';
import { recorderContract } from '../contract/recorder.ts';
import { flushed, memorySource, opened, sessionClosed } from '../support/evidence.ts';
import { evidenceOf } from '../support/journal-stores.ts';
import { resetMoto, useMoto } from './support/moto.ts';
import { type InstanceEnvironment, makeInstance } from './support/tables.ts';

let names: InstanceEnvironment;
let tasks = 0;
const problems: unknown[] = [];

afterAll(() => {
  // Nothing had to be tried twice.
  expect(problems).toEqual([]);
});

beforeAll(async () => {
  useMoto();
  await resetMoto();
  names = await makeInstance();
});

function name(variable: string): string {
  const value = names[`SALLYPORT_${variable}`];
  if (value === undefined) throw new Error(`no ${variable}`);
  return value;
}

function startTask(writer = `t${(tasks += 1)}`): JournalRecorder {
  const client = dynamoClient({ attempts: 2, requestTimeoutMs: 1_000 });
  const s3 = evidenceClient();
  return createJournalRecorder({
    writer,
    boot: 'b',
    program: '0.1.0',
    journal: dynamoJournal({ client, table: name('JOURNAL_TABLE'), clock: systemClock }),
    segments: s3Segments({ client: s3, bucket: name('EVIDENCE_BUCKET') }),
    staging: s3Staging({ client: s3, bucket: name('STAGING_BUCKET') }),
    sessions: dynamoLiveSessions({ client, table: name('SESSIONS_TABLE') }),
    clock: systemClock,
    problem: (error) => void problems.push(error),
  });
}

/** Everything that one writer committed, checked as a chain. */
async function journalOf(writer: string): Promise<{ readonly record: JournalRecord }[]> {
  const client = new DynamoDBClient({});
  const items = new Map<number, Readonly<Record<string, unknown>>>();
  for (let partition = 0; partition < JOURNAL_PARTITIONS; partition += 1) {
    const pages = paginateQuery(
      { client },
      {
        TableName: name('JOURNAL_TABLE'),
        KeyConditionExpression: 'id = :id',
        ExpressionAttributeValues: { ':id': journalKey(writer, partition).id },
      },
    );
    for await (const { Items = [] } of pages) for (const item of Items) items.set(Number(item['n']?.N), item);
  }
  const chain = new JournalChain(writer);
  const records: { readonly record: JournalRecord }[] = [];
  for (let seq = 0; seq < items.size; seq += 1) {
    const taken = chain.take(decodeJournalItem(writer, seq, items.get(seq) ?? {}));
    if (taken.kind !== 'commit') throw new Error(JSON.stringify(taken));
    records.push(...taken.records.map((record) => ({ record })));
  }
  return records;
}

async function objectsOf(sessions: ReadonlySet<string>): Promise<Map<string, Buffer>> {
  const s3 = new S3Client({ forcePathStyle: true });
  const files = new Map<string, Buffer>();
  let ContinuationToken: string | undefined;
  do {
    const page = await s3.send(new ListObjectsV2Command({ Bucket: name('EVIDENCE_BUCKET'), ContinuationToken }));
    for (const { Key = '' } of page.Contents ?? []) {
      if (!sessions.has(Key.split('/')[2] ?? '')) continue;
      const object = await s3.send(new GetObjectCommand({ Bucket: name('EVIDENCE_BUCKET'), Key }));
      files.set(Key, Buffer.from((await object.Body?.transformToByteArray()) ?? []));
    }
    ContinuationToken = page.NextContinuationToken;
  } while (ContinuationToken !== undefined);
  return files;
}

recorderContract('the recorder of a task on AWS', () => {
  const recorder = startTask();
  return Promise.resolve({
    recorder,
    close: () => recorder.close(),
    evidence: async () => {
      const records = await journalOf(recorder.writerId);
      const sessions = new Set(records.flatMap(({ record }) => (record.kind === 'sealed' ? [record.session] : [])));
      return memorySource(evidenceOf(records, await objectsOf(sessions), recorder.writerId));
    },
  });
});

describe('on the tables', () => {
  test('a session is listed while it lives', async () => {
    const recorder = startTask();
    const session = recorder.open('live-1');
    session.append(opened('live-1'));
    await flushed(session);
    const listed = async (): Promise<unknown[]> => {
      const { Items = [] } = await new DynamoDBClient({}).send(new ScanCommand({ TableName: name('SESSIONS_TABLE') }));
      return Items.filter((item) => item['session']?.S === 'live-1').map((item) => JSON.parse(item['body']?.S ?? ''));
    };
    expect(await listed()).toMatchObject([{ session: 'live-1', writer: recorder.writerId, principal: 'corp/agent-7' }]);
    await session.close(sessionClosed(0));
    await recorder.close();
    expect(await listed()).toEqual([]);
  });

  test('a tombstone at its next commit ends a task for good', async () => {
    const recorder = startTask();
    let fenced = false;
    recorder.onFenced(() => {
      fenced = true;
    });
    const session = recorder.open('zombie-1');
    session.append(opened('zombie-1'));
    await flushed(session);
    const client = new DynamoDBClient({});
    await client.send(
      new PutItemCommand({
        TableName: name('JOURNAL_TABLE'),
        Item: { ...encodeTombstone(recorder.writerId, recorder.nextSeq, 'sweep-1', 0, 1) },
        ConditionExpression: 'attribute_not_exists(id)',
      }),
    );
    session.append({ type: 'statement.sent', statement: 1 });
    await expect(flushed(session)).rejects.toMatchObject({ code: 'ZG030' });
    expect(fenced).toBe(true);
    await client.send(
      new DeleteItemCommand({ TableName: name('JOURNAL_TABLE'), Key: { ...journalKey(recorder.writerId, recorder.nextSeq) } }),
    );
    await expect(recorder.close()).rejects.toMatchObject({ code: 'ZG030' });
  });
});

describe('on the bucket', () => {
  test('a segment that stands already is ours only where its bytes are', async () => {
    const store = s3Segments({ client: evidenceClient(), bucket: name('EVIDENCE_BUCKET') });
    const path = 'sessions/2026-11-20/twice/000000.seg';
    await store.put(path, Buffer.from('a segment'));
    await store.put(path, Buffer.from('a segment'));
    await expect(store.put(path, Buffer.from('b segment'))).rejects.toMatchObject({ code: 'segment-taken' });
    const head = await new S3Client({ forcePathStyle: true }).send(
      new HeadObjectCommand({ Bucket: name('EVIDENCE_BUCKET'), Key: path, ChecksumMode: 'ENABLED' }),
    );
    expect(head.ContentLength).toBe(9);
    expect(head.ObjectLockMode).toBe('COMPLIANCE');
  });
});
