import { expect, test } from 'vitest';
import type { Bundle, PolicyQuestion } from '../../../core/policy/bundle.ts';
import { createHostExplainer } from '../../../core/judging/explain-operation.ts';
import type { ExecOperation, ExecReader } from '../../../core/statement/host/host-reading.ts';
import type { SshTarget } from '../../../core/target.ts';

// Explaining asks of a target and a bundle no more than this.
const target = { name: 'web1', accounts: ['deploy', 'root'], shell: 'posix' } as unknown as SshTarget;
const asked: PolicyQuestion[] = [];
const bundle = {
  policies: {
    decide: (question: PolicyQuestion) => {
      asked.push(question);
      return { kind: 'permit', policies: ['p'], reason: '' };
    },
  },
} as unknown as Bundle;

let read: ExecOperation | undefined;
const reader: ExecReader = {
  protocolOf: () => undefined,
  patternsOf: () => [],
  pathsOf: (command, home) =>
    command
      .split(' ')
      .slice(1)
      .map((path) => (path.startsWith('/') ? path : `${home}/${path}`)),
  read: (operation) => {
    read = operation;
    return { effects: [{ action: 'readFile', resource: { type: 'File', path: ['srv', 'a b'] } }], opaque: false, unbounded: true };
  },
};
const explain = createHostExplainer(bundle, target, reader);
const principal = { issuer: 'demo', agent: 'a', groups: [], expiresAtMs: 1 };

test('a command is explained with its paths as they are written, and without dots', () => {
  expect(explain(principal, { command: 'cat a/../../x /srv//./b /' })).toEqual({
    decision: 'permit',
    effects: [{ action: 'readFile', type: 'File', resource: 'web1:/srv/a b' }],
    facts: { unbounded: true, fullExport: false, rows: -1, maskedColumns: [], opaque: false, inTransaction: false },
    masked: [],
    paths: 'as-written',
    policies: ['p'],
    reason: 'Permitted by p.',
  });
  expect(read).toMatchObject({ account: 'deploy', home: '/home/deploy' });
  expect([...(read?.resolved ?? [])]).toEqual([
    ['/home/deploy/a/../../x', '/home/x'],
    ['/srv//./b', '/srv/b'],
    ['/', '/'],
  ]);
  expect(asked.at(-1)?.facts.account).toBe('deploy');
});

test('a command of another account starts in the home of that one, unless another is given', () => {
  explain(principal, { command: 'ls', account: 'root' });
  expect(read).toMatchObject({ account: 'root', home: '/root' });
  explain(principal, { command: 'ls', account: 'root', home: '/srv/root' });
  expect(read).toMatchObject({ home: '/srv/root' });
});
