import { describe, expect, test } from 'vitest';
import { operationDigest, type HostEnvironment } from '../../../core/approval/operation-digest.ts';
import type { HostOperation } from '../../../core/statement/host/host-operation.ts';

const KEY = Buffer.alloc(32, 1);
const PRINCIPAL = { issuer: 'demo', agent: 'agent-7' };
const exec = (changes: Partial<HostOperation & { kind: 'exec' }> = {}): HostOperation => ({
  kind: 'exec',
  command: 'cat notes',
  account: 'deploy',
  home: '/home/deploy',
  resolved: new Map([['notes', '/srv/notes']]),
  ...changes,
});
const digest = (operation: HostOperation, environment: HostEnvironment = [], principal = PRINCIPAL, target = 'web1'): string =>
  operationDigest(KEY, operation, { principal, target, environment });

describe('the digest of an operation', () => {
  const update = { ref: 'refs/heads/main', from: 'a'.repeat(40), to: 'b'.repeat(40), change: 'update' } as const;
  const push: HostOperation = { kind: 'gitPush', repository: '/srv/a.git', account: 'git', updates: [update] };
  const remove: HostOperation = {
    kind: 'file',
    by: 'sftp',
    action: 'remove',
    paths: ['/srv/a'],
    recursive: false,
    account: 'deploy',
    home: '/home/deploy',
  };
  const others: readonly [string, string][] = [
    ['another command', digest(exec({ command: 'cat  notes' }))],
    ['another account', digest(exec({ account: 'root' }))],
    ['another home', digest(exec({ home: '/home/other' }))],
    ['another file behind the same name', digest(exec({ resolved: new Map([['notes', '/srv/other']]) }))],
    ['a file that the host does not know', digest(exec({ resolved: new Map() }))],
    ['a variable', digest(exec(), [['LANG', 'C']])],
    ['another value of it', digest(exec(), [['LANG', 'D']])],
    ['another agent', digest(exec(), [], { issuer: 'demo', agent: 'agent-8' })],
    [
      'a human for whom it acts',
      operationDigest(KEY, exec(), { principal: { ...PRINCIPAL, human: 'alice' }, target: 'web1', environment: [] }),
    ],
    ['another host', digest(exec(), [], PRINCIPAL, 'web2')],
    ['a shell', digest({ kind: 'shell', account: 'deploy' })],
    ['a push', digest(push)],
    ['a push of another commit', digest({ ...push, updates: [{ ...update, to: 'c'.repeat(40) }] })],
    ['a push of one ref more', digest({ ...push, updates: [update, update] })],
    ['a removal', digest(remove)],
    ['the same by scp', digest({ ...remove, by: 'scp' })],
    ['the same with all below it', digest({ ...remove, recursive: true })],
    ['of two files', digest({ ...remove, paths: ['/srv/a', '/srv/b'] })],
  ];

  test('is the same for the same operation, in whatever order its parts came', () => {
    const two = new Map([
      ['b', '/b'],
      ['a', '/a'],
    ]);
    expect(digest(exec({ resolved: two }))).toBe(digest(exec({ resolved: new Map([...two].toReversed()) })));
    const variables: HostEnvironment = [
      ['TZ', 'UTC'],
      ['LANG', 'C'],
    ];
    expect(digest(exec(), variables)).toBe(digest(exec(), variables.toReversed()));
  });

  test.each(others)('is another for %s', (name, other) => {
    expect(other).not.toBe(digest(exec()));
    expect(others.filter(([, each]) => each === other).map(([each]) => each)).toEqual([name]);
  });
});
