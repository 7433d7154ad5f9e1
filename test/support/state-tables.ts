// State tables in memory, behind the command interface of DynamoDB: for faults, and for suites that need Node only.
import { BatchGetItemCommand, DynamoDBClient, type AttributeValue } from '@aws-sdk/client-dynamodb';
import { mockClient, type AwsStub } from 'aws-sdk-client-mock';
import type { DynamoDBClientResolvedConfig, ServiceInputTypes, ServiceOutputTypes } from '@aws-sdk/client-dynamodb';
import { encodeStored } from '../../core/state/stored-item.ts';

export type StateTables = {
  readonly client: DynamoDBClient;
  readonly mock: AwsStub<ServiceInputTypes, ServiceOutputTypes, DynamoDBClientResolvedConfig>;
  /** Puts an item's value, under the next version. */
  put(table: string, id: string, value: unknown): void;
  /** Puts attributes as they are. */
  putRaw(table: string, id: string, attributes: Record<string, AttributeValue>): void;
  remove(table: string, id: string): void;
  /** What the next reads throw; undefined ends it. */
  fail(error: Error | undefined): void;
};

/** BatchGetItem over what was put. Other commands are for the test to answer. */
export function stateTables(): StateTables {
  const client = new DynamoDBClient({ region: 'us-east-1' });
  const mock = mockClient(client);
  const items = new Map<string, Record<string, AttributeValue>>();
  const versions = new Map<string, number>();
  let failure: Error | undefined;
  mock.on(BatchGetItemCommand).callsFake((input: BatchGetItemCommand['input']) => {
    if (failure !== undefined) throw failure;
    const responses: Record<string, Record<string, AttributeValue>[]> = {};
    for (const [table, { Keys: keys }] of Object.entries(input.RequestItems ?? {})) {
      responses[table] = (keys ?? []).map((key) => items.get(`${table} ${key['id']?.S}`)).filter((item) => item !== undefined);
    }
    return { Responses: responses };
  });
  return {
    client,
    mock,
    put: (table, id, value) => {
      const v = (versions.get(`${table} ${id}`) ?? 0) + 1;
      versions.set(`${table} ${id}`, v);
      items.set(`${table} ${id}`, encodeStored(id, v, value));
    },
    putRaw: (table, id, attributes) => void items.set(`${table} ${id}`, { id: { S: id }, ...attributes }),
    remove: (table, id) => void items.delete(`${table} ${id}`),
    fail: (error) => {
      failure = error;
    },
  };
}

/** Lets everything run that waits for no timer. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
