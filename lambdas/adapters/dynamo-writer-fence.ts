/** What the sweeper writes into the writers table: writers of its own, and that others are fenced. */
import { ConditionalCheckFailedException, PutItemCommand, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { type WriterItem, writerItem } from '../../core/state/control.ts';
import { encodeStored } from '../../core/state/stored-item.ts';
import type { StoredWriter, WriterItems } from '../sweep/ports.ts';

/** Finished writers stay listed for as long as people look back; the sealer never forgets them. */
const FINISHED_KEPT_S = 30 * 24 * 3600;

export class DynamoWriterFence implements Pick<WriterItems, 'register' | 'fenced'> {
  readonly #dynamo: DynamoDBClient;
  readonly #table: string;
  readonly #clock: { now(): number };

  constructor(dynamo: DynamoDBClient, table: string, clock: { now(): number }) {
    this.#dynamo = dynamo;
    this.#table = table;
    this.#clock = clock;
  }

  async register(item: WriterItem): Promise<void> {
    await this.#put(item, undefined);
  }

  fenced({ v, item }: StoredWriter): Promise<boolean> {
    return this.#put({ ...item, state: 'fenced' }, v);
  }

  async #put(item: WriterItem, v: number | undefined): Promise<boolean> {
    try {
      await this.#dynamo.send(
        new PutItemCommand({
          TableName: this.#table,
          Item: encodeStored(writerItem(item.writer), (v ?? 0) + 1, item, this.#clock.now() / 1000 + FINISHED_KEPT_S),
          ...(v === undefined
            ? { ConditionExpression: 'attribute_not_exists(id)' }
            : { ConditionExpression: 'v = :v', ExpressionAttributeValues: { ':v': { N: String(v) } } }),
        }),
      );
      return true;
    } catch (error) {
      // Also where the answer of an earlier attempt was lost: what stands there is then what was to be put.
      if (error instanceof ConditionalCheckFailedException) return false;
      throw error;
    }
  }
}
