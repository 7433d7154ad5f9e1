/** Who may decide, and when enough of them have (design §8). */
import type { ApprovalDemand } from '../decision.ts';
import { personKey as key } from '../identity/person-key.ts';
import type { PersonKey } from '../principal.ts';
import type { ApprovalRequest } from './approval.ts';

/** What separates the duties: nobody answers a request that is theirs. */
export type Parties = Pick<ApprovalRequest, 'principal' | 'ruleAuthors'>;

export type Approver = { readonly person: PersonKey; readonly groups: readonly string[] };

export type Entitlement = { readonly may: true; readonly groups: readonly string[] } | { readonly may: false; readonly reason: string };

/** More people than this are not asked of one statement; keeps the assignment small. */
const MAX_QUORUM = 100;

/**
 * Why nobody could ever approve this request, or undefined. A request that is not answerable is refused at once
 * instead of waiting for an answer that cannot come.
 */
export function unapprovable(request: Parties & Pick<ApprovalRequest, 'demand'>): string | undefined {
  const { principal, demand } = request;
  if (principal.owner === undefined && principal.human === undefined) {
    return `${principal.issuer}/${principal.agent} has no owner and acts for no one, so nobody could be kept from approving their own request: give the agent an owner in sallyport.yaml`;
  }
  if (demand.quorums.length === 0) return 'no group of approvers is named by the policies that demand an approval';
  const broken = demand.quorums.find(({ quorum }) => !Number.isSafeInteger(quorum) || quorum < 1 || quorum > MAX_QUORUM);
  if (broken !== undefined) return `the quorum of ${broken.group} is not a whole number from 1 to ${MAX_QUORUM}`;
  return undefined;
}

/** Whether this person may answer this request at all, approving or rejecting, and for which groups. */
export function mayDecide(request: Parties & { readonly demand: Pick<ApprovalDemand, 'quorums'> }, approver: Approver): Entitlement {
  const { principal, ruleAuthors, demand } = request;
  const person = key(approver.person);
  if (person === '') return { may: false, reason: 'your token names no person' };
  if (principal.owner === undefined && principal.human === undefined) {
    return { may: false, reason: 'the agent has no owner and acts for no one: its requests cannot be approved' };
  }
  if (person === key(principal.agent) || person === key(`${principal.issuer}/${principal.agent}`)) {
    return { may: false, reason: 'you are the agent that asks' };
  }
  if (principal.owner !== undefined && person === key(principal.owner)) return { may: false, reason: 'you own the agent that asks' };
  if (principal.human !== undefined && person === key(principal.human)) return { may: false, reason: 'the agent acts for you' };
  if (ruleAuthors.some((author) => key(author) === person)) return { may: false, reason: 'you wrote the rule that demands this approval' };
  const groups = demand.quorums.map(({ group }) => group).filter((group) => approver.groups.includes(group));
  if (groups.length === 0) return { may: false, reason: `you are in none of the groups that may decide: ${quorumNames(demand)}` };
  return { may: true, groups };
}

/**
 * Whether these people fill every group's quorum. A person counts once, for one group only: one person in two groups
 * is one approver, so the people are assigned to the groups, and the quorum stands when an assignment fills all.
 * People who may not decide do not count; a demand without groups never stands.
 */
export function quorumStands(
  request: Parties & { readonly demand: Pick<ApprovalDemand, 'quorums'> },
  approvers: readonly Approver[],
): boolean {
  const { quorums } = request.demand;
  if (quorums.length === 0 || quorums.some(({ quorum }) => !Number.isSafeInteger(quorum) || quorum < 1 || quorum > MAX_QUORUM))
    return false;
  const people = new Map<string, Set<string>>();
  for (const approver of approvers) {
    const entitled = mayDecide(request, approver);
    if (!entitled.may) continue;
    const groups = people.get(key(approver.person)) ?? new Set<string>();
    for (const group of entitled.groups) groups.add(group);
    people.set(key(approver.person), groups);
  }
  const seats = quorums.flatMap(({ group, quorum }) => Array.from({ length: quorum }, () => group));
  return everySeatFilled(seats, [...people.values()]);
}

/** Bipartite matching by augmenting paths (Kuhn): seats to people. */
function everySeatFilled(seats: readonly string[], people: readonly ReadonlySet<string>[]): boolean {
  const seatOf = new Map<number, number>();
  const seat = (index: number, tried: Set<number>): boolean => {
    for (const [person, groups] of people.entries()) {
      if (tried.has(person) || !groups.has(seats[index] ?? '')) continue;
      tried.add(person);
      const holds = seatOf.get(person);
      if (holds === undefined || seat(holds, tried)) {
        seatOf.set(person, index);
        return true;
      }
    }
    return false;
  };
  return seats.every((_, index) => seat(index, new Set()));
}

/** The groups that a demand asks, with their quorums, in words: `demo/dba (1)`. */
export function quorumNames(demand: Pick<ApprovalDemand, 'quorums'>): string {
  return demand.quorums.map(({ group, quorum }) => `${group} (${quorum})`).join(', ');
}
