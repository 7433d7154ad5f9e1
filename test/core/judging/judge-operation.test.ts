import { describe, expect, test } from 'vitest';
import { buildBundle } from '../../../core/config/build-bundle.ts';
import { readConfig } from '../../../core/config/read-config.ts';
import { judgeOperation } from '../../../core/judging/judge-operation.ts';
import type { Principal } from '../../../core/principal.ts';
import type { Effect } from '../../../core/statement/effect.ts';
import type { HostOperation } from '../../../core/statement/host/host-operation.ts';
import type { ReadExec } from '../../../core/statement/host/host-reading.ts';
import { findHost } from '../../../core/target.ts';

const MAIN = `issuers: [{ name: demo, issuer: 'https://id.example', audience: sallyport }]
approverGroups: { ops: demo/ops }
targets:
  - { name: web1, kind: ssh, host: web1, accounts: [deploy, root], hostKeys: ['SHA256:${'A'.repeat(43)}'], credential: sshCa }
  - { name: old1, kind: ssh, host: old1, accounts: [deploy], shell: other, hostKeys: ['SHA256:${'A'.repeat(43)}'], credential: sshCa }
`;
const POLICIES = `
@id("connect") permit (principal in Group::"demo/agents", action == Action::"connect", resource == Target::"web1");
@id("reads") permit (principal in Group::"demo/agents", action in [Action::"read", Action::"runProgram"], resource in Target::"web1");
@id("writes") @approvers("ops") @quorum("1") @reason("People look at changes")
permit (principal in Group::"demo/agents", action in [Action::"write", Action::"remove"], resource in File::"web1:/srv/app") when { context has approval };
@id("opaque") @approvers("ops") @quorum("1") @reason("Nobody knows what it does")
permit (principal in Group::"demo/agents", action == Action::"unknown", resource in Target::"web1") when { context has approval };
@id("capped") @approvers("ops") @quorum("1") @maxRows("5") @reason("Few")
permit (principal, action == Action::"setAttributes", resource in Target::"web1") when { context has approval };
@id("no-secrets") forbid (principal, action, resource in File::"web1:/srv/app/secrets");
@id("root-asks") @approvers("ops") @quorum("1") @reason("Root is asked for")
forbid (principal, action in Action::"all", resource) when { context has account && context.account == "root" } unless { context has approval };
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
const principal: Principal = { issuer: 'demo', agent: 'agent-7', owner: 'o', groups: ['demo/agents'], expiresAtMs: 1 };

const reads =
  (...effects: Effect[]): ReadExec =>
  () => ({ effects, opaque: false, unbounded: false });
const uptime = reads({ action: 'runProgram', resource: { type: 'Program', path: ['uptime'] } });
const exec = (account = 'deploy'): HostOperation => ({
  kind: 'exec',
  command: 'uptime',
  account,
  home: '/home/deploy',
  resolved: new Map(),
});
const file = (action: (HostOperation & { kind: 'file' })['action'], path: string): HostOperation => ({
  kind: 'file',
  by: 'sftp',
  action,
  paths: [path],
  recursive: false,
  account: 'deploy',
  home: '/home/deploy',
});

const STARTS = ['connect', 'reads'];
const ROOTS = ['connect', 'reads', 'root-asks'];

function judge(operation: HostOperation, readExec: ReadExec = uptime, name = 'web1') {
  const target = findHost(config.targets, name);
  if (target === undefined) throw new Error(name);
  return judgeOperation(operation, { principal, target, bundle }, readExec);
}

describe('an operation on a host', () => {
  test.each<[string, HostOperation, string, readonly string[]]>([
    ['a command whose effects are permitted', exec(), 'permit', ['reads']],
    ['a file that may be read', file('read', '/etc/hosts'), 'permit', ['reads']],
    ['a write in the folder of a policy', file('write', '/srv/app/a'), 'approve', ['writes']],
    ['the folder itself', file('removeFolder', '/srv/app'), 'approve', ['writes']],
    ['a folder whose name begins so', file('write', '/srv/app2/a'), 'block', []],
    ['what a folder inside forbids', file('write', '/srv/app/secrets/k'), 'block', ['no-secrets']],
    ['even to read it', file('read', '/srv/app/secrets/k'), 'block', ['no-secrets']],
    ['what a login runs', file('write', '/home/deploy/.bashrc'), 'block', []],
    ['a cap on rows, which no host keeps', file('setAttributes', '/srv/app/a'), 'block', ['capped']],
    ['a path that could be another', file('write', '/srv/app/../x'), 'block', []],
    ['an account that asks for people', exec('root'), 'approve', ['reads', 'root-asks']],
    ['an account that is not the target’s', exec('postgres'), 'block', []],
    ['the start of sftp, where a file may be used', { kind: 'transfer', by: 'sftp', command: '', account: 'deploy' }, 'permit', STARTS],
    ['that of scp', { kind: 'transfer', by: 'scp', command: 'scp -t x', account: 'deploy' }, 'permit', STARTS],
    [
      'that for an account whose files people are asked about',
      { kind: 'transfer', by: 'scp', command: 'scp -t x', account: 'root' },
      'permit',
      ROOTS,
    ],
    ['a shell, which no policy names', { kind: 'shell', account: 'deploy' }, 'block', []],
    ['a forward, which no policy names', { kind: 'forward', endpoint: 'db:5432', account: 'deploy' }, 'block', []],
  ])('%s is decided so', (_, operation, kind, policies) => {
    expect(judge(operation).decision).toMatchObject({ kind, policies });
  });

  test('that is opaque needs a policy on the unknown, whatever else it is permitted', () => {
    const opaque: ReadExec = (operation) => ({ ...uptime(operation), opaque: true });
    expect(judge(exec(), opaque)).toMatchObject({ decision: { kind: 'approve', policies: ['opaque', 'reads'] }, facts: { opaque: true } });
  });

  test('that starts a service for files needs a session and a file', () => {
    const start: HostOperation = { kind: 'transfer', by: 'sftp', command: '', account: 'deploy' };
    // The other host is named by no policy.
    expect(judge(start, uptime, 'old1').decision.kind).toBe('block');
    expect(judge(start).reading.effects).toEqual([{ action: 'connect', resource: { type: 'Target', path: [] }, via: 'sftp' }]);
  });

  test('on a host with another shell is never read', () => {
    expect(judge(exec(), uptime, 'old1')).toMatchObject({ decision: { kind: 'block' }, reading: { opaque: true } });
  });
});
