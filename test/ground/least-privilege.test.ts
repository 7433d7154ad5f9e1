/** What each role may do is what its code can send, no more and no less. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { DEPLOYABLES } from '../../infra/deployables.ts';
import { PRODUCTION } from '../../infra/stages.ts';
import { deployedCode } from '../infra/deployed-code.ts';
import { grantedActions, type Synthesized, synthesize, variablesOfContainer, variablesOfFunction } from '../infra/synthesized.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** What Lambda does in a function's name: logs, traces, the interfaces of its VPC, its environment, its dead letters. */
const BY_LAMBDA = [
  'logs:CreateLogStream',
  'logs:PutLogEvents',
  'xray:PutTraceSegments',
  'xray:PutTelemetryRecords',
  'ec2:CreateNetworkInterface',
  'ec2:DescribeNetworkInterfaces',
  'ec2:DescribeSubnets',
  'ec2:DeleteNetworkInterface',
  'ec2:AssignPrivateIpAddresses',
  'ec2:UnassignPrivateIpAddresses',
  'kms:Decrypt',
];

/** What a role needs beside what its code sends, and why. */
const BESIDE: Readonly<Record<string, readonly string[]>> = {
  // SQS takes what failed for good; objects are under a key of ours; S3 says that one is missing only to whoever may list.
  seal: ['sqs:SendMessage', 'kms:GenerateDataKey', 's3:ListBucket'],
  sweep: ['sqs:SendMessage', 'kms:GenerateDataKey'],
  'publish-bundle': ['s3:ListBucket'],
  'activate-bundle': ['s3:ListBucket'],
  // AssumeRole with a source identity and tags asks for three actions.
  'issue-credential': ['sts:SetSourceIdentity', 'sts:TagSession'],
  // Objects under a key of ours; the ECS agent protects the task that asks it.
  proxy: ['kms:GenerateDataKey', 'kms:Decrypt', 'ecs:GetTaskProtection', 'ecs:UpdateTaskProtection'],
};

/** What code sends with the rights of another role: of the target's, which it assumed. */
const AS_ANOTHER: Readonly<Record<string, readonly string[]>> = {
  'issue-credential': ['secretsmanager:GetSecretValue', 'ec2-instance-connect:SendSSHPublicKey'],
};

describe('roles', () => {
  let synthesized: Synthesized;
  beforeAll(() => {
    synthesized = synthesize(PRODUCTION);
  });

  test.each(DEPLOYABLES.map(({ name }) => name))('the role of %s may do what its code sends, and nothing else', (name) => {
    const { actions } = deployedCode(ROOT, join('lambdas', name, 'handler.ts'));
    const expected = new Set([...actions, ...BY_LAMBDA, ...(BESIDE[name] ?? [])]);
    for (const action of AS_ANOTHER[name] ?? []) expected.delete(action);
    expect([...grantedActions(synthesized.templates.control, name)].toSorted()).toEqual([...expected].toSorted());
  });

  test('the role of the proxy may do what its code sends, and nothing else', () => {
    const { actions } = deployedCode(ROOT, 'proxy-task/main.ts');
    const expected = new Set([...actions, ...(BESIDE['proxy'] ?? [])]);
    expect([...grantedActions(synthesized.templates.proxy, 'proxy')].toSorted()).toEqual([...expected].toSorted());
  });

  test.each(DEPLOYABLES.map(({ name }) => name))('%s is told what it asks for, and nothing else', (name) => {
    const { variables } = deployedCode(ROOT, join('lambdas', name, 'handler.ts'));
    expect(variablesOfFunction(synthesized.templates.control, name).toSorted()).toEqual([...variables].toSorted());
  });

  test('the proxy is told what it asks for, and nothing else', () => {
    const { variables } = deployedCode(ROOT, 'proxy-task/main.ts');
    expect(variablesOfContainer(synthesized.templates.proxy).toSorted()).toEqual([...variables].toSorted());
  });
});
