/** The items of approvals in their three tables: which keys to ask for, and what the answers say. Reading them is each deployable's own. */
import { decodeStored, encodeStored, type StoredItem } from '../state/stored-item.ts';
import type { Approval, ApprovalRequest } from './approval.ts';
import { FieldMalformed } from './fields.ts';
import { parseClaim, parseDecision, parseRequest, storedApproval, type StoredClaim, type StoredDecision } from './stored-approval.ts';

export type ApprovalTables = { readonly requests: string; readonly decisions: string; readonly claims: string };

/** One approval as it was found, with the versions on which the next writes depend; 0: no such item. */
export type FoundApproval = {
  readonly approval: Approval;
  readonly decision: StoredDecision | undefined;
  readonly decisionV: number;
  readonly claim: StoredClaim | undefined;
  readonly claimV: number;
};

type Attributes = Readonly<Record<string, unknown>>;

/** DynamoDB answers at most 100 keys at once, and there are three of each approval. */
export const MAX_APPROVALS_AT_ONCE = 33;

/**
 * How long items outlive what they were for: clean-up only. Nothing rests on an item that DynamoDB has taken away, since an approval
 * without its claim has a grant that has long run out.
 */
const KEPT_MS = 90 * 86_400_000;

/** Seconds since the epoch, for the `ttl` of an item that is written now. */
export function ttlSeconds(nowMs: number): number {
  return (nowMs + KEPT_MS) / 1_000;
}

/** `RequestItems` of a BatchGetItem; consistent, because what was decided must be seen. */
export function approvalKeys(
  tables: ApprovalTables,
  ids: readonly string[],
): Record<string, { Keys: { id: { S: string } }[]; ConsistentRead: true }> {
  const read = () => ({ Keys: ids.map((id) => ({ id: { S: id } })), ConsistentRead: true as const });
  return { [tables.requests]: read(), [tables.decisions]: read(), [tables.claims]: read() };
}

/**
 * The approvals in these answers (table → items), in the order of `ids`; those without a request are left out. Throws FieldMalformed
 * where an item is none that the gateway writes.
 */
export function foundApprovals(
  tables: ApprovalTables,
  ids: readonly string[],
  answers: readonly Readonly<Record<string, readonly Attributes[]>>[],
): readonly FoundApproval[] {
  const requests = values(tables.requests, answers, parseRequest);
  const decisions = values(tables.decisions, answers, parseDecision);
  const claims = values(tables.claims, answers, parseClaim);
  return ids.flatMap((id) => {
    const request = requests.get(id)?.value;
    if (request === undefined) return [];
    if (request.id !== id) throw new FieldMalformed(`the request ${id} has the id of another`);
    const decision = decisions.get(id);
    const claim = claims.get(id);
    return [
      {
        approval: storedApproval(request, decision?.value, claim?.value),
        decision: decision?.value,
        decisionV: decision?.v ?? 0,
        claim: claim?.value,
        claimV: claim?.v ?? 0,
      },
    ];
  });
}

function values<T>(
  table: string,
  answers: readonly Readonly<Record<string, readonly Attributes[]>>[],
  parse: (body: unknown) => T,
): ReadonlyMap<string, { readonly v: number; readonly value: T }> {
  const found = new Map<string, { readonly v: number; readonly value: T }>();
  for (const item of answers.flatMap((answer) => answer[table] ?? [])) {
    const { id, v, body } = decoded(item);
    found.set(id, { v, value: parse(body) });
  }
  return found;
}

/** Id, version and value of an item. Throws FieldMalformed. */
export function decoded(item: Attributes): { readonly id: string; readonly v: number; readonly body: unknown } {
  const stored = decodeStored(item);
  if (stored === undefined) throw new FieldMalformed('the item is none that the gateway writes');
  return stored;
}

/** A request as an item; `kind` puts it into the index that lists approvals, whose ids sort by time. */
export function requestItem(request: ApprovalRequest, ttl: number): StoredItem & { readonly kind: { readonly S: 'approval' } } {
  return { ...encodeStored(request.id, 1, request, ttl), kind: { S: 'approval' } };
}

/** Condition of a write that must find version `v`, where 0 is no item. */
export function unchangedSince(v: number): {
  readonly ConditionExpression: string;
  readonly ExpressionAttributeValues?: { ':v': { N: string } };
} {
  if (v === 0) return { ConditionExpression: 'attribute_not_exists(id)' };
  return { ConditionExpression: 'v = :v', ExpressionAttributeValues: { ':v': { N: String(v) } } };
}
