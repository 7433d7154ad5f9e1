// What the emulator does and does not: the suites beside this one rest on the first and must not rest on the second.
import { ConditionalCheckFailedException, CreateTableCommand, DynamoDBClient, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { beforeAll, describe, expect, test } from 'vitest';
import { resetMoto, useMoto } from './support/moto.ts';

beforeAll(async () => {
  useMoto();
  await resetMoto();
});

describe('the emulator of AWS', () => {
  test('a conditional write that is refused answers with the item as it is', async () => {
    const client = new DynamoDBClient({});
    await client.send(
      new CreateTableCommand({
        TableName: 'facts',
        BillingMode: 'PAY_PER_REQUEST',
        KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
        AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
      }),
    );
    const put = (hash: string): Promise<unknown> =>
      client.send(
        new PutItemCommand({
          TableName: 'facts',
          Item: { id: { S: 'a' }, hash: { S: hash } },
          ConditionExpression: 'attribute_not_exists(id)',
          ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
        }),
      );
    await put('first');
    const refused = await put('second').catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(ConditionalCheckFailedException);
    expect(refused).toMatchObject({ Item: { hash: { S: 'first' } } });
  });

  test('nothing of an earlier suite is left', async () => {
    const client = new DynamoDBClient({});
    await resetMoto();
    await expect(client.send(new PutItemCommand({ TableName: 'facts', Item: { id: { S: 'a' } } }))).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
    });
  });
});
