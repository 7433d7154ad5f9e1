/** Requests, where their statements are looked up, and the list of what is due, in DynamoDB. */
import {
  ConditionalCheckFailedException,
  GetItemCommand,
  PutItemCommand,
  UpdateItemCommand,
  type DynamoDBClient,
} from '@aws-sdk/client-dynamodb';
import type { ApprovalRequest } from '../../core/approval/approval.ts';
import {
  decoded,
  requestItem,
  ttlSeconds,
  unchangedSince,
  type ApprovalTables,
  type FoundApproval,
} from '../../core/approval/approval-items.ts';
import { dueItem } from '../../core/approval/due.ts';
import { parseIds, parseRequest } from '../../core/approval/stored-approval.ts';
import { encodeStored } from '../../core/state/stored-item.ts';
import type { IdList, RequestStore } from '../request-approval/ports.ts';
import { lookUpApprovals } from './approval-lookup.ts';

export type RequestTables = ApprovalTables & { readonly notices: string };

export class DynamoRequestStore implements RequestStore {
  readonly #client: DynamoDBClient;
  readonly #tables: RequestTables;
  readonly #now: () => number;

  constructor(client: DynamoDBClient, tables: RequestTables, now: () => number) {
    this.#client = client;
    this.#tables = tables;
    this.#now = now;
  }

  read(ids: readonly string[]): Promise<readonly FoundApproval[]> {
    return lookUpApprovals(this.#client, this.#tables, ids);
  }

  async list(item: string): Promise<IdList> {
    const { Item } = await this.#client.send(
      new GetItemCommand({ TableName: this.#tables.requests, Key: { id: { S: item } }, ConsistentRead: true }),
    );
    if (Item === undefined) return { v: 0, ids: [] };
    const { v, body } = decoded(Item);
    return { v, ids: parseIds(body) };
  }

  async putList(item: string, v: number, ids: readonly string[]): Promise<boolean> {
    try {
      await this.#client.send(
        new PutItemCommand({
          TableName: this.#tables.requests,
          Item: { ...encodeStored(item, v + 1, { ids }, ttlSeconds(this.#now())) },
          ...unchangedSince(v),
        }),
      );
      return true;
    } catch (error) {
      if (error instanceof ConditionalCheckFailedException) return false;
      throw error;
    }
  }

  async put(request: ApprovalRequest): Promise<ApprovalRequest> {
    try {
      await this.#client.send(
        new PutItemCommand({
          TableName: this.#tables.requests,
          Item: { ...requestItem(request, ttlSeconds(request.expiresAtMs)) },
          ...unchangedSince(0),
          ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
        }),
      );
      return request;
    } catch (error) {
      if (!(error instanceof ConditionalCheckFailedException) || error.Item === undefined) throw error;
      return parseRequest(decoded(error.Item).body);
    }
  }

  async markDue(id: string, nowMs: number): Promise<void> {
    // A set takes the same id twice without a condition.
    await this.#client.send(
      new UpdateItemCommand({
        TableName: this.#tables.notices,
        Key: { id: { S: dueItem(nowMs) } },
        UpdateExpression: 'SET #ttl = :ttl ADD ids :ids',
        ExpressionAttributeNames: { '#ttl': 'ttl' },
        ExpressionAttributeValues: { ':ttl': { N: String(Math.ceil(ttlSeconds(nowMs))) }, ':ids': { SS: [id] } },
      }),
    );
  }
}
