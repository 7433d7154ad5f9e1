/** The sealer's plan, tree and positions: items whose version only ever rises. */
import {
  BatchGetItemCommand,
  ConditionalCheckFailedException,
  PutItemCommand,
  type AttributeValue,
  type DynamoDBClient,
} from '@aws-sdk/client-dynamodb';
import { SallyportError } from '../../core/errors.ts';
import { decodeStored, encodeStored } from '../../core/state/stored-item.ts';
import type { SealItem, SealState } from '../seal/ports.ts';

/** The seal table gives less than was asked for, or something that the sealer did not put. */
export class SealStateUnreadable extends SallyportError {
  readonly code = 'seal-state-unreadable';
}

/** Positions with their open recordings may have hundreds of kilobytes; an answer has 16 MB at most. */
const MAX_KEYS = 32;
const MAX_ATTEMPTS = 8;

export class DynamoSealState implements SealState {
  readonly #dynamo: DynamoDBClient;
  readonly #table: string;

  constructor(dynamo: DynamoDBClient, table: string) {
    this.#dynamo = dynamo;
    this.#table = table;
  }

  async get(ids: readonly string[]): Promise<ReadonlyMap<string, SealItem>> {
    const found = new Map<string, SealItem>();
    for (let at = 0; at < ids.length; at += MAX_KEYS) {
      for (const attributes of await this.#items(ids.slice(at, at + MAX_KEYS))) {
        const stored = decodeStored(attributes);
        // To take it for absent would seal again what is sealed.
        if (stored === undefined) throw new SealStateUnreadable('an item of the seal table is none that the sealer put');
        found.set(stored.id, { v: stored.v, body: stored.body });
      }
    }
    return found;
  }

  async put(id: string, v: number, body: unknown): Promise<boolean> {
    const item = encodeStored(id, v, body);
    try {
      await this.#dynamo.send(
        new PutItemCommand({
          TableName: this.#table,
          Item: item,
          ConditionExpression: 'attribute_not_exists(id) OR v < :v',
          ExpressionAttributeValues: { ':v': { N: String(v) } },
          ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
        }),
      );
      return true;
    } catch (error) {
      if (!(error instanceof ConditionalCheckFailedException)) throw error;
      // The answer of an earlier attempt was lost: its own item stands there.
      return error.Item?.['v']?.N === item.v.N && error.Item['body']?.S === item.body.S;
    }
  }

  async #items(ids: readonly string[]): Promise<readonly Record<string, AttributeValue>[]> {
    const found: Record<string, AttributeValue>[] = [];
    let keys: Record<string, AttributeValue>[] = ids.map((id) => ({ id: { S: id } }));
    for (let attempt = 1; keys.length > 0; attempt += 1) {
      if (attempt > MAX_ATTEMPTS) throw new SealStateUnreadable('the seal table cannot be read in full');
      const answer = await this.#dynamo.send(
        new BatchGetItemCommand({ RequestItems: { [this.#table]: { Keys: keys, ConsistentRead: true } } }),
      );
      found.push(...(answer.Responses?.[this.#table] ?? []));
      keys = answer.UnprocessedKeys?.[this.#table]?.Keys ?? [];
    }
    return found;
  }
}
