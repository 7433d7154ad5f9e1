/** Writers, their slots and the newest generation, in the writers table: single conditional writes, each of which may lose its answer. */
import {
  ConditionalCheckFailedException,
  DeleteItemCommand,
  GetItemCommand,
  PutItemCommand,
  type DynamoDBClient,
} from '@aws-sdk/client-dynamodb';
import { readWriter } from '../../core/state/control-items.ts';
import { GENERATION_ITEM, slotItem, writerItem, type WriterItem } from '../../core/state/control.ts';
import { decodeStored, encodeStored } from '../../core/state/stored-item.ts';
import { StateUnavailable, type Generations, type WriterRegistry } from '../ports.ts';

/** A cancel key has 16 bits for its task; 0 is nobody's. */
const SLOTS = 0xffff;
/** Tasks are hundreds at most, so that the second try is free nearly always. */
const MAX_SLOTS_TRIED = 64;
const MAX_RAISE_ATTEMPTS = 8;
/** The sealer reads what a closed writer left within minutes; people may look it up for a month. */
const CLOSED_KEPT_S = 30 * 24 * 3600;

type Kept = { readonly v: number; readonly body: unknown };

export class DynamoWriterLease implements WriterRegistry, Generations {
  readonly #client: DynamoDBClient;
  readonly #table: string;
  readonly #random: () => number;
  /** Versions of this task's own items, as it wrote them last. */
  #version = 0;

  /** `random` as Math.random: where the search for a slot begins. */
  constructor(options: { readonly client: DynamoDBClient; readonly table: string; readonly random: () => number }) {
    this.#client = options.client;
    this.#table = options.table;
    this.#random = options.random;
  }

  register(writer: Omit<WriterItem, 'slot'>): Promise<WriterItem> {
    return attempt('this task could not be registered', async () => {
      const item = { ...writer, slot: await this.#takeSlot(writer.writer) };
      const other = await this.#put(writerItem(writer.writer), item, undefined);
      if (other !== undefined) throw new Error(`another task is called ${writer.writer}`);
      this.#version = 1;
      return item;
    });
  }

  renew(writer: WriterItem): Promise<'renewed' | 'fenced'> {
    return attempt('the lease could not be renewed', () => this.#write(writer));
  }

  close(writer: WriterItem): Promise<void> {
    return attempt('the lease could not be given back', async () => {
      await this.#write({ ...writer, state: 'closed' });
      try {
        const held = await this.#read(slotItem(writer.slot));
        if (held === undefined || holderOf(held) !== writer.writer) return;
        await this.#client.send(
          new DeleteItemCommand({
            TableName: this.#table,
            Key: { id: { S: slotItem(writer.slot) } },
            ConditionExpression: 'v = :v',
            ExpressionAttributeValues: { ':v': { N: String(held.v) } },
          }),
        );
      } catch (error) {
        // Another task found it free in the meantime, as it may.
        if (!(error instanceof ConditionalCheckFailedException)) throw error;
      }
    });
  }

  newest(): Promise<number> {
    return attempt('the newest generation could not be read', async () => generationOf(await this.#read(GENERATION_ITEM)));
  }

  raise(generation: number): Promise<void> {
    return attempt('the generation could not be raised', async () => {
      for (let tried = 1; tried <= MAX_RAISE_ATTEMPTS; tried += 1) {
        const held = await this.#read(GENERATION_ITEM);
        if (generationOf(held) >= generation) return;
        if ((await this.#put(GENERATION_ITEM, { generation }, held?.v)) === undefined) return;
      }
      throw new Error('other tasks raised it at the same time, again and again');
    });
  }

  /** Nobody else writes this item but the sweeper, to fence it. */
  async #write(writer: WriterItem): Promise<'renewed' | 'fenced'> {
    const ttlS = writer.state === 'closed' ? writer.leaseUntilMs / 1000 + CLOSED_KEPT_S : undefined;
    for (;;) {
      const other = await this.#put(writerItem(writer.writer), writer, this.#version, ttlS);
      if (other === undefined) {
        this.#version += 1;
        return 'renewed';
      }
      const stands = readWriter(other.body);
      // An earlier renewal arrived although its answer did not: this one follows it.
      if (stands?.writer !== writer.writer || stands.state !== 'live' || other.v <= this.#version) return 'fenced';
      this.#version = other.v;
    }
  }

  async #takeSlot(writer: string): Promise<number> {
    const start = Math.floor(this.#random() * SLOTS);
    for (let tried = 0; tried < MAX_SLOTS_TRIED; tried += 1) {
      const slot = ((start + tried) % SLOTS) + 1;
      const held = await this.#put(slotItem(slot), { writer }, undefined);
      if (held === undefined) return slot;
      if ((await this.#isOver(held)) && (await this.#put(slotItem(slot), { writer }, held.v)) === undefined) return slot;
    }
    throw new Error(`${MAX_SLOTS_TRIED} slots in a row are taken`);
  }

  /** A slot outlives a task that was killed, until its writer is fenced. */
  async #isOver(slot: Kept): Promise<boolean> {
    const holder = holderOf(slot);
    if (holder === undefined) return false;
    const state = readWriter((await this.#read(writerItem(holder)))?.body)?.state;
    return state === 'closed' || state === 'fenced';
  }

  /** Puts a value after version `v`, or the first one. What stands there instead, if it is not what this very call put. */
  async #put(id: string, value: object, v: number | undefined, ttlS?: number): Promise<Kept | undefined> {
    const item = encodeStored(id, (v ?? 0) + 1, value, ttlS);
    try {
      await this.#client.send(
        new PutItemCommand({
          TableName: this.#table,
          Item: item,
          ...(v === undefined
            ? { ConditionExpression: 'attribute_not_exists(id)' }
            : { ConditionExpression: 'v = :v', ExpressionAttributeValues: { ':v': { N: String(v) } } }),
          ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
        }),
      );
      return undefined;
    } catch (error) {
      if (!(error instanceof ConditionalCheckFailedException)) throw error;
      // The answer of an earlier attempt was lost: its own item stands there.
      if (error.Item?.['v']?.N === item.v.N && error.Item['body']?.S === item.body.S) return undefined;
      return (error.Item === undefined ? undefined : decodeStored(error.Item)) ?? { v: 0, body: undefined };
    }
  }

  async #read(id: string): Promise<Kept | undefined> {
    const { Item: item } = await this.#client.send(
      new GetItemCommand({ TableName: this.#table, Key: { id: { S: id } }, ConsistentRead: true }),
    );
    return item === undefined ? undefined : decodeStored(item);
  }
}

async function attempt<T>(otherwise: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw new StateUnavailable(otherwise, { cause });
  }
}

function holderOf({ body }: Kept): string | undefined {
  const writer: unknown = typeof body === 'object' && body !== null && 'writer' in body ? body.writer : undefined;
  return typeof writer === 'string' ? writer : undefined;
}

function generationOf(held: Kept | undefined): number {
  const body = held?.body;
  const generation: unknown = typeof body === 'object' && body !== null && 'generation' in body ? body.generation : undefined;
  return typeof generation === 'number' && Number.isSafeInteger(generation) ? generation : 0;
}
