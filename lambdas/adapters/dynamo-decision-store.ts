/** Decisions in DynamoDB: written by the one function that has verified the votes in them. */
import { ConditionalCheckFailedException, PutItemCommand, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { ttlSeconds, unchangedSince, type ApprovalTables, type FoundApproval } from '../../core/approval/approval-items.ts';
import type { StoredDecision } from '../../core/approval/stored-approval.ts';
import { encodeStored } from '../../core/state/stored-item.ts';
import type { DecisionStore } from '../decide-approval/ports.ts';
import { lookUpApprovals } from './approval-lookup.ts';

export class DynamoDecisionStore implements DecisionStore {
  readonly #client: DynamoDBClient;
  readonly #tables: ApprovalTables;
  readonly #now: () => number;

  constructor(client: DynamoDBClient, tables: ApprovalTables, now: () => number) {
    this.#client = client;
    this.#tables = tables;
    this.#now = now;
  }

  async read(id: string): Promise<FoundApproval | undefined> {
    return (await lookUpApprovals(this.#client, this.#tables, [id]))[0];
  }

  async put(id: string, v: number, decision: StoredDecision): Promise<boolean> {
    const item = encodeStored(id, v + 1, decision, ttlSeconds(this.#now()));
    try {
      await this.#client.send(
        new PutItemCommand({
          TableName: this.#tables.decisions,
          Item: item,
          ...unchangedSince(v),
          ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
        }),
      );
      return true;
    } catch (error) {
      if (!(error instanceof ConditionalCheckFailedException)) throw error;
      // The answer to our own write was lost: a vote carries its token and its time, so nobody else writes the same.
      return error.Item?.['v']?.N === item.v.N && error.Item['body']?.S === item.body.S;
    }
  }
}
