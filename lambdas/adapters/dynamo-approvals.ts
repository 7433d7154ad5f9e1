/** Approvals for people: one by its id, or the newest, whose ids come from an index by time. */
import { QueryCommand, type AttributeValue, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { Approval } from '../../core/approval/approval.ts';
import { MAX_APPROVALS_AT_ONCE, type ApprovalTables } from '../../core/approval/approval-items.ts';
import { asOf } from '../../core/approval/lifecycle.ts';
import type { ApprovalReader } from '../console/ports.ts';
import { lookUpApprovals } from './approval-lookup.ts';

/** Of the requests table: partition key `kind`, which approvals alone have, and sort key `id`, which is by time. */
const BY_KIND = 'byKind';
/** What is still open was asked hours ago at most; further back nobody looks for it. */
const MAX_LOOKED_AT = 2_000;
/** Longer is no id of ours, and what a visitor put into an address need not reach a table. */
const ID = /^ap_[0-9A-Za-z]{1,64}$/u;

export class DynamoApprovals implements ApprovalReader {
  readonly #dynamo: DynamoDBClient;
  readonly #tables: ApprovalTables;
  readonly #clock: { now(): number };

  constructor(dynamo: DynamoDBClient, tables: ApprovalTables, clock: { now(): number }) {
    this.#dynamo = dynamo;
    this.#tables = tables;
    this.#clock = clock;
  }

  async read(id: string): Promise<Approval | undefined> {
    return ID.test(id) ? (await this.#asTheyStand([id]))[0] : undefined;
  }

  async list(filter: { readonly open: boolean; readonly limit: number }): Promise<readonly Approval[]> {
    const found: Approval[] = [];
    let lookedAt = 0;
    for await (const ids of this.#newest()) {
      const approvals = await this.#asTheyStand(ids);
      found.push(...approvals.filter(({ state }) => !filter.open || state === 'pending' || state === 'approved'));
      lookedAt += ids.length;
      if (found.length >= filter.limit || lookedAt >= MAX_LOOKED_AT) break;
    }
    return found.slice(0, filter.limit);
  }

  async #asTheyStand(ids: readonly string[]): Promise<readonly Approval[]> {
    const found = await lookUpApprovals(this.#dynamo, this.#tables, ids);
    return found.map(({ approval }) => asOf(approval, this.#clock.now()));
  }

  async *#newest(): AsyncGenerator<readonly string[]> {
    let ExclusiveStartKey: Record<string, AttributeValue> | undefined;
    do {
      const page = await this.#dynamo.send(
        new QueryCommand({
          TableName: this.#tables.requests,
          IndexName: BY_KIND,
          KeyConditionExpression: 'kind = :kind',
          ExpressionAttributeValues: { ':kind': { S: 'approval' } },
          ScanIndexForward: false,
          Limit: MAX_APPROVALS_AT_ONCE,
          ExclusiveStartKey,
        }),
      );
      const ids = (page.Items ?? []).flatMap((item) => item['id']?.S ?? []);
      if (ids.length > 0) yield ids;
      ExclusiveStartKey = page.LastEvaluatedKey;
    } while (ExclusiveStartKey !== undefined);
  }
}
