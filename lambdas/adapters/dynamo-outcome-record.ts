/** Records of outcomes in the journal, each by a writer of its own. */
import { ConditionalCheckFailedException, PutItemCommand, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { encodeCommit } from '../../core/evidence/journal-item.ts';
import type { JournalCommit } from '../../core/evidence/journal.ts';
import { writerItem, type WriterItem } from '../../core/state/control.ts';
import { encodeStored } from '../../core/state/stored-item.ts';
import type { OutcomeRecord } from '../close-approval/ports.ts';

/** The sealer reads it within minutes; what it has sealed may be forgotten here. */
const KEPT_MS = 30 * 86_400_000;

export class DynamoOutcomeRecord implements OutcomeRecord {
  readonly #client: DynamoDBClient;
  readonly #tables: { readonly journal: string; readonly writers: string };
  readonly #now: () => number;

  constructor(client: DynamoDBClient, tables: { readonly journal: string; readonly writers: string }, now: () => number) {
    this.#client = client;
    this.#tables = tables;
    this.#now = now;
  }

  async register(item: WriterItem): Promise<void> {
    const stored = encodeStored(writerItem(item.writer), 1, item, (this.#now() + KEPT_MS) / 1_000);
    await this.#putOnce(
      new PutItemCommand({ TableName: this.#tables.writers, Item: { ...stored }, ConditionExpression: 'attribute_not_exists(id)' }),
    );
  }

  async append(commit: JournalCommit): Promise<void> {
    const nowMs = this.#now();
    const item = encodeCommit(commit, nowMs, (nowMs + KEPT_MS) / 1_000);
    await this.#putOnce(
      new PutItemCommand({ TableName: this.#tables.journal, Item: { ...item }, ConditionExpression: 'attribute_not_exists(id)' }),
    );
  }

  async #putOnce(command: PutItemCommand): Promise<void> {
    try {
      await this.#client.send(command);
    } catch (error) {
      // An earlier attempt, or our own whose answer was lost: an approval has one outcome.
      if (!(error instanceof ConditionalCheckFailedException)) throw error;
    }
  }
}
