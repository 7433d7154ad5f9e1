import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { aRequest } from './approval-requests.ts';
import type { GateUnderTest } from '../contract/approval-gate.ts';
import { AwsApprovals, type ApprovalTableNames } from './aws-approvals.ts';

/** The gate of a task on AWS over these tables, for the contract; the functions' own code beside it. */
export async function awsGate(
  client: DynamoDBClient,
  tables?: ApprovalTableNames,
): Promise<GateUnderTest & { readonly aws: AwsApprovals }> {
  const aws = new AwsApprovals(client, tables);
  await aws.writer('w-1', 'live');
  let { gate, poller } = aws.gate();
  const first = gate;
  return {
    aws,
    gate: first,
    answer: async (id, person, answer) => {
      await aws.vote(aRequest({ id }), person, { answer });
      await poller.poll();
    },
    advance: async (ms) => {
      aws.clock.advance(ms);
      await poller.poll();
    },
    restart: async () => {
      // The sweep has found that the task is gone.
      await aws.writer('w-1', 'fenced');
      ({ gate, poller } = aws.gate());
      return gate;
    },
    stop: async () => undefined,
  };
}
