/** One approval from the three tables that it stands in, as it is now. */
import { GetItemCommand, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { Approval } from '../../core/approval/approval.ts';
import { parseClaim, parseDecision, parseRequest, storedApproval } from '../../core/approval/stored-approval.ts';
import { decodeStored } from '../../core/state/stored-item.ts';
import { StateDamaged, type ApprovalReader } from '../console/ports.ts';

export type ApprovalTables = { readonly requests: string; readonly decisions: string; readonly claims: string };

/** Longer is no id of ours, and what a visitor put into an address need not reach a table. */
const ID = /^ap_[0-9A-Za-z]{1,64}$/u;

export class DynamoApprovalReader implements ApprovalReader {
  readonly #dynamo: DynamoDBClient;
  readonly #tables: ApprovalTables;

  constructor(dynamo: DynamoDBClient, tables: ApprovalTables) {
    this.#dynamo = dynamo;
    this.#tables = tables;
  }

  async read(id: string): Promise<Approval | undefined> {
    if (!ID.test(id)) return undefined;
    const { requests, decisions, claims } = this.#tables;
    const [request, claim] = await Promise.all([this.#body(requests, id), this.#body(claims, id)]);
    if (request === undefined) return undefined;
    // After the claim: where there is one, its decision is there too.
    const decision = await this.#body(decisions, id);
    return storedApproval(
      parseRequest(request),
      decision === undefined ? undefined : parseDecision(decision),
      claim === undefined ? undefined : parseClaim(claim),
    );
  }

  async #body(table: string, id: string): Promise<unknown> {
    const { Item } = await this.#dynamo.send(new GetItemCommand({ TableName: table, Key: { id: { S: id } }, ConsistentRead: true }));
    if (Item === undefined) return undefined;
    const item = decodeStored(Item);
    if (item === undefined) throw new StateDamaged(`item ${id} of ${table} has not its shape`);
    return item.body;
  }
}
