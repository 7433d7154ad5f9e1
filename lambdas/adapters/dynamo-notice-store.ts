/** Notices in DynamoDB, as the function writes them that tells people. */
import { ConditionalCheckFailedException, GetItemCommand, PutItemCommand, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { decoded, ttlSeconds, unchangedSince } from '../../core/approval/approval-items.ts';
import { parseNotice, type Notice } from '../../core/approval/notice.ts';
import { encodeStored } from '../../core/state/stored-item.ts';
import type { NoticeStore } from '../notify-approvers/ports.ts';

export class DynamoNoticeStore implements NoticeStore {
  readonly #client: DynamoDBClient;
  readonly #table: string;
  readonly #now: () => number;

  constructor(client: DynamoDBClient, table: string, now: () => number) {
    this.#client = client;
    this.#table = table;
    this.#now = now;
  }

  async read(id: string): Promise<{ readonly v: number; readonly notice: Notice }> {
    const { Item } = await this.#client.send(new GetItemCommand({ TableName: this.#table, Key: { id: { S: id } }, ConsistentRead: true }));
    if (Item === undefined) return { v: 0, notice: {} };
    const { v, body } = decoded(Item);
    return { v, notice: parseNotice(body) };
  }

  async put(id: string, v: number, notice: Notice): Promise<boolean> {
    const item = encodeStored(id, v + 1, notice, ttlSeconds(this.#now()));
    try {
      await this.#client.send(
        new PutItemCommand({ TableName: this.#table, Item: item, ...unchangedSince(v), ReturnValuesOnConditionCheckFailure: 'ALL_OLD' }),
      );
      return true;
    } catch (error) {
      if (!(error instanceof ConditionalCheckFailedException)) throw error;
      // Our own answer may have been lost.
      return error.Item?.['v']?.N === item.v.N && error.Item['body']?.S === item.body.S;
    }
  }
}
