/** A proxy task as the tables and buckets of an instance show it: registered, journaling, putting segments. */
import { DynamoDBClient, GetItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { S3Client } from '@aws-sdk/client-s3';
import { type WriterItem, writerItem } from '../../../core/state/control.ts';
import { decodeStored, encodeStored } from '../../../core/state/stored-item.ts';
import { DynamoJournalAppender } from '../../../lambdas/adapters/dynamo-journal-appender.ts';
import { S3EvidenceWriter } from '../../../lambdas/adapters/s3-evidence-writer.ts';
import { JournaledWriter } from '../../support/journaled-writer.ts';
import type { InstanceEnvironment } from './tables.ts';

export class TaskTables {
  readonly dynamo = new DynamoDBClient({});
  readonly s3 = new S3Client({ forcePathStyle: true });
  readonly evidence: string;
  private readonly environment: InstanceEnvironment;

  constructor(environment: InstanceEnvironment) {
    this.environment = environment;
    this.evidence = this.table('SALLYPORT_EVIDENCE_BUCKET');
  }

  /** Registers a task. A lease that ran out long ago is that of one that died. */
  async task(id: string, leaseUntilMs: number): Promise<JournaledWriter> {
    const item: WriterItem = {
      writer: id,
      slot: 7,
      state: 'live',
      leaseUntilMs,
      nextSeq: 0,
      generation: 1,
      image: `sha256:${'2'.repeat(64)}`,
    };
    await this.put('SALLYPORT_WRITERS_TABLE', { ...encodeStored(writerItem(id), 1, item) });
    const clock = { now: () => Date.now() };
    const appender = new DynamoJournalAppender(this.dynamo, this.table('SALLYPORT_JOURNAL_TABLE'), clock);
    const store = new S3EvidenceWriter(this.s3, this.evidence);
    return new JournaledWriter(id, {
      append: (commit) => appender.append(commit),
      segment: (path, bytes) => store.put(path, bytes),
    });
  }

  async live(writer: string, session: string): Promise<void> {
    await this.put('SALLYPORT_SESSIONS_TABLE', {
      ...encodeStored(`${writer}/${session}`, 1, { writer, session }),
      writer: { S: writer },
      session: { S: session },
    });
  }

  async writerState(id: string): Promise<unknown> {
    const { Item: item } = await this.dynamo.send(
      new GetItemCommand({ TableName: this.table('SALLYPORT_WRITERS_TABLE'), Key: { id: { S: writerItem(id) } } }),
    );
    return item === undefined ? undefined : decodeStored(item)?.body;
  }

  table(variable: string): string {
    const name = this.environment[variable];
    if (name === undefined) throw new Error(`the instance has no ${variable}`);
    return name;
  }

  private async put(variable: string, item: Record<string, { S: string } | { N: string }>): Promise<void> {
    await this.dynamo.send(new PutItemCommand({ TableName: this.table(variable), Item: item }));
  }
}
