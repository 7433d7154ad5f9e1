/** Writes the control table's item `bundle`. Only `activate-bundle` may. */
import { ConditionalCheckFailedException, DynamoDBClient, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { BUNDLE_ITEM } from '../../core/state/control.ts';
import { encodeStored } from '../../core/state/stored-item.ts';
import type { ActivatePorts } from '../activate-bundle/ports.ts';

const CLIENT = { maxAttempts: 3, requestHandler: { connectionTimeout: 500, requestTimeout: 2_000, throwOnRequestTimeout: true } };

export function dynamoBundlePointer(table: string): ActivatePorts['point'] {
  const dynamo = new DynamoDBClient(CLIENT);
  return async (pointer, v) => {
    const item = encodeStored(BUNDLE_ITEM, v + 1, pointer);
    try {
      await dynamo.send(
        new PutItemCommand({
          TableName: table,
          Item: { ...item },
          ConditionExpression: v === 0 ? 'attribute_not_exists(id)' : 'v = :v',
          ...(v === 0 ? {} : { ExpressionAttributeValues: { ':v': { N: String(v) } } }),
          ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
        }),
      );
      return 'written';
    } catch (error) {
      if (!(error instanceof ConditionalCheckFailedException)) throw error;
      // The answer to our own write was lost, and the SDK asked again: the signature is no one else's.
      return error.Item?.['body']?.S === item.body.S ? 'written' : 'conflict';
    }
  };
}
