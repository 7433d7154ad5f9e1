/** Cancel requests for other tasks, in the cancels table: each task's poller reads its own item. */
import { randomBytes } from 'node:crypto';
import { ConditionalCheckFailedException, GetItemCommand, PutItemCommand, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { readCancelMail, withCancel } from '../../core/state/cancel-mail.ts';
import { cancelsItem, slotItem } from '../../core/state/control.ts';
import { decodeStored, encodeStored } from '../../core/state/stored-item.ts';
import { StateUnavailable, type CancelMailbox } from '../ports.ts';

/** Two tasks that write at once: the later one looks again. */
const MAX_ATTEMPTS = 4;
const KEPT_MS = 10 * 60_000;

export class DynamoCancels implements CancelMailbox {
  readonly #client: DynamoDBClient;
  readonly #tables: { readonly cancels: string; readonly writers: string };
  readonly #clock: { now(): number };

  constructor(options: {
    readonly client: DynamoDBClient;
    readonly tables: { readonly cancels: string; readonly writers: string };
    readonly clock: { now(): number };
  }) {
    this.#client = options.client;
    this.#tables = options.tables;
    this.#clock = options.clock;
  }

  async put(slot: number, cancel: { readonly processId: number; readonly secretHex: string }): Promise<void> {
    try {
      // A made-up key must not make an item for a task that is not there.
      if ((await this.#read(this.#tables.writers, slotItem(slot))) === undefined) return;
      for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) if (await this.#append(slot, cancel)) return;
      throw new Error('other tasks wrote at the same time, again and again');
    } catch (cause) {
      throw new StateUnavailable('a cancel request could not be passed on', { cause });
    }
  }

  async #append(slot: number, cancel: { readonly processId: number; readonly secretHex: string }): Promise<boolean> {
    const nowMs = this.#clock.now();
    const id = cancelsItem(slot);
    const found = await this.#read(this.#tables.cancels, id);
    const held = (found === undefined ? undefined : readCancelMail(found.body)) ?? { entries: [] };
    const mail = withCancel(held, { id: randomBytes(12).toString('hex'), atMs: nowMs, ...cancel });
    // As with PostgreSQL itself, a cancel that does not arrive is not told.
    if (mail === 'full') return true;
    try {
      await this.#client.send(
        new PutItemCommand({
          TableName: this.#tables.cancels,
          Item: encodeStored(id, (found?.v ?? 0) + 1, mail, (nowMs + KEPT_MS) / 1_000),
          ...(found === undefined
            ? { ConditionExpression: 'attribute_not_exists(id)' }
            : { ConditionExpression: 'v = :v', ExpressionAttributeValues: { ':v': { N: String(found.v) } } }),
        }),
      );
      return true;
    } catch (error) {
      if (error instanceof ConditionalCheckFailedException) return false;
      throw error;
    }
  }

  async #read(table: string, id: string): Promise<{ readonly v: number; readonly body: unknown } | undefined> {
    const { Item: item } = await this.#client.send(new GetItemCommand({ TableName: table, Key: { id: { S: id } }, ConsistentRead: true }));
    return item === undefined ? undefined : decodeStored(item);
  }
}
