import { isAuthorized } from '@cedar-policy/cedar-wasm/nodejs';
import { describe, expect, test } from 'vitest';
import { ACTION_GROUPS, expandAction } from '../../../core/policy/actions.ts';
import { cedarRequest } from '../../../core/policy/cedar-request.ts';
import { splitPolicies } from '../../../core/policy/policy-source.ts';
import { parseResourceName, resourceAncestors, splitResourceName } from '../../../core/policy/resource-id.ts';
import { cedarSchema } from '../../../core/policy/schema.ts';
import { ACTIONS, resourceName, type Resource, type ResourceType } from '../../../core/statement/effect.ts';
import { agent, ask, errorsOf } from './policies.ts';

const READ = 'permit (principal, action in Action::"read", resource in Target::"bank")';
const APPROVED = `${READ} when { context has approval };`;

describe('findings', () => {
  test('correct policies have none', () => {
    expect(errorsOf(`@id("a") @approvers("dba") ${APPROVED}\n@id("b") ${READ};`)).toEqual([]);
    const both = '@id("a") @approvers("dba") ' + READ + ' unless { !(context has approval) || context.rows > 5 };';
    expect(errorsOf(both)).toEqual([]);
  });

  test.each([
    ['no @id', `${READ};`, 'the policy has no @id'],
    ['an id twice', `@id("a") ${READ};\n@id("a") ${READ};`, 'the id `a` is taken'],
    ['an id with blanks', `@id("a b") ${READ};`, '@id("a b") is no name'],
    ['an unknown annotation', `@id("a") @aprovers("dba") ${READ};`, 'unknown annotation @aprovers'],
    ['@approvers without approval', `@id("a") @approvers("dba") ${READ};`, '@approvers without `context has approval`'],
    ['approval without @approvers', `@id("a") ${APPROVED}`, '`context has approval` without @approvers'],
    ['@approvers without a group', `@id("a") @approvers ${APPROVED}`, '@approvers names no group'],
    ['an unknown approver group', `@id("a") @approvers("dba,dab") ${APPROVED}`, 'unknown approver group `dab`'],
    ['a bad duration', `@id("a") @approvers("dba") @hold("55") ${APPROVED}`, '@hold("55") is no duration'],
    ['a hold longer than a driver waits', `@id("a") @approvers("dba") @hold("2h") ${APPROVED}`, '@hold("2h") is too long'],
    ['a hold beyond its expiry', `@id("a") @approvers("dba") @hold("5m") @expires("1m") ${APPROVED}`, '@hold is longer than @expires'],
    ['a quorum of none', `@id("a") @approvers("dba") @quorum("0") ${APPROVED}`, '@quorum("0") is no count'],
    ['a row cap in words', `@id("a") @approvers("dba") @maxRows("ten") ${APPROVED}`, '@maxRows("ten") is no count'],
    ['an unknown channel', `@id("a") @approvers("dba") @channel("sms") ${APPROVED}`, 'unknown channel `sms`'],
    ['a time for an approval that nobody gives', `@id("a") @hold("5s") ${READ};`, '@hold without @approvers'],
    ['an escape sequence in a reason', `@id("a") @reason("\\u{1b}[2J") ${READ};`, '@reason holds control or invisible characters'],
    ['a bidirectional override in a reason', `@id("a") @reason("\u202Egnol") ${READ};`, '@reason holds control or invisible characters'],
    [
      'a permit that approval closes',
      `@id("a") @approvers("dba") ${READ} unless { context has approval };`,
      'a permit may use approval only as',
    ],
    [
      'a forbid that approval causes',
      '@id("a") @approvers("dba") forbid (principal, action, resource) when { context has approval };',
      'a forbid may use approval only as',
    ],
    [
      'approval behind a comparison',
      `@id("a") @approvers("dba") ${READ} when { (context has approval) == false };`,
      'a permit may use approval only as',
    ],
    [
      'approval read through the whole context',
      `@id("a") @approvers("dba") ${READ} when { context == context };`,
      'may use approval only as',
    ],
    [
      'a login that waits for people',
      '@id("a") @approvers("dba") permit (principal, action == Action::"connect", resource) when { context has approval };',
      '`connect` cannot wait for an approval',
    ],
    [
      'a permit of every action',
      '@id("a") permit (principal, action, resource in Target::"bank");',
      'a permit of every action would lift masks',
    ],
    ['an unknown action', '@id("a") forbid (principal, action == Action::"dorp", resource);', 'unknown action `dorp`'],
    ['an unknown target', '@id("a") forbid (principal, action, resource in Target::"bnak");', 'Target::"bnak" is on no configured target'],
    [
      'a table without its target',
      '@id("a") forbid (principal, action, resource in Table::"public.t");',
      'Table::"public.t" is no name of a Table',
    ],
    [
      'a table without its schema',
      '@id("a") forbid (principal, action, resource in Table::"bank.t");',
      'Table::"bank.t" is no name of a Table',
    ],
    ['a part that needs quotes', '@id("a") forbid (principal, action, resource in Table::"bank.public.a b");', 'is no name of a Table'],
    [
      'a path with a link to its parent',
      '@id("a") forbid (principal, action, resource in File::"bank:/srv/../etc");',
      'is no name of a File',
    ],
    ['a path with a slash at its end', '@id("a") forbid (principal, action, resource in File::"bank:/srv/");', 'is no name of a File'],
    ['a file of an unknown host', '@id("a") forbid (principal, action, resource in File::"bnak:/srv");', 'is on no configured target'],
    [
      'a ref without its repository',
      '@id("a") forbid (principal, action, resource == Ref::"bank:refs/heads/main");',
      'is no name of a Ref',
    ],
    ['a group without an issuer', '@id("a") forbid (principal in Group::"analysts", action, resource);', 'names no configured issuer'],
    ['a group of another issuer', '@id("a") forbid (principal in Group::"crop/x", action, resource);', 'names no configured issuer'],
    [
      'an entity in a condition',
      '@id("a") forbid (principal, action, resource) when { resource in Target::"x" };',
      'is on no configured target',
    ],
    ['a wrong attribute', `@id("a") ${READ} when { context.fullexport };`, 'attribute `fullexport`'],
    [
      'a rule that can never apply',
      '@id("a") forbid (principal, action == Action::"reveal", resource is Table);',
      'unable to find an applicable action',
    ],
    ['a syntax error', '@id("a") permit (principal, action resource);', 'unexpected token'],
    ['a missing semicolon', `@id("a") ${READ}`, 'unexpected end of input'],
    ['a template', '@id("a") permit (principal == ?principal, action in Action::"read", resource);', 'template'],
    ['a string that does not end', `@id("a) ${READ};`, 'invalid token'],
  ])('%s', (_, text, message) => {
    const errors = errorsOf(text);
    expect(errors).not.toEqual([]);
    expect(errors.map((error) => error.message).join('\n')).toContain(message);
    for (const error of errors) expect(error.fix).not.toBe('');
  });

  test('each stands at its file, line and column, also behind wide characters', () => {
    const text = `// ünï 😀; code\n@id("a")\n${READ};\n\n@id("😀")\n   @reason("é") ${READ} when { context.nope };`;
    expect(errorsOf(text)).toMatchObject([{ file: 'policies/test.cedar', line: 5, column: 1 }]);
    const inside = text.replace('@id("😀")', '@id("b") @author("é😀")');
    expect(errorsOf(inside)).toMatchObject([{ line: 6, column: 6 + '@reason("é") '.length + READ.length + 'when { '.length - 1 }]);
  });
});

