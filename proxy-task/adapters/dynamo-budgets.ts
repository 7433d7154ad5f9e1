/** Counters of what principals have spent, in the budgets table: one item per principal, target, measure and window of time. */
import { UpdateItemCommand, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { StateUnavailable, type BudgetCounter } from '../ports.ts';

export class DynamoBudgets implements BudgetCounter {
  readonly #client: DynamoDBClient;
  readonly #table: string;

  constructor(options: { readonly client: DynamoDBClient; readonly table: string }) {
    this.#client = options.client;
    this.#table = options.table;
  }

  async add(counter: string, amount: number, expiresAtMs: number): Promise<number> {
    try {
      const { Attributes: attributes } = await this.#client.send(
        new UpdateItemCommand({
          TableName: this.#table,
          Key: { id: { S: counter } },
          UpdateExpression: 'ADD #used :amount SET #ttl = :ttl',
          ExpressionAttributeNames: { '#used': 'used', '#ttl': 'ttl' },
          ExpressionAttributeValues: { ':amount': { N: String(amount) }, ':ttl': { N: String(Math.ceil(expiresAtMs / 1_000)) } },
          // Also what did not change: adding nothing is how a sum is read.
          ReturnValues: 'ALL_NEW',
        }),
      );
      const total = Number(attributes?.['used']?.N ?? Number.NaN);
      if (!Number.isFinite(total) || total < 0) throw new Error('the counter holds no sum');
      return total;
    } catch (cause) {
      throw new StateUnavailable('a budget could not be counted', { cause });
    }
  }
}
