import { beforeEach, describe, expect, test } from 'vitest';
import type { ApprovalState } from '../../../core/approval/approval.ts';
import { approvalGateContract } from '../../contract/approval-gate.ts';
import { awsGate } from '../../support/approval-gates.ts';
import { aRawStatement, aRequest } from '../../support/approval-requests.ts';
import { AwsApprovals } from '../../support/aws-approvals.ts';
import { MemoryDynamo, type Fault } from '../../support/memory-dynamo.ts';

approvalGateContract('DynamoApprovalGate', () => awsGate(new MemoryDynamo().client));

describe('DynamoApprovalGate', () => {
  const request = aRequest();
  const { id, digest } = request;
  const BY = { session: 's-1', writer: 'w-1', statement: 3 };
  let dynamo: MemoryDynamo;
  let aws: AwsApprovals;

  beforeEach(async () => {
    dynamo = new MemoryDynamo();
    aws = new AwsApprovals(dynamo.client);
    await aws.writer('w-1', 'live');
    await aws.gate().gate.request(request, aRawStatement(request));
    await aws.vote(request, 'dana@bank.example');
  });

  const writesOf = (table: string, fault: Fault): void => {
    dynamo.fault = (command, at) => (command === 'put' && at === table ? fault : undefined);
  };
  const healthy = (): void => {
    dynamo.fault = () => undefined;
  };

  test('a claim whose answer was lost, and that was sent again, is ours', async () => {
    writesOf('claims', 'retried');
    expect(await aws.gate().gate.claim(id, BY)).toBe(true);
    expect(dynamo.body('claims', id)).toMatchObject({ kind: 'claimed', ...BY });
  });

  test('a claim of another task is not taken for ours that was lost', async () => {
    const other = aws.gate().gate;
    dynamo.before = async (table) => {
      if (table !== 'claims') return;
      dynamo.before = async () => undefined;
      await other.claim(id, { ...BY, writer: 'w-2' });
    };
    writesOf('claims', 'retried');
    expect(await aws.gate().gate.claim(id, BY)).toBe(false);
  });

  test('a claim that was never answered runs nothing, and is told to have run nothing', async () => {
    const { gate } = aws.gate();
    writesOf('claims', 'lost');
    await expect(gate.claim(id, BY)).rejects.toMatchObject({ code: 'gate-unavailable' });
    healthy();
    expect((await gate.read(id))?.claim?.outcome.result).toBe('running');
    aws.clock.advance(10_000);
    await expect.poll(async () => (await gate.read(id))?.claim?.outcome).toMatchObject({ result: 'failed', answerDelivered: true });
    expect(await gate.find(digest)).toEqual([]);
  });

  test('a claim that could not be written can be tried again', async () => {
    const { gate } = aws.gate();
    writesOf('claims', 'throttled');
    await expect(gate.claim(id, BY)).rejects.toMatchObject({ code: 'gate-unavailable' });
    healthy();
    expect(await gate.find(digest)).toMatchObject([{ state: 'approved' }]);
    expect(await gate.claim(id, BY)).toBe(true);
    aws.clock.advance(10_000);
    expect((await gate.read(id))?.claim?.outcome.result).toBe('running');
  });

  test('a claim that this task has used is not usable again, whatever somebody does to the table', async () => {
    const { gate } = aws.gate();
    expect(await gate.claim(id, BY)).toBe(true);
    dynamo.set('claims', { id: { S: 'ap_other' } });
    await aws.put('claims', id, { kind: 'nothing' });
    await expect(gate.find(digest)).rejects.toMatchObject({ code: 'gate-unavailable' });
    expect(await gate.claim(id, BY)).toBe(false);
  });

  test('a withdrawal whose answer was lost is one', async () => {
    writesOf('claims', 'retried');
    expect(await aws.gate().gate.withdraw(id, 'the client has gone')).toBe(true);
  });

  test('an outcome is told once, though its answer was lost or another tells it too', async () => {
    const { gate } = aws.gate();
    await gate.claim(id, BY);
    const outcome = { result: 'committed', rows: 2, atMs: 7, answerDelivered: false } as const;
    writesOf('claims', 'retried');
    await gate.settle(id, outcome);
    healthy();
    expect(dynamo.body('claims', id)).toMatchObject({ outcome });
    dynamo.before = async (table) => {
      if (table !== 'claims') return;
      dynamo.before = async () => undefined;
      await gate.settle(id, { ...outcome, answerDelivered: true });
    };
    await gate.settle(id, { ...outcome, answerDelivered: true });
    expect(dynamo.body('claims', id)).toMatchObject({ outcome: { ...outcome, answerDelivered: true } });
  });

  test('while tables are throttled nothing is said, and nothing is taken for absent', async () => {
    const { gate } = aws.gate();
    dynamo.fault = () => 'throttled';
    for (const asked of [gate.read(id), gate.find(digest), gate.claim(id, BY), gate.withdraw(id, 'r')]) {
      await expect(asked).rejects.toMatchObject({ code: 'gate-unavailable' });
    }
  });

  test('an execution of a task that has ended is unknown to the next who finds it, and of one that lives is not', async () => {
    await aws.gate().gate.claim(id, BY);
    const { gate } = aws.gate();
    expect(await gate.find(digest)).toMatchObject([{ claim: { outcome: { result: 'running' } } }]);
    await aws.writer('w-1', 'closed');
    expect(await gate.find(digest)).toMatchObject([{ claim: { outcome: { result: 'unknown', answerDelivered: false } } }]);
    expect(dynamo.body('claims', id)).toMatchObject({ outcome: { result: 'unknown' } });
  });

  test('a watch that could not read at first goes on when it can', async () => {
    const { gate } = aws.gate();
    const seen: ApprovalState[] = [];
    dynamo.fault = () => 'throttled';
    gate.watch(id, ({ state }) => seen.push(state));
    await expect.poll(() => aws.problems.length).toBe(1);
    healthy();
    aws.clock.advance(1_000);
    await expect.poll(() => seen).toEqual(['approved']);
  });

  test('a watch takes an item that it cannot read for no change', async () => {
    const { gate, poller } = aws.gate();
    const seen: ApprovalState[] = [];
    gate.watch(id, ({ state }) => seen.push(state));
    await expect.poll(() => seen).toEqual(['approved']);
    await aws.put('claims', id, { kind: 'nonsense' });
    await poller.poll();
    expect([seen, aws.problems]).toMatchObject([['approved'], [{ code: 'field-malformed' }]]);
  });

  test('a session whose callback fails ends its own watch only', async () => {
    const { gate, poller } = aws.gate();
    const seen: ApprovalState[] = [];
    gate.watch(id, () => {
      throw new Error('a bug of this session');
    });
    gate.watch(id, ({ state }) => seen.push(state));
    await expect.poll(() => seen).toEqual(['approved']);
    await gate.withdraw(id, 'r');
    await poller.poll();
    expect([seen, aws.problems.length]).toEqual([['approved', 'withdrawn'], 1]);
  });
});
