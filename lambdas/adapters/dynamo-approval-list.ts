/** Approvals, newest first: their ids from an index by time, then the items themselves. */
import { BatchGetItemCommand, QueryCommand, type AttributeValue, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { Approval } from '../../core/approval/approval.ts';
import { asOf } from '../../core/approval/lifecycle.ts';
import { parseClaim, parseDecision, parseRequest, storedApproval } from '../../core/approval/stored-approval.ts';
import { decodeStored } from '../../core/state/stored-item.ts';
import { StateBusy, StateDamaged, type ApprovalList } from '../console/ports.ts';

export type ListedTables = { readonly requests: string; readonly decisions: string; readonly claims: string };

/** Of the requests table: partition key `kind`, which approvals alone have, and sort key `id`, which is by time. */
export const BY_KIND = 'byKind';
/** With statements of 64 KiB, one answer of the table holds them. */
const PAGE = 25;
/** What is still open was asked hours ago at most; further back nobody looks for it. */
const MAX_LOOKED_AT = 2_000;
const MAX_ATTEMPTS = 5;

export class DynamoApprovalList implements ApprovalList {
  readonly #dynamo: DynamoDBClient;
  readonly #tables: ListedTables;
  readonly #clock: { now(): number };

  constructor(dynamo: DynamoDBClient, tables: ListedTables, clock: { now(): number }) {
    this.#dynamo = dynamo;
    this.#tables = tables;
    this.#clock = clock;
  }

  async list(filter: { readonly open: boolean; readonly limit: number }): Promise<readonly Approval[]> {
    const found: Approval[] = [];
    let lookedAt = 0;
    for await (const ids of this.#newest()) {
      for (const approval of await this.#approvals(ids)) {
        const current = asOf(approval, this.#clock.now());
        if (!filter.open || current.state === 'pending' || current.state === 'approved') found.push(current);
        if (found.length === filter.limit) return found;
      }
      lookedAt += ids.length;
      if (lookedAt >= MAX_LOOKED_AT) break;
    }
    return found;
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
          Limit: PAGE,
          ExclusiveStartKey,
        }),
      );
      const ids = (page.Items ?? []).map((item) => item['id']?.S ?? '');
      if (ids.length > 0) yield ids;
      ExclusiveStartKey = page.LastEvaluatedKey;
    } while (ExclusiveStartKey !== undefined);
  }

  /** In the order of the ids; one that the index still names and the table no longer has is left out. */
  async #approvals(ids: readonly string[]): Promise<readonly Approval[]> {
    const { requests, decisions, claims } = this.#tables;
    // In this order: where there is a claim, its decision is there when it is read.
    const [asked, first] = [await this.#bodies(requests, ids), await this.#bodies(claims, ids)];
    const decided = await this.#bodies(decisions, ids);
    const approvals: Approval[] = [];
    for (const id of ids) {
      const [request, decision, claim] = [asked.get(id), decided.get(id), first.get(id)];
      if (request === undefined) continue;
      approvals.push(
        storedApproval(
          parseRequest(request),
          decision === undefined ? undefined : parseDecision(decision),
          claim === undefined ? undefined : parseClaim(claim),
        ),
      );
    }
    return approvals;
  }

  async #bodies(table: string, ids: readonly string[]): Promise<ReadonlyMap<string, unknown>> {
    const bodies = new Map<string, unknown>();
    let left: Record<string, AttributeValue>[] = ids.map((id) => ({ id: { S: id } }));
    for (let attempt = 0; left.length > 0; attempt += 1) {
      if (attempt === MAX_ATTEMPTS) throw new StateBusy(`${table} does not answer in full`);
      const { Responses, UnprocessedKeys } = await this.#dynamo.send(
        new BatchGetItemCommand({ RequestItems: { [table]: { Keys: left, ConsistentRead: true } } }),
      );
      for (const item of Responses?.[table] ?? []) {
        const stored = decodeStored(item);
        if (stored === undefined) throw new StateDamaged(`an item of ${table} has not its shape`);
        bodies.set(stored.id, stored.body);
      }
      left = UnprocessedKeys?.[table]?.Keys ?? [];
    }
    return bodies;
  }
}
