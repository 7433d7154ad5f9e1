/** The one thing of a claim that is not a task's to write: that nobody answered in time. */
import { ConditionalCheckFailedException, PutItemCommand, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { ttlSeconds, unchangedSince } from '../../core/approval/approval-items.ts';
import { encodeStored } from '../../core/state/stored-item.ts';
import type { ClosePorts } from '../close-approval/ports.ts';

export function dynamoExpiry(client: DynamoDBClient, claims: string): ClosePorts['expire'] {
  return async (id, atMs) => {
    const item = encodeStored(id, 1, { kind: 'expired', atMs }, ttlSeconds(atMs));
    try {
      await client.send(
        new PutItemCommand({ TableName: claims, Item: item, ...unchangedSince(0), ReturnValuesOnConditionCheckFailure: 'ALL_OLD' }),
      );
      return true;
    } catch (error) {
      if (!(error instanceof ConditionalCheckFailedException)) throw error;
      // Our own answer may have been lost.
      return error.Item?.['body']?.S === item.body.S;
    }
  };
}