test('a file is cut where Cedar cuts it', () => {
  const texts = splitPolicies('f', `// a; b\n@id("x;\\";") permit (principal, action, resource); // c;\n\n${READ};\n// end`).map(
    (source) => source.text,
  );
  expect(texts).toEqual(['@id("x;\\";") permit (principal, action, resource);', `${READ};`]);
});

test('every action with every fact is a valid request of the schema', () => {
  const file: Resource = { type: 'File', path: ['srv', 'app', 'config'] };
  const ref: Resource = { type: 'Ref', path: ['srv', 'git', 'app.git', 'refs/heads/main'] };
  const resources: Record<string, Resource> = {
    connect: { type: 'Target', path: [] },
    reveal: { type: 'Column', path: ['public', 't', 'c'] },
    lookup: { type: 'Column', path: ['public', 't', 'c'] },
    execute: { type: 'Function', path: ['public', 'purge'] },
    create: { type: 'Schema', path: ['public'] },
    runProgram: { type: 'Program', path: ['/usr/bin/systemctl'] },
    openShell: { type: 'Target', path: [] },
    elevate: { type: 'Target', path: [] },
    readFile: file,
    listFiles: { type: 'File', path: [] },
    writeFile: file,
    renameFile: file,
    removeFile: file,
    setAttributes: file,
    writeLogin: file,
    gitFetch: { type: 'Repository', path: ['srv', 'git', 'app.git'] },
    gitCreate: ref,
    gitUpdate: ref,
    gitForce: ref,
    gitDelete: ref,
    forward: { type: 'Endpoint', path: ['db.internal:5432'] },
  };
  const needs = { named: 'all', context: 'all', principal: 'all', columns: true } as const;
  const principal = { ...agent('corp/analysts'), human: 'ann@bank.example', owner: 'owen@bank.example' };
  for (const action of ACTIONS) {
    const effect = { action, resource: resources[action] ?? { type: 'Table', path: ['public', 't'] }, via: 'view v' } as const;
    const request = cedarRequest(principal, 'bank', effect, ask(principal, []).facts, needs);
    const { preparsedSchemaName: _, ...call } = { preparsedSchemaName: '', ...request };
    const answer = isAuthorized({ ...call, schema: cedarSchema(), validateRequest: true, policies: { staticPolicies: '' } });
    expect(answer, action).toMatchObject({ type: 'success' });
  }
});

