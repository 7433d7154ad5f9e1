/** Approvals in DynamoDB as a task reads them, and the claims that it alone writes. */
import {
  BatchGetItemCommand,
  ConditionalCheckFailedException,
  GetItemCommand,
  PutItemCommand,
  type BatchGetItemCommandOutput,
  type DynamoDBClient,
} from '@aws-sdk/client-dynamodb';
import {
  approvalKeys,
  decoded,
  foundApprovals,
  MAX_APPROVALS_AT_ONCE,
  ttlSeconds,
  unchangedSince,
  type ApprovalTables,
  type FoundApproval,
} from '../../core/approval/approval-items.ts';
import { digestItem, parseClaim, parseIds, type StoredClaim } from '../../core/approval/stored-approval.ts';
import { writerItem } from '../../core/state/control.ts';
import { encodeStored } from '../../core/state/stored-item.ts';

export type TaskApprovalTables = ApprovalTables & { readonly writers: string };

/** Keys that DynamoDB leaves out of an answer are asked for so often. */
const MAX_ROUNDS = 4;

/** What became of a conditional write; `found` is what stands there instead. */
export type ClaimWrite = { readonly written: true } | { readonly written: false; readonly found: StoredClaim | undefined };

export class ApprovalItems {
  readonly #client: DynamoDBClient;
  readonly #tables: TaskApprovalTables;

  constructor(client: DynamoDBClient, tables: TaskApprovalTables) {
    this.#client = client;
    this.#tables = tables;
  }

  /** Those that have a request, in the order of `ids`. */
  async read(ids: readonly string[]): Promise<readonly FoundApproval[]> {
    const found: FoundApproval[] = [];
    for (let at = 0; at < ids.length; at += MAX_APPROVALS_AT_ONCE) {
      const some = ids.slice(at, at + MAX_APPROVALS_AT_ONCE);
      found.push(...foundApprovals(this.#tables, some, await this.#batch(some)));
    }
    return found;
  }

  /** Ids that were asked for this statement, the newest last. */
  async idsOf(digest: string): Promise<readonly string[]> {
    const item = await this.#get(this.#tables.requests, digestItem(digest));
    return item === undefined ? [] : parseIds(decoded(item).body);
  }

  /** Writes where nothing stands (`v` 0), or where version `v` does. */
  async putClaim(id: string, v: number, claim: StoredClaim): Promise<ClaimWrite> {
    try {
      await this.#client.send(
        new PutItemCommand({
          TableName: this.#tables.claims,
          Item: { ...encodeStored(id, v + 1, claim, ttlSeconds(claim.atMs)) },
          ...unchangedSince(v),
          ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
        }),
      );
      return { written: true };
    } catch (error) {
      if (!(error instanceof ConditionalCheckFailedException)) throw error;
      return { written: false, found: error.Item === undefined ? undefined : parseClaim(decoded(error.Item).body) };
    }
  }

  /** Whether the writer may still tell what became of what it has begun. */
  async writerLives(writer: string): Promise<boolean> {
    const item = await this.#get(this.#tables.writers, writerItem(writer));
    if (item === undefined) return false;
    const { body } = decoded(item);
    return typeof body === 'object' && body !== null && 'state' in body && body.state === 'live';
  }

  async #get(table: string, id: string): Promise<Readonly<Record<string, unknown>> | undefined> {
    const { Item } = await this.#client.send(new GetItemCommand({ TableName: table, Key: { id: { S: id } }, ConsistentRead: true }));
    return Item;
  }

  async #batch(ids: readonly string[]): Promise<NonNullable<BatchGetItemCommandOutput['Responses']>[]> {
    const answers: NonNullable<BatchGetItemCommandOutput['Responses']>[] = [];
    let request: NonNullable<BatchGetItemCommandOutput['UnprocessedKeys']> = approvalKeys(this.#tables, ids);
    for (let round = 1; ; round += 1) {
      const answer: BatchGetItemCommandOutput = await this.#client.send(new BatchGetItemCommand({ RequestItems: request }));
      answers.push(answer.Responses ?? {});
      request = answer.UnprocessedKeys ?? {};
      if (Object.keys(request).length === 0) return answers;
      if (round === MAX_ROUNDS) throw new Error('DynamoDB left approvals unread');
    }
  }
}
