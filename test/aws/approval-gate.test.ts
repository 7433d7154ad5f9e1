// The gate of a task and the functions beside it, against the emulator.
import { approvalsClient } from '../../lambdas/adapters/approval-lookup.ts';
import { approvalGateContract } from '../contract/approval-gate.ts';
import { awsGate } from '../support/approval-gates.ts';
import { resetMoto, useMoto } from './support/moto.ts';
import { makeInstance } from './support/tables.ts';

approvalGateContract('DynamoApprovalGate on DynamoDB', async () => {
  useMoto();
  await resetMoto();
  const made = await makeInstance();
  const table = (name: string): string => made[`SALLYPORT_${name}_TABLE`] ?? '';
  return awsGate(approvalsClient(), {
    requests: table('REQUESTS'),
    decisions: table('DECISIONS'),
    claims: table('CLAIMS'),
    notices: table('NOTICES'),
    writers: table('WRITERS'),
    journal: table('JOURNAL'),
  });
});
