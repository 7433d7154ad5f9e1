/** Approvals as functions read them, in one question to all three tables. */
import { BatchGetItemCommand, DynamoDBClient, type BatchGetItemCommandOutput } from '@aws-sdk/client-dynamodb';
import {
  approvalKeys,
  foundApprovals,
  MAX_APPROVALS_AT_ONCE,
  type ApprovalTables,
  type FoundApproval,
} from '../../core/approval/approval-items.ts';

/** Keys that DynamoDB leaves out of an answer are asked for so often. */
const MAX_ROUNDS = 4;

/**
 * People wait for these functions, and an answer takes milliseconds: a second of silence is a lost one. Four tries with the SDK's
 * own pauses end within six seconds, before the function's time does. Every write is recognised when its answer was lost.
 */
export function approvalsClient(): DynamoDBClient {
  return new DynamoDBClient({
    maxAttempts: 4,
    requestHandler: { connectionTimeout: 500, requestTimeout: 1_000, throwOnRequestTimeout: true },
  });
}

/** Those that have a request, in the order of `ids`. Throws FieldMalformed. */
export async function lookUpApprovals(
  client: DynamoDBClient,
  tables: ApprovalTables,
  ids: readonly string[],
): Promise<readonly FoundApproval[]> {
  const found: FoundApproval[] = [];
  for (let at = 0; at < ids.length; at += MAX_APPROVALS_AT_ONCE) {
    const some = ids.slice(at, at + MAX_APPROVALS_AT_ONCE);
    found.push(...foundApprovals(tables, some, await answers(client, tables, some)));
  }
  return found;
}

async function answers(
  client: DynamoDBClient,
  tables: ApprovalTables,
  ids: readonly string[],
): Promise<NonNullable<BatchGetItemCommandOutput['Responses']>[]> {
  const responses: NonNullable<BatchGetItemCommandOutput['Responses']>[] = [];
  let request: NonNullable<BatchGetItemCommandOutput['UnprocessedKeys']> = approvalKeys(tables, ids);
  for (let round = 1; ; round += 1) {
    const answer: BatchGetItemCommandOutput = await client.send(new BatchGetItemCommand({ RequestItems: request }));
    responses.push(answer.Responses ?? {});
    request = answer.UnprocessedKeys ?? {};
    if (Object.keys(request).length === 0) return responses;
    if (round === MAX_ROUNDS) throw new Error('DynamoDB left approvals unread');
  }
}
