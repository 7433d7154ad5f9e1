import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { mayDecide, quorumStands, unapprovable, type Approver } from '../../../core/approval/quorum.ts';
import { aRequest } from '../../support/approval-requests.ts';

function asking(...quorums: readonly (readonly [group: string, quorum: number])[]) {
  return aRequest({ demand: { ...aRequest().demand, quorums: quorums.map(([group, quorum]) => ({ group, quorum })) } });
}

const person = (name: string, ...groups: readonly string[]): Approver => ({ person: `${name}@bank.example`, groups });

describe('mayDecide', () => {
  const cases: readonly (readonly [string, Approver, string])[] = [
    ['the owner', person('owen', 'demo/dba'), 'own the agent'],
    ['the owner in capitals', { person: 'OWEN@bank.example', groups: ['demo/dba'] }, 'own the agent'],
    ['the human the agent acts for', person('alice', 'demo/dba'), 'acts for you'],
    ['the agent itself', { person: 'agent-7', groups: ['demo/dba'] }, 'you are the agent'],
    ['the agent by its full name', { person: 'demo/agent-7', groups: ['demo/dba'] }, 'you are the agent'],
    ['the author of the rule', person('rita', 'demo/dba'), 'wrote the rule'],
    ['a person of another group', person('sam', 'demo/analysts'), 'none of the groups'],
    ['a person whose group has the same bare name at another issuer', person('sam', 'other/dba'), 'none of the groups'],
    ['nobody', { person: ' ', groups: ['demo/dba'] }, 'no person'],
  ];
  test.each(cases)('%s may not', (_, approver, reason) => {
    const request = aRequest({ ruleAuthors: ['rita@bank.example'] });
    const entitled = mayDecide(request, approver);
    expect(entitled.may ? 'may' : entitled.reason).toContain(reason);
    expect(quorumStands(request, [approver])).toBe(false);
  });

  test('somebody else of the group may', () => {
    expect(mayDecide(aRequest(), person('dana', 'demo/dba'))).toEqual({ may: true, groups: ['demo/dba'] });
  });

  test('nobody may where the agent has no owner and acts for no one', () => {
    const orphan = aRequest({ principal: { issuer: 'demo', agent: 'agent-7', groups: [] } });
    expect(mayDecide(orphan, person('dana', 'demo/dba')).may).toBe(false);
    expect(unapprovable(orphan)).toContain('owner');
  });
});

describe('unapprovable', () => {
  test('a demand that nobody could meet is refused at once', () => {
    expect(unapprovable(asking())).toContain('no group');
    expect(unapprovable(asking(['demo/dba', 0]))).toContain('quorum of demo/dba');
    expect(unapprovable(asking(['demo/dba', 1.5]))).toContain('quorum of demo/dba');
    expect(unapprovable(aRequest())).toBeUndefined();
  });
});

describe('quorumStands', () => {
  test('one person in two groups counts for one of them only', () => {
    const request = asking(['demo/dba', 1], ['demo/security', 1]);
    const both = person('dana', 'demo/dba', 'demo/security');
    expect(quorumStands(request, [both])).toBe(false);
    expect(quorumStands(request, [both, person('erin', 'demo/dba')])).toBe(true);
    expect(quorumStands(request, [person('erin', 'demo/security'), both])).toBe(true);
  });

  test('the same person written twice or in capitals counts once', () => {
    const request = asking(['demo/dba', 2]);
    expect(quorumStands(request, [person('dana', 'demo/dba'), { person: 'DANA@bank.example', groups: ['demo/dba'] }])).toBe(false);
  });

  test('one approver too many does not undo the quorum', () => {
    const three = ['dana', 'erin', 'finn'].map((name) => person(name, 'demo/dba'));
    expect(quorumStands(asking(['demo/dba', 2]), three)).toBe(true);
  });

  test('a quorum of no groups, of zero, or not a whole number never stands', () => {
    const people = [person('dana', 'demo/dba')];
    for (const request of [asking(), asking(['demo/dba', 0]), asking(['demo/dba', -1]), asking(['demo/dba', Number.NaN])]) {
      expect(quorumStands(request, people)).toBe(false);
    }
  });

  test('the assignment found is as good as trying every one', () => {
    const groups = ['a', 'b', 'c'];
    const people = fc.array(fc.subarray(groups), { maxLength: 4 });
    const seats = fc.array(fc.constantFrom(...groups), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(people, seats, (memberships, wanted) => {
        const quorums = groups
          .map((group) => [group, wanted.filter((each) => each === group).length] as const)
          .filter(([, quorum]) => quorum > 0);
        const approvers = memberships.map((own, index) => person(`p${index}`, ...own));
        expect(quorumStands(asking(...quorums), approvers)).toBe(bruteForce(wanted, memberships));
      }),
    );
  });
});

function bruteForce(seats: readonly string[], people: readonly (readonly string[])[]): boolean {
  const [seat, ...rest] = seats;
  if (seat === undefined) return true;
  return people.some((groups, index) => groups.includes(seat) && bruteForce(rest, people.toSpliced(index, 1)));
}
