/** The list of approvals that are not closed yet, and their notices, as the sweep reads them. */
import { BatchGetItemCommand, UpdateItemCommand, type BatchGetItemCommandOutput, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { decoded } from '../../core/approval/approval-items.ts';
import type { DueList } from '../../core/approval/due.ts';
import { parseNotice, type Notice } from '../../core/approval/notice.ts';

/** One BatchGetItem takes so many keys. */
const MAX_KEYS = 100;
const MAX_ROUNDS = 4;

type Item = NonNullable<NonNullable<BatchGetItemCommandOutput['Responses']>[string]>[number];

export class DynamoDueList implements DueList {
  readonly #client: DynamoDBClient;
  readonly #notices: string;

  constructor(client: DynamoDBClient, notices: string) {
    this.#client = client;
    this.#notices = notices;
  }

  async read(items: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>> {
    const lists = new Map<string, readonly string[]>();
    for (const item of await this.#items(items)) {
      const [id, ids] = [item['id']?.S, item['ids']?.SS ?? []];
      if (id !== undefined && ids.length > 0) lists.set(id, ids);
    }
    return lists;
  }

  async remove(item: string, ids: readonly string[]): Promise<void> {
    await this.#client.send(
      new UpdateItemCommand({
        TableName: this.#notices,
        Key: { id: { S: item } },
        UpdateExpression: 'DELETE ids :ids',
        ExpressionAttributeValues: { ':ids': { SS: [...ids] } },
      }),
    );
  }

  /** Notices of these approvals; those that nobody has begun to notify have none. Throws FieldMalformed. */
  async notices(ids: readonly string[]): Promise<ReadonlyMap<string, Notice>> {
    const found = new Map<string, Notice>();
    for (const item of await this.#items(ids)) {
      const { id, body } = decoded(item);
      found.set(id, parseNotice(body));
    }
    return found;
  }

  async #items(ids: readonly string[]): Promise<readonly Item[]> {
    const found: Item[] = [];
    for (let at = 0; at < ids.length; at += MAX_KEYS) {
      const Keys = ids.slice(at, at + MAX_KEYS).map((id) => ({ id: { S: id } }));
      let request: NonNullable<BatchGetItemCommandOutput['UnprocessedKeys']> = { [this.#notices]: { Keys, ConsistentRead: true } };
      for (let round = 1; Object.keys(request).length > 0; round += 1) {
        if (round > MAX_ROUNDS) throw new Error('DynamoDB left notices unread');
        const answer: BatchGetItemCommandOutput = await this.#client.send(new BatchGetItemCommand({ RequestItems: request }));
        found.push(...(answer.Responses?.[this.#notices] ?? []));
        request = answer.UnprocessedKeys ?? {};
      }
    }
    return found;
  }
}
