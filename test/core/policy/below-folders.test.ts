import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createPolicySet } from '../../../core/policy/policy-set.ts';
import { readPolicies } from '../../../core/policy/read-policies.ts';
import type { PolicySet } from '../../../core/policy/bundle.ts';
import type { Action } from '../../../core/statement/effect.ts';

const KNOWN = { targets: new Set(['web1', 'web2']), hosts: new Set(['web1', 'web2']), issuers: new Set(['corp']) };
const PRINCIPAL = { issuer: 'corp', agent: 'a', groups: [], expiresAtMs: 0 };

function policies(text: string): PolicySet {
  const read = readPolicies(new Map([['policies/test.cedar', text]]), () => 'corp/ops', KNOWN);
  if (read.errors.length > 0) throw new Error(JSON.stringify(read.errors));
  return createPolicySet(read.policies);
}

const partsOf = (path: string): readonly string[] => path.split('/').filter((part) => part !== '');

function decide(set: PolicySet, action: Action, path: string, unbounded: boolean, target = 'web1') {
  const facts = { unbounded, fullExport: false, rows: -1, maskedColumns: [], opaque: false, inTransaction: false };
  return set.decide({ principal: PRINCIPAL, target, effects: [{ action, resource: { type: 'File', path: partsOf(path) } }], facts });
}

const APP = policies(`
@id("app") permit (principal, action in Action::"all", resource in File::"web1:/srv/app");
@id("asks") @approvers("ops") @quorum("1") @reason("r") forbid (principal, action in Action::"all", resource in File::"web1:/srv/app/conf") unless { context has approval };
@id("secrets") forbid (principal, action, resource in File::"web1:/srv/app/conf/secrets");
`);

describe('whether there is a file at all', () => {
  test.each<[string, string, string]>([
    [
      'a folder further down may be read',
      '@id("p") permit (principal, action == Action::"readFile", resource in File::"web1:/srv/a/b");',
      'permit',
    ],
    ['one file may be', '@id("p") permit (principal, action == Action::"writeFile", resource == File::"web1:/srv/a");', 'permit'],
    ['the whole host may be', '@id("p") permit (principal, action in Action::"all", resource in Target::"web1");', 'permit'],
    ['it is another host', '@id("p") permit (principal, action in Action::"all", resource in Target::"web2");', 'block'],
    ['only programs may run', '@id("p") permit (principal, action == Action::"runProgram", resource in Target::"web1");', 'block'],
    [
      'people are asked',
      `@id("p") @approvers("ops") @quorum("1") @reason("r") permit (principal, action == Action::"removeFile", resource in Target::"web1") when { context has approval };`,
      'permit',
    ],
    [
      'all of it is forbidden again',
      '@id("p") permit (principal, action in Action::"all", resource in Target::"web1"); @id("q") forbid (principal, action, resource in File::"web1:/");',
      'block',
    ],
    [
      'it is for another account',
      '@id("p") permit (principal, action in Action::"all", resource in Target::"web1") when { context has account && context.account == "app" };',
      'block',
    ],
  ])('%s', (_, text, kind) => {
    expect(policies(text).mayUseFiles(PRINCIPAL, 'web1', 'deploy').kind).toBe(kind);
  });
});

describe('an effect on a folder with all below it', () => {
  test.each<[Action, string, boolean, string]>([
    ['readFile', '/srv/app', false, 'permit'],
    ['readFile', '/srv/app/logs', true, 'permit'],
    ['readFile', '/srv/app', true, 'block'],
    ['removeFile', '/srv/app/conf', true, 'block'],
    ['readFile', '/srv/app/conf', false, 'approve'],
    ['readFile', '/srv/app/conf/public', true, 'approve'],
    // What stands beside the folder is not in it, whatever it begins with.
    ['readFile', '/srv/app/con', true, 'permit'],
    ['readFile', '/srv/app/conf/secrets2', true, 'approve'],
    ['readFile', '/', true, 'block'],
    // A renamed folder takes its files along.
    ['renameFile', '/srv/app/conf', false, 'block'],
    ['renameFile', '/srv/app/logs', false, 'permit'],
  ])('%s of %s (%s) is judged with what policies name in it: %s', (action, path, unbounded, kind) => {
    expect(decide(APP, action, path, unbounded).kind).toBe(kind);
  });

  test('is not permitted by a policy on the folder alone', () => {
    const alone = policies('@id("p") permit (principal, action == Action::"readFile", resource == File::"web1:/srv");');
    expect(decide(alone, 'readFile', '/srv', false).kind).toBe('permit');
    expect(decide(alone, 'readFile', '/srv', true)).toMatchObject({ kind: 'block', reason: expect.stringContaining('web1:/srv/*') });
  });

  test('is not permitted by policies on each thing that they name in it', () => {
    const named = policies(`
      @id("p") permit (principal, action == Action::"readFile", resource == File::"web1:/srv");
      @id("q") permit (principal, action == Action::"readFile", resource in File::"web1:/srv/*");
      @id("r") permit (principal, action == Action::"readFile", resource in File::"web1:/srv/a");`);
    expect(decide(named, 'readFile', '/srv', true).kind).toBe('block');
  });

  test('is of its own target only', () => {
    const other = policies(`
      @id("o") permit (principal, action in Action::"all", resource in File::"web1:/srv");
      @id("p") permit (principal, action in Action::"all", resource in File::"web2:/srv");
      @id("q") forbid (principal, action, resource in File::"web2:/srv/secrets");`);
    expect([decide(other, 'readFile', '/srv', true).kind, decide(other, 'readFile', '/srv', true, 'web2').kind]).toEqual([
      'permit',
      'block',
    ]);
  });

  test('is permitted only where each file below it is', () => {
    const part = fc.constantFrom('a', 'b', '*');
    const path = fc.array(part, { maxLength: 3 });
    const rule = fc.record({ effect: fc.constantFrom('permit', 'forbid'), op: fc.constantFrom('in', '=='), path });
    fc.assert(
      fc.property(
        fc.array(rule, { minLength: 1, maxLength: 5 }),
        path,
        fc.array(fc.constantFrom('a', 'b', 'c', '*'), { maxLength: 4 }),
        (rules, folder, rest) => {
          const set = policies(
            rules
              .map(
                ({ effect, op, path: at }, i) =>
                  `@id("p${i}") ${effect} (principal, action == Action::"readFile", resource ${op} File::"web1:/${at.join('/')}");`,
              )
              .join('\n'),
          );
          if (decide(set, 'readFile', folder.join('/'), true).kind !== 'permit') return;
          expect(decide(set, 'readFile', [...folder, ...rest].join('/'), false).kind).toBe('permit');
        },
      ),
      { numRuns: 60 },
    );
  });
});
