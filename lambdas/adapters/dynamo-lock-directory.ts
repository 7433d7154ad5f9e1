/** Who may have no sessions: one item of the control table, which every task reads each second. */
import { ConditionalCheckFailedException, GetItemCommand, PutItemCommand, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { LocksFull } from '../../console/ports.ts';
import { readLockList } from '../../core/state/control-items.ts';
import { LOCKS_ITEM, type LockList } from '../../core/state/control.ts';
import { decodeStored, encodeStored } from '../../core/state/stored-item.ts';
import { StateBusy, StateDamaged, type LiveSessions, type LockDirectory } from '../console/ports.ts';

type Locks = LockList['locks'];

/** Some hundreds of locks with their reasons; each task pays for reading them every second. */
const MAX_LIST_BYTES = 131_072;
const MAX_ATTEMPTS = 8;

export type LockDirectoryPorts = {
  readonly dynamo: DynamoDBClient;
  /** The control table. */
  readonly table: string;
  readonly live: Pick<LiveSessions, 'count'>;
  readonly clock: { now(): number };
};

export class DynamoLockDirectory implements LockDirectory {
  readonly #ports: LockDirectoryPorts;

  constructor(ports: LockDirectoryPorts) {
    this.#ports = ports;
  }

  async locks(): Promise<Locks> {
    return (await this.#read()).locks;
  }

  async lock(subject: string, by: string, reason: string): Promise<number> {
    const lock = { subject, by, reason, lockedAtMs: this.#ports.clock.now() };
    await this.#change((locks) => [...locks.filter((one) => one.subject !== subject), lock]);
    // Counted after the lock stands: it is their tasks that end them.
    return this.#ports.live.count(subject);
  }

  async unlock(subject: string): Promise<boolean> {
    return this.#change((locks) =>
      locks.some((one) => one.subject === subject) ? locks.filter((one) => one.subject !== subject) : undefined,
    );
  }

  /** False when there was nothing to change. Throws LocksFull. */
  async #change(next: (locks: Locks) => Locks | undefined): Promise<boolean> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
      const { v, locks } = await this.#read();
      const changed = next(locks);
      // After a write of ours that came too late, it was ours whose answer was lost, or another's that did the same.
      if (changed === undefined) return attempt > 0;
      const list: LockList = { locks: changed };
      const bytes = Buffer.byteLength(JSON.stringify(list));
      if (bytes > MAX_LIST_BYTES && bytes > Buffer.byteLength(JSON.stringify({ locks }))) throw new LocksFull('the list of locks is full');
      if (await this.#write(v, list)) return true;
    }
    throw new StateBusy('the list of locks changes too often');
  }

  async #read(): Promise<{ readonly v: number; readonly locks: Locks }> {
    const { dynamo, table } = this.#ports;
    const { Item } = await dynamo.send(new GetItemCommand({ TableName: table, Key: { id: { S: LOCKS_ITEM } }, ConsistentRead: true }));
    if (Item === undefined) return { v: 0, locks: [] };
    const stored = decodeStored(Item);
    const list = readLockList(stored?.body);
    // Writing over what cannot be read could unlock someone.
    if (stored === undefined || list === undefined) throw new StateDamaged(`item ${LOCKS_ITEM} is no list of locks`);
    return { v: stored.v, locks: list.locks };
  }

  async #write(v: number, list: LockList): Promise<boolean> {
    const { dynamo, table } = this.#ports;
    try {
      await dynamo.send(
        new PutItemCommand({
          TableName: table,
          Item: encodeStored(LOCKS_ITEM, v + 1, list),
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
