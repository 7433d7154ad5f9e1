/** Sessions that a dead writer left on the list of live ones. */
import { DeleteItemCommand, QueryCommand, type AttributeValue, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { LiveSessions } from '../sweep/ports.ts';

export class DynamoLeftSessions implements LiveSessions {
  readonly #dynamo: DynamoDBClient;
  readonly #table: string;

  constructor(dynamo: DynamoDBClient, table: string) {
    this.#dynamo = dynamo;
    this.#table = table;
  }

  async list(writer: string): Promise<readonly string[]> {
    const sessions: string[] = [];
    let from: Record<string, AttributeValue> | undefined;
    do {
      const page = await this.#dynamo.send(
        new QueryCommand({
          TableName: this.#table,
          ConsistentRead: true,
          KeyConditionExpression: 'writer = :writer',
          ExpressionAttributeValues: { ':writer': { S: writer } },
          ...(from === undefined ? {} : { ExclusiveStartKey: from }),
        }),
      );
      for (const { session } of page.Items ?? []) if (session?.S !== undefined) sessions.push(session.S);
      from = page.LastEvaluatedKey;
    } while (from !== undefined);
    return sessions;
  }

  async remove(writer: string, session: string): Promise<void> {
    await this.#dynamo.send(new DeleteItemCommand({ TableName: this.#table, Key: { writer: { S: writer }, session: { S: session } } }));
  }
}
