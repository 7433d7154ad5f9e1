/** Logins by SSH that agents have prepared, in a table of their own: the console writes it, tasks read it and take codes from it. */
import { ConditionalCheckFailedException, PutItemCommand, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { SshLoginStore } from '../../console/ports.ts';
import type { StoredLogin } from '../../core/ssh/login.ts';
import { encodeStored } from '../../core/state/stored-item.ts';

/** What has expired may still stand there, and keeps nobody out. */
const FREE = 'attribute_not_exists(id) OR principal = :principal OR expiresAtMs <= :now';

export class DynamoSshLoginStore implements SshLoginStore {
  readonly #dynamo: DynamoDBClient;
  readonly #table: string;
  readonly #clock: { now(): number };

  constructor(dynamo: DynamoDBClient, table: string, clock: { now(): number }) {
    this.#dynamo = dynamo;
    this.#table = table;
    this.#clock = clock;
  }

  async keep(id: string, login: StoredLogin): Promise<boolean> {
    const item = {
      ...encodeStored(id, 1, login, login.expiresAtMs / 1_000),
      // Beside the value, for the condition.
      principal: { S: login.principal },
      expiresAtMs: { N: String(login.expiresAtMs) },
    };
    try {
      // Again after a lost answer, it writes the same over its own.
      await this.#dynamo.send(
        new PutItemCommand({
          TableName: this.#table,
          Item: item,
          ConditionExpression: FREE,
          ExpressionAttributeValues: { ':principal': item.principal, ':now': { N: String(this.#clock.now()) } },
        }),
      );
      return true;
    } catch (error) {
      if (error instanceof ConditionalCheckFailedException) return false;
      throw error;
    }
  }
}
