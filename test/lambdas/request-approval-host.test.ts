import { beforeEach, describe, expect, test } from 'vitest';
import { encodeAsk } from '../../core/approval/ask.ts';
import { operationDigest } from '../../core/approval/operation-digest.ts';
import { operationRequest } from '../../core/approval/operation-request.ts';
import type { RawOperation } from '../../core/approval/raw-statement.ts';
import { buildBundle } from '../../core/config/build-bundle.ts';
import { readConfig } from '../../core/config/read-config.ts';
import { judgeOperation } from '../../core/judging/judge-operation.ts';
import type { Principal } from '../../core/principal.ts';
import type { HostOperation } from '../../core/statement/host/host-operation.ts';
import type { ReadExec } from '../../core/statement/host/host-reading.ts';
import { findHost } from '../../core/target.ts';
import { RequestApproval } from '../../lambdas/request-approval/request-approval.ts';
import { AwsApprovals } from '../support/aws-approvals.ts';
import { MemoryDynamo } from '../support/memory-dynamo.ts';

const MAIN = `issuers: [{ name: demo, issuer: 'https://id.example', audience: sallyport }]
agents: [{ name: demo/agent-7, owner: owen@bank.example }]
approverGroups: { ops: demo/ops }
targets:
  - { name: web1, kind: ssh, host: web1, accounts: [deploy], hostKeys: ['SHA256:${'A'.repeat(43)}'], credential: sshCa }
  - { name: bank, host: db, user: u, credential: rdsIam }
`;
const POLICIES = `
@id("asks") @approvers("ops") @quorum("1") @reason("Somebody looks")
permit (principal, action in [Action::"all", Action::"unknown"], resource) when { context has approval };
`;
const reading = readConfig(
  new Map([
    ['sallyport.yaml', MAIN],
    ['policies/p.cedar', POLICIES],
  ]),
  {},
);
if ('errors' in reading) throw new Error(JSON.stringify(reading.errors, undefined, 1));
const { config } = reading;
const bundle = buildBundle(config);
const KEY = Buffer.alloc(32, 3);
const NOW = 77_000;
const PRINCIPAL: Principal = { issuer: 'demo', agent: 'agent-7', owner: 'owen@bank.example', groups: ['demo/agents'], expiresAtMs: 1e12 };
const restart: ReadExec = () => ({
  effects: [{ action: 'runProgram', resource: { type: 'Program', path: ['systemctl restart'] } }],
  opaque: false,
  unbounded: false,
});
const OPERATION: HostOperation = {
  kind: 'exec',
  command: 'systemctl restart app',
  account: 'deploy',
  home: '/home/deploy',
  resolved: new Map(),
};

let aws: AwsApprovals;
let differing: string[];
let requests: RequestApproval;

beforeEach(() => {
  aws = new AwsApprovals(new MemoryDynamo().client);
  differing = [];
  requests = new RequestApproval({
    ...aws.storing,
    now: () => NOW,
    inForce: async () => ({ config, bundle }),
    catalog: () => Promise.reject(new Error('a host has no catalog')),
    readExec: async () => restart,
    digestKey: async () => KEY,
    differs: (_, what) => void differing.push(what),
  });
});

/** What a session would send; `forge` changes it on the way. */
function asked(forge: (event: Record<string, unknown> & { raw: Record<string, unknown> }) => void = () => undefined) {
  const target = findHost(config.targets, 'web1');
  if (target === undefined) throw new Error('web1');
  const judged = judgeOperation(OPERATION, { principal: PRINCIPAL, target, bundle }, restart);
  const { decision } = judged;
  if (decision.kind !== 'approve') throw new Error(decision.reason);
  const common = { environment: [], principal: PRINCIPAL, session: 's_1', target: 'web1', reasonGiven: 'ticket 7' };
  const digest = operationDigest(KEY, OPERATION, common);
  const request = operationRequest({ id: 'ap_1', digest, judged: { ...judged, decision }, ...common, bundle, nowMs: NOW });
  const raw: RawOperation = { protocol: 'ssh', operation: OPERATION, ...common };
  // It goes as JSON, which holds no types.
  const event = JSON.parse(encodeAsk(request, raw)) as Record<string, unknown> & { raw: Record<string, unknown> };
  forge(event);
  return { request, event };
}

describe('a request about a host', () => {
  test('is stored as it was read here, with its workflow started', async () => {
    const { request, event } = asked();
    expect(await requests.ask(event)).toEqual({ kind: 'stored', request });
    expect((await aws.approval('ap_1'))?.request).toEqual(request);
    expect(aws.started).toEqual(['ap_1']);
  });

  test.each<[string, Parameters<typeof asked>[0], string]>([
    [
      'of another command than its digest is of',
      ({ raw }) => (raw['operation'] = { ...Object(raw['operation']), command: 'rm -rf /' }),
      'digest',
    ],
    [
      'by an agent without its owner',
      ({ raw }) => (raw['principal'] = { ...Object(raw['principal']), owner: 'eve@bank.example' }),
      'principal',
    ],
    ['with a smaller demand', (event) => (event['demand'] = { ...Object(event['demand']), quorums: [] }), 'demand'],
  ])('%s is not stored, and is an alarm', async (_, forge, what) => {
    expect(await requests.ask(asked(forge).event)).toMatchObject({ kind: 'unavailable' });
    expect(differing).toEqual([what]);
    expect(await aws.approval('ap_1')).toBeUndefined();
  });

  test.each(['bank', 'web2'])('on %s, which is no host, is not stored', async (name) => {
    expect(await requests.ask(asked(({ raw }) => (raw['target'] = name)).event)).toMatchObject({ kind: 'unavailable' });
    expect(await aws.approval('ap_1')).toBeUndefined();
  });
});
