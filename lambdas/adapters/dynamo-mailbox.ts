/** A task's mailbox in the control table. */
import { ConditionalCheckFailedException, GetItemCommand, PutItemCommand, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { readMail } from '../../core/state/control-items.ts';
import { mailItem, type Mail, type MailEntry } from '../../core/state/control.ts';
import { posted } from '../../core/state/mail.ts';
import { decodeStored, encodeStored } from '../../core/state/stored-item.ts';
import { MailboxFull, StateBusy, StateDamaged, type Mailbox } from '../console/ports.ts';

/** Operators and renewals of one task at the same moment; each loser reads again. */
const MAX_ATTEMPTS = 8;
/** A mailbox that nobody has written to for so long holds nothing that anybody reads. */
const TTL_SECONDS = 15 * 60;

export class DynamoMailbox implements Mailbox {
  readonly #dynamo: DynamoDBClient;
  readonly #table: string;
  readonly #clock: { now(): number };

  constructor(dynamo: DynamoDBClient, table: string, clock: { now(): number }) {
    this.#dynamo = dynamo;
    this.#table = table;
    this.#clock = clock;
  }

  async post(writer: string, entry: MailEntry): Promise<void> {
    const id = mailItem(writer);
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
      const { v, mail } = await this.#read(id);
      // Our own write, whose answer was lost.
      if (mail.entries.some((one) => one.id === entry.id)) return;
      const next = posted(mail, entry, this.#clock.now());
      if (next === 'full') throw new MailboxFull(`the mailbox of ${writer} is full`);
      if (await this.#write(id, v, next)) return;
    }
    throw new StateBusy(`the mailbox of ${writer} changes too often`);
  }

  async #read(id: string): Promise<{ readonly v: number; readonly mail: Mail }> {
    const { Item } = await this.#dynamo.send(new GetItemCommand({ TableName: this.#table, Key: { id: { S: id } }, ConsistentRead: true }));
    if (Item === undefined) return { v: 0, mail: { entries: [] } };
    const stored = decodeStored(Item);
    const mail = readMail(stored?.body);
    if (stored === undefined || mail === undefined) throw new StateDamaged(`item ${id} is no mailbox`);
    return { v: stored.v, mail };
  }

  /** False when another write was first. */
  async #write(id: string, v: number, mail: Mail): Promise<boolean> {
    const ttlSeconds = this.#clock.now() / 1_000 + TTL_SECONDS;
    try {
      await this.#dynamo.send(
        new PutItemCommand({
          TableName: this.#table,
          Item: encodeStored(id, v + 1, mail, ttlSeconds),
          ...(v === 0
            ? { ConditionExpression: 'attribute_not_exists(id)' }
            : { ConditionExpression: 'v = :v', ExpressionAttributeValues: { ':v': { N: String(v) } } }),
        }),
      );
      return true;
    } catch (error) {
      if (error instanceof ConditionalCheckFailedException) return false;
      throw error;
    }
  }
}
