/** Writes into journals: commits of the sweeper's own writers, and the tombstones that end others. Nothing is ever replaced. */
import { ConditionalCheckFailedException, PutItemCommand, type AttributeValue, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { JournalCommit } from '../../core/evidence/journal.ts';
import { encodeCommit, encodeTombstone, type JournalAttributes } from '../../core/evidence/journal-item.ts';
import type { JournalAppender } from '../sweep/ports.ts';

/** Commits are sealed within minutes; they are kept for as long as somebody may have to find out why they were not. */
const KEPT_S = 90 * 24 * 3600;

export class DynamoJournalAppender implements JournalAppender {
  readonly #dynamo: DynamoDBClient;
  readonly #table: string;
  readonly #clock: { now(): number };

  constructor(dynamo: DynamoDBClient, table: string, clock: { now(): number }) {
    this.#dynamo = dynamo;
    this.#table = table;
    this.#clock = clock;
  }

  append(commit: JournalCommit): Promise<'written' | 'taken'> {
    const nowMs = this.#clock.now();
    return this.#put(encodeCommit(commit, nowMs, nowMs / 1000 + KEPT_S), (standing) => standing['hash']?.S === commit.hash);
  }

  fence(writer: string, seq: number, by: string): Promise<'written' | 'taken'> {
    const nowMs = this.#clock.now();
    return this.#put(encodeTombstone(writer, seq, by, nowMs, nowMs / 1000 + KEPT_S), (standing) => standing['fencedBy']?.S === by);
  }

  async #put(item: JournalAttributes, isOurs: (standing: Record<string, AttributeValue>) => boolean): Promise<'written' | 'taken'> {
    try {
      await this.#dynamo.send(
        new PutItemCommand({
          TableName: this.#table,
          Item: { ...item },
          ConditionExpression: 'attribute_not_exists(id)',
          ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
        }),
      );
      return 'written';
    } catch (error) {
      if (!(error instanceof ConditionalCheckFailedException)) throw error;
      // The answer of an earlier attempt was lost: its own item stands there.
      return error.Item !== undefined && isOurs(error.Item) ? 'written' : 'taken';
    }
  }
}
