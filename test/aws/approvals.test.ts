// What the functions of approvals send, as DynamoDB and SNS take it; and the functions themselves, with the environment that they are given.
import { BatchGetItemCommand, GetItemCommand, QueryCommand, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { beforeAll, describe, expect, test } from 'vitest';
import { dueItem } from '../../core/approval/due.ts';
import { decodeJournalItem } from '../../core/evidence/journal-item.ts';
import { approvalsClient } from '../../lambdas/adapters/approval-lookup.ts';
import { storeRequest } from '../../lambdas/request-approval/store-request.ts';
import { deliverDecisions } from '../../lambdas/sweep/undelivered-decisions.ts';
import { aRequest } from '../support/approval-requests.ts';
import { AwsApprovals, type ApprovalTableNames } from '../support/aws-approvals.ts';
import { resetMoto, useMoto } from './support/moto.ts';
import { makeInstance } from './support/tables.ts';

const HOUR = 3_600_000;
let client: DynamoDBClient;
let tables: ApprovalTableNames;

beforeAll(async () => {
  useMoto();
  await resetMoto();
  const made = await makeInstance();
  // Nobody here answers for Slack.
  const { SALLYPORT_SLACK_SECRET_ARN: _, ...given } = made;
  Object.assign(process.env, given, { SALLYPORT_PUBLIC_URL: 'https://sallyport.bank.example/' });
  const table = (name: string): string => made[`SALLYPORT_${name}_TABLE`] ?? '';
  tables = {
    requests: table('REQUESTS'),
    decisions: table('DECISIONS'),
    claims: table('CLAIMS'),
    notices: table('NOTICES'),
    writers: table('WRITERS'),
    journal: table('JOURNAL'),
  };
  client = approvalsClient();
});

const due = async (item: string): Promise<readonly string[]> =>
  (await client.send(new GetItemCommand({ TableName: tables.notices, Key: { id: { S: item } } }))).Item?.['ids']?.SS ?? [];

describe('in DynamoDB', () => {
  test('requests are listed newest first by their index, and what is beside them is not', async () => {
    const aws = new AwsApprovals(client, tables);
    for (const id of ['ap_01', 'ap_02']) expect(await storeRequest(aws.storing, aRequest({ id }))).toMatchObject({ kind: 'stored' });
    const listed = await client.send(
      new QueryCommand({
        TableName: tables.requests,
        IndexName: 'byKind',
        KeyConditionExpression: 'kind = :kind',
        ExpressionAttributeValues: { ':kind': { S: 'approval' } },
        ScanIndexForward: false,
      }),
    );
    expect(listed.Items?.map((item) => item['id']?.S)).toEqual(['ap_02', 'ap_01']);
  });

  test('the list of what is due takes an id twice, and lets go of what is closed', async () => {
    const aws = new AwsApprovals(client, tables);
    await aws.storing.store.markDue('ap_02', 0);
    expect(await due(dueItem(0))).toEqual(['ap_01', 'ap_02']);
    await aws.vote(aRequest({ id: 'ap_01' }), 'dana@bank.example', { answer: 'reject' });
    aws.clock.advance(120_000);
    expect(await deliverDecisions(aws.sweeping)).toEqual({ open: 0, closed: 1, repeated: 1 });
    expect(await due(dueItem(0))).toEqual(['ap_02']);
    aws.clock.advance(2 * HOUR);
    expect(await deliverDecisions(aws.sweeping)).toMatchObject({ closed: 1 });
    expect(await due(dueItem(0))).toEqual([]);
    // Items without a list are none, and a list can begin anew.
    await aws.storing.store.markDue('ap_03', 0);
    expect(await due(dueItem(0))).toEqual(['ap_03']);
  });

  test('more lists and approvals than one question takes are all read', async () => {
    const aws = new AwsApprovals(client, tables);
    const asked = Array.from({ length: 40 }, (_, n) => aRequest({ id: `ap_many${n}`, digest: 'f'.repeat(64) }));
    for (const each of asked) await storeRequest(aws.storing, each);
    expect(await aws.gate().gate.find('f'.repeat(64))).toHaveLength(40);
    aws.clock.advance(7 * 24 * HOUR);
    const swept = await deliverDecisions(aws.sweeping);
    expect([swept.closed >= 40, aws.problems]).toEqual([true, []]);
  });
});

describe('the functions', () => {
  const now = Date.now();
  const open = aRequest({ id: 'ap_open', digest: '1'.repeat(64), requestedAtMs: now, expiresAtMs: now + HOUR });
  const over = aRequest({ id: 'ap_over', digest: '2'.repeat(64), requestedAtMs: now - 2 * HOUR, expiresAtMs: now - HOUR });

  beforeAll(async () => {
    const aws = new AwsApprovals(client, tables);
    aws.clock.advance(now);
    for (const each of [open, over]) await storeRequest(aws.storing, each);
  });

  test('notify-approvers says how long to wait, tells people once, and keeps the token', async () => {
    const { handler } = await import('../../lambdas/notify-approvers/handler.ts');
    expect(await handler({ step: 'describe', id: open.id })).toMatchObject({ waitSeconds: expect.any(Number) });
    expect(await handler({ step: 'notify', id: open.id, taskToken: 't-1' })).toEqual({ notified: true });
    expect(await handler({ step: 'notify', id: open.id, taskToken: 't-2' })).toEqual({ notified: true });
    const notice = await client.send(new GetItemCommand({ TableName: tables.notices, Key: { id: { S: open.id } } }));
    expect(JSON.parse(notice.Item?.['body']?.S ?? '')).toMatchObject({ taskToken: 't-2', toldAtMs: expect.any(Number) });
    await expect(handler({ step: 'notify', id: over.id, taskToken: 't-3' })).rejects.toMatchObject({ name: 'AlreadyDecided' });
  });

  test('close-approval leaves what is open, and expires and records what is over, once', async () => {
    const { handler } = await import('../../lambdas/close-approval/handler.ts');
    expect(await handler({ id: open.id, cause: 'failed' })).toEqual({ closed: false });
    for (const cause of ['timeout', 'failed']) expect(await handler({ id: over.id, cause })).toEqual({ closed: true, outcome: 'expired' });
    const writer = `approvals-${over.id}`;
    const { Responses } = await client.send(
      new BatchGetItemCommand({
        RequestItems: {
          [tables.journal]: { Keys: [{ id: { S: `${writer}#0` }, n: { N: '0' } }] },
          [tables.writers]: { Keys: [{ id: { S: `writer#${writer}` } }] },
          [tables.claims]: { Keys: [{ id: { S: over.id } }] },
        },
      }),
    );
    const [item] = Responses?.[tables.journal] ?? [];
    expect(item === undefined ? undefined : decodeJournalItem(writer, 0, item)).toMatchObject({ kind: 'commit' });
    expect(Responses?.[tables.writers]).toHaveLength(1);
    expect(Responses?.[tables.claims]?.[0]?.['body']?.S).toContain('"expired"');
  });
});
