// Prepared logins in DynamoDB: the contract of the one-machine store, and what a table alone can get wrong.
import { DeleteItemCommand, DynamoDBClient, GetItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { mockClient } from 'aws-sdk-client-mock';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { encodeStored } from '../../core/state/stored-item.ts';
import { DynamoSshLoginStore } from '../../lambdas/adapters/dynamo-ssh-keys.ts';
import { DynamoSshLogins } from '../../proxy-task/adapters/dynamo-ssh-keys.ts';
import { sshLoginsContract } from '../contract/ssh-keys.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { resetMoto, useMoto } from './support/moto.ts';
import { makeInstance } from './support/tables.ts';

let dynamo: DynamoDBClient;
let table: string;
let clock: ManualClock;
beforeAll(useMoto);
beforeEach(async () => {
  await resetMoto();
  table = (await makeInstance())['SALLYPORT_SSHKEYS_TABLE'] ?? '';
  dynamo = new DynamoDBClient({});
  clock = new ManualClock(1_700_000_000_000);
});

const logins = (client = dynamo): DynamoSshLogins => new DynamoSshLogins({ client, table, clock });

sshLoginsContract('DynamoDB', async () => ({ store: new DynamoSshLoginStore(dynamo, table, clock), logins: logins(), clock }));

test.each([{}, { principal: 'corp/agent-7' }, { principal: 'corp/agent-7', expiresAtMs: 'x', sealed: 'x' }, null])(
  'an item with %j is no login',
  async (value) => {
    await dynamo.send(new PutItemCommand({ TableName: table, Item: { ...encodeStored('key#1', 1, value) } }));
    expect(await logins().readKey('key#1')).toBeUndefined();
    expect(await logins().takeCode('key#1')).toBeUndefined();
  },
);

test('a table that is away is no answer', async () => {
  const client = new DynamoDBClient({ region: 'us-east-1' });
  const mock = mockClient(client);
  mock.on(GetItemCommand).rejects(new Error('away'));
  mock.on(DeleteItemCommand).rejects(new Error('away'));
  mock.on(PutItemCommand).rejects(new Error('away'));
  await expect(logins(client).readKey('key#1')).rejects.toMatchObject({ code: 'state-unavailable' });
  await expect(logins(client).takeCode('code#1')).rejects.toMatchObject({ code: 'state-unavailable' });
  const store = new DynamoSshLoginStore(client, table, clock);
  await expect(store.keep('key#1', { principal: 'p', expiresAtMs: 1, sealed: 'x' })).rejects.toThrow('away');
});