test('every action is in the groups that the documentation names, and single actions in none', () => {
  const grouped = new Set(Object.values(ACTION_GROUPS).flat());
  expect(ACTIONS.filter((action) => !grouped.has(action))).toEqual(['connect', 'lookup', 'reveal', 'openShell', 'forward', 'unknown']);
  expect(expandAction('read')).toContain('select');
  expect(expandAction('toString')).toEqual([]);
});

test.each<readonly [ResourceType, string, readonly string[]]>([
  ['Target', 'web1', []],
  ['Table', 'bank.public."a b"', ['public', 'a b']],
  ['File', 'web1:/', []],
  ['File', 'web1:/srv/a b#c.d', ['srv', 'a b#c.d']],
  ['File', '"web 1":/srv', ['srv']],
  ['Repository', 'web1:/srv/git/app.git', ['srv', 'git', 'app.git']],
  ['Ref', 'web1:/srv/app.git#refs/heads/a#b', ['srv', 'app.git', 'refs/heads/a#b']],
  ['Program', 'web1:systemctl', ['systemctl']],
  ['Program', 'web1:/usr/bin/git', ['/usr/bin/git']],
  ['Endpoint', 'web1:db.internal:5432', ['db.internal:5432']],
])('a %s is read back from %s', (type, name, path) => {
  const found = parseResourceName(type, name);
  expect(found?.resource).toEqual({ type, path });
  expect(resourceName(found?.target ?? '', { type, path })).toBe(name);
});

test.each<readonly [ResourceType, string]>([
  ['File', 'web1'],
  ['File', 'web1:srv'],
  ['File', 'web1://srv'],
  ['File', 'web1:/srv/./a'],
  ['File', 'web1:/a\0b'],
  ['Repository', 'web1:/'],
  ['Repository', 'web1:/srv/a#b'],
  ['Ref', 'web1:/srv/app.git'],
  ['Ref', 'web1:/srv/app.git#'],
  ['Program', 'web1:'],
  ['Table', 'web1:/srv'],
])('no %s is called %s', (type, name) => {
  expect(parseResourceName(type, name)).toBeUndefined();
});

test('a file is in its folders, a ref in its repository, and each on its host', () => {
  const ids = (type: ResourceType, ...path: string[]) =>
    resourceAncestors('web1', { type, path }).map((each) => `${each.type}::${each.id}`);
  expect(ids('File')).toEqual(['Target::web1']);
  expect(ids('File', 'srv', 'app')).toEqual(['Target::web1', 'File::web1:/', 'File::web1:/srv']);
  expect(ids('Ref', 'srv', 'a.git', 'refs/heads/main')).toEqual([
    'Target::web1',
    'File::web1:/',
    'File::web1:/srv',
    'File::web1:/srv/a.git',
    'Repository::web1:/srv/a.git',
  ]);
  expect(ids('Program', 'git')).toEqual(['Target::web1']);
});

test('resource names are read back as they are written, and in no other spelling', () => {
  expect(splitResourceName('bank.public."a ""b"".c"')).toEqual(['bank', 'public', 'a "b".c']);
  for (const wrong of ['', 'bank.', '.bank', 'bank."public"', 'bank.a b', 'bank."a', 'bank..t'])
    expect(splitResourceName(wrong), wrong).toBeUndefined();
});
