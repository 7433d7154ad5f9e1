import { describe, expect, test } from 'vitest';
import { encodeAsk, parseAsk } from '../../../core/approval/ask.ts';
import { operationDigest } from '../../../core/approval/operation-digest.ts';
import { operationRequest } from '../../../core/approval/operation-request.ts';
import type { RawOperation } from '../../../core/approval/raw-statement.ts';
import { rereadOperation } from '../../../core/approval/reread-operation.ts';
import { buildBundle } from '../../../core/config/build-bundle.ts';
import { readConfig } from '../../../core/config/read-config.ts';
import { judgeOperation } from '../../../core/judging/judge-operation.ts';
import type { Principal } from '../../../core/principal.ts';
import type { HostOperation } from '../../../core/statement/host/host-operation.ts';
import { opaqueExec, type ReadExec } from '../../../core/statement/host/host-reading.ts';
import { findHost } from '../../../core/target.ts';

const MAIN = `issuers: [{ name: demo, issuer: 'https://id.example', audience: sallyport }]
approverGroups: { ops: demo/ops }
targets: [{ name: web1, kind: ssh, host: web1, accounts: [deploy], hostKeys: ['SHA256:${'A'.repeat(43)}'], credential: sshCa }]
`;
const policies = (quorum: number) => `
@id("asks") @approvers("ops") @quorum("${quorum}") @reason("Somebody looks")
permit (principal, action in [Action::"all", Action::"unknown", Action::"openShell", Action::"forward"], resource in Target::"web1") when { context has approval };
@id("reads") permit (principal, action == Action::"readFile", resource in File::"web1:/srv");
`;

function configOf(quorum = 1) {
  const reading = readConfig(
    new Map([
      ['sallyport.yaml', MAIN],
      ['policies/p.cedar', policies(quorum)],
    ]),
    {},
  );
  if ('errors' in reading) throw new Error(JSON.stringify(reading.errors, undefined, 1));
  const target = findHost(reading.config.targets, 'web1');
  if (target === undefined) throw new Error('web1');
  return { bundle: buildBundle(reading.config), target };
}

const KEY = Buffer.alloc(32, 3);
const NOW = 1_000_000;
const { bundle, target } = configOf();
const principal: Principal = {
  issuer: 'demo',
  agent: 'agent-7',
  owner: 'owen@bank.example',
  groups: ['demo/agents'],
  expiresAtMs: 2_000_000,
};
const exec: HostOperation = {
  kind: 'exec',
  command: 'systemctl restart app \u202e',
  account: 'deploy',
  home: '/home/deploy',
  resolved: new Map([['app', '/home/deploy/app']]),
};
const OPERATIONS: readonly [string, HostOperation][] = [
  ['a command', exec],
  ['a shell', { kind: 'shell', account: 'deploy' }],
  ['a file', { kind: 'file', by: 'scp', action: 'rename', paths: ['/a', '/b'], recursive: true, account: 'deploy', home: '/home/deploy' }],
  ['a fetch', { kind: 'gitFetch', repository: '/srv/a.git', account: 'deploy' }],
  [
    'a push',
    {
      kind: 'gitPush',
      repository: '/srv/a.git',
      account: 'deploy',
      updates: [{ ref: 'refs/heads/main', from: 'a'.repeat(40), to: 'b'.repeat(40), change: 'force' }],
    },
  ],
  ['a push with options', { kind: 'gitPush', repository: '/srv/a.git', account: 'deploy', updates: [], options: ['ci.skip', '\u202e'] }],
  [
    'a change of attributes',
    {
      kind: 'file',
      by: 'sftp',
      action: 'setAttributes',
      paths: ['/srv/a'],
      recursive: false,
      attributes: 'mode 4755',
      account: 'deploy',
      home: '/home/deploy',
    },
  ],
  ['a forward', { kind: 'forward', endpoint: 'db:5432', account: 'deploy' }],
];

