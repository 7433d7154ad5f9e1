import { approvalGateContract } from '../../contract/approval-gate.ts';
import { awsGate } from '../../support/approval-gates.ts';
import { MemoryDynamo } from '../../support/memory-dynamo.ts';

approvalGateContract('DynamoApprovalGate', () => awsGate(new MemoryDynamo().client));
