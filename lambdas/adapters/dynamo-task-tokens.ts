/** Where workflows wait, as whoever completes them reads it. */
import { GetItemCommand, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { decoded } from '../../core/approval/approval-items.ts';
import { parseNotice } from '../../core/approval/notice.ts';
import type { TaskTokens } from '../decide-approval/ports.ts';

export class DynamoTaskTokens implements TaskTokens {
  readonly #client: DynamoDBClient;
  readonly #table: string;

  constructor(client: DynamoDBClient, table: string) {
    this.#client = client;
    this.#table = table;
  }

  async find(id: string): Promise<string | undefined> {
    const { Item } = await this.#client.send(new GetItemCommand({ TableName: this.#table, Key: { id: { S: id } }, ConsistentRead: true }));
    return Item === undefined ? undefined : parseNotice(decoded(Item).body).taskToken;
  }
}