/** What a session asks, and what request-approval is sent of it. */
function asked(operation: HostOperation, readExec: ReadExec = opaqueExec) {
  const environment = [['LANG', 'C']] as const;
  const judged = judgeOperation(operation, { principal, target, bundle }, readExec);
  const { decision } = judged;
  if (decision.kind !== 'approve') throw new Error(decision.reason);
  const digest = operationDigest(KEY, operation, { principal, target: 'web1', environment });
  const common = { environment, principal, session: 's_1', target: 'web1', reasonGiven: 'ticket 7' };
  const request = operationRequest({ id: 'ap_1', digest, judged: { ...judged, decision }, ...common, bundle, nowMs: NOW });
  const raw: RawOperation = { protocol: 'ssh', operation, ...common };
  // It goes as JSON, which holds no types.
  const event = JSON.parse(encodeAsk(request, raw)) as Record<string, unknown> & { raw: { operation: Record<string, unknown> } };
  return { request, raw, event };
}

function reread(event: unknown, over: { readonly readExec?: ReadExec; readonly quorum?: number } = {}) {
  const ask = parseAsk(event);
  if (ask.protocol !== 'ssh') throw new Error('another protocol was asked for');
  return rereadOperation(ask, { ...configOf(over.quorum), readExec: over.readExec ?? opaqueExec, key: KEY, nowMs: NOW });
}

describe('an operation that people are asked about', () => {
  test.each(OPERATIONS)('%s is the same after its way as JSON, and asked for in the same words', (_, operation) => {
    const { request, raw, event } = asked(operation);
    expect(parseAsk(event)).toMatchObject({ protocol: 'ssh', raw });
    expect(reread(event)).toEqual({ kind: 'asks', request });
  });

  test('names the account, the variables and the whole command', () => {
    expect(asked(exec).request).toMatchObject({
      protocol: 'ssh',
      database: 'deploy',
      text: exec.command,
      environment: ['LANG=C'],
      parameters: [],
    });
  });

  test.each<[string, (event: ReturnType<typeof asked>['event']) => void, string]>([
    ['another command than the digest is of', ({ raw }) => (raw.operation['command'] = 'rm -rf /'), 'digest'],
    ['a file elsewhere', ({ raw }) => (raw.operation['resolved'] = [['app', '/etc/shadow']]), 'digest'],
    ['a digest of its own', (event) => (event['digest'] = 'e'.repeat(64)), 'digest'],
    ['a smaller demand', (event) => (event['demand'] = { ...Object(event['demand']), quorums: [] }), 'demand'],
    ['an account that is none', ({ raw }) => (raw.operation['account'] = 'root'), 'reading'],
    ['an operation that needs nobody', ({ raw }) => (raw.operation = { ...FILE_READ }), 'reading'],
  ])('is not asked for with %s', (_, forge, what) => {
    const { event } = asked(exec);
    forge(event);
    expect(reread(event)).toMatchObject({ kind: 'differs', what });
  });

  test('differs only for now where another bundle is in force', () => {
    const { event } = asked(exec);
    expect(reread({ ...event, bundle: 'b-old' }, { quorum: 2 })).toMatchObject({ kind: 'differs', what: 'bundle' });
  });

  test('is asked for with the effects that the reader finds, not with those of its holder', () => {
    const { event } = asked(exec, () => ({
      effects: [{ action: 'runProgram', resource: { type: 'Program', path: ['uptime'] } }],
      opaque: false,
      unbounded: false,
    }));
    expect(reread(event)).toMatchObject({ kind: 'asks', request: { effects: [{ action: 'unknown' }], facts: { opaque: true } } });
  });

  test.each<[string, (event: ReturnType<typeof asked>['event']) => void]>([
    ['an operation of no known kind', ({ raw }) => (raw.operation['kind'] = 'magic')],
    ['paths that are no pairs', ({ raw }) => (raw.operation['resolved'] = [['a']])],
    ['no account', ({ raw }) => delete raw.operation['account']],
    ['a protocol that is none', (event) => (event['protocol'] = 'telnet')],
    ['the protocol of another statement', (event) => (event['protocol'] = 'postgres')],
  ])('is no ask with %s', (_, forge) => {
    const { event } = asked(exec);
    forge(event);
    expect(() => parseAsk(event)).toThrow(expect.objectContaining({ code: 'field-malformed' }));
  });
});

const FILE_READ: object = {
  kind: 'file',
  by: 'sftp',
  action: 'read',
  paths: ['/srv/a'],
  recursive: false,
  account: 'deploy',
  home: '/home/deploy',
};
