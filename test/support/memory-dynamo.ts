// DynamoDB in memory, as far as approvals use it, with the faults that no emulator makes: throttles and answers that are lost.
import {
  BatchGetItemCommand,
  ConditionalCheckFailedException,
  DynamoDBClient,
  GetItemCommand,
  ProvisionedThroughputExceededException,
  PutItemCommand,
  UpdateItemCommand,
  type AttributeValue,
} from '@aws-sdk/client-dynamodb';
import { mockClient } from 'aws-sdk-client-mock';

type Item = Record<string, AttributeValue>;

/**
 * `retried`: the write was done, its answer lost, and the SDK sent it again. `lost`: it was done, and no answer ever came.
 * `throttled`: nothing was done.
 */
export type Fault = 'retried' | 'lost' | 'throttled';

export class MemoryDynamo {
  readonly client = new DynamoDBClient({ region: 'us-east-1' });
  readonly #tables = new Map<string, Map<string, Item>>();
  /** What happens to a command; undefined: it is done. */
  fault: (command: 'get' | 'batch' | 'put' | 'update', table: string, id: string) => Fault | undefined = () => undefined;
  /** Runs before a write is looked at: what another does in between. */
  before: (table: string, id: string) => Promise<void> = async () => undefined;
  /** Writes that were done, as `table id`. */
  readonly written: string[] = [];

  constructor() {
    const mock = mockClient(this.client);
    mock.on(GetItemCommand).callsFake((input: GetItemCommand['input']) => {
      const key = keyOf(input.Key ?? {});
      if (this.fault('get', input.TableName ?? '', key) === 'throttled') throw throttled();
      return { Item: this.#table(input.TableName).get(key) };
    });
    mock.on(BatchGetItemCommand).callsFake((input: BatchGetItemCommand['input']) => {
      const Responses: Record<string, Item[]> = {};
      for (const [table, { Keys }] of Object.entries(input.RequestItems ?? {})) {
        if (this.fault('batch', table, '') === 'throttled') throw throttled();
        Responses[table] = (Keys ?? []).map((key) => this.#table(table).get(keyOf(key))).filter((item) => item !== undefined);
      }
      return { Responses };
    });
    mock.on(PutItemCommand).callsFake(async (input: PutItemCommand['input']) => {
      const [table, item] = [input.TableName ?? '', input.Item ?? {}];
      await this.before(table, keyOf(item));
      return this.#write('put', table, keyOf(item), () => this.#put(input, item));
    });
    mock.on(UpdateItemCommand).callsFake((input: UpdateItemCommand['input']) => {
      const key = keyOf(input.Key ?? {});
      return this.#write('update', input.TableName ?? '', key, () => this.#update(input, key));
    });
  }

  /** The attributes of an item as they stand. */
  item(table: string, id: string): Item | undefined {
    return this.#table(table).get(id);
  }

  /** The value of a state item. */
  body(table: string, id: string): unknown {
    const text = this.item(table, id)?.['body']?.S;
    return text === undefined ? undefined : JSON.parse(text);
  }

  /** Writes an item by hand. */
  set(table: string, item: Item): void {
    this.#table(table).set(keyOf(item), item);
  }

  #write(command: 'put' | 'update', table: string, key: string, write: () => void): object {
    const fault = this.fault(command, table, key);
    if (fault === 'throttled') throw throttled();
    write();
    this.written.push(`${table} ${key}`);
    if (fault === 'lost') throw Object.assign(new Error('no answer came'), { name: 'TimeoutError' });
    if (fault === 'retried') write();
    return {};
  }

  #put(input: PutItemCommand['input'], item: Item): void {
    const table = this.#table(input.TableName);
    const old = table.get(keyOf(item));
    const condition = input.ConditionExpression;
    if (condition !== undefined && condition !== 'attribute_not_exists(id)' && condition !== 'v = :v')
      throw new Error(`not known here: ${condition}`);
    const holds =
      condition === undefined ||
      (condition === 'v = :v' ? old?.['v']?.N === input.ExpressionAttributeValues?.[':v']?.N : old === undefined);
    if (!holds) {
      const shown = input.ReturnValuesOnConditionCheckFailure === 'ALL_OLD' && old !== undefined ? { Item: old } : {};
      throw new ConditionalCheckFailedException({ message: 'the condition does not hold', $metadata: {}, ...shown });
    }
    table.set(keyOf(item), item);
  }

  #update(input: UpdateItemCommand['input'], key: string): void {
    const table = this.#table(input.TableName);
    const old = table.get(key);
    const [before, given] = [old?.['ids']?.SS ?? [], input.ExpressionAttributeValues?.[':ids']?.SS ?? []];
    const adds = input.UpdateExpression?.includes('ADD ids :ids') === true;
    const ids = adds ? [...new Set([...before, ...given])] : before.filter((id) => !given.includes(id));
    const { ids: _, ...rest } = old ?? { ...input.Key };
    table.set(key, ids.length === 0 ? rest : { ...rest, ids: { SS: ids } });
  }

  #table(name = ''): Map<string, Item> {
    const table = this.#tables.get(name) ?? new Map<string, Item>();
    this.#tables.set(name, table);
    return table;
  }
}

function keyOf(key: Item): string {
  return key['n']?.N === undefined ? (key['id']?.S ?? '') : `${key['id']?.S} ${key['n'].N}`;
}

function throttled(): Error {
  return new ProvisionedThroughputExceededException({ message: 'too much at once', $metadata: {} });
}
