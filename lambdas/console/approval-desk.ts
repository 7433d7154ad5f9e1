/** The people's side of approvals on AWS: read from the tables, decided by the one function that may. */
import { asOf } from '../../core/approval/lifecycle.ts';
import type { ApprovalDesk, ApprovalList, ApprovalReader, DecideApproval } from './ports.ts';

export type DeskPorts = {
  readonly approvals: ApprovalReader;
  readonly listed: ApprovalList;
  readonly decider: DecideApproval;
  readonly clock: { now(): number };
};

/** The console itself can write no decision. */
export function approvalDesk({ approvals, listed, decider, clock }: DeskPorts): ApprovalDesk {
  const read: ApprovalDesk['read'] = async (id) => {
    const approval = await approvals.read(id);
    return approval === undefined ? undefined : asOf(approval, clock.now());
  };
  return {
    read,
    list: (filter) => listed.list(filter),
    vote: async (id, ballot) => {
      // Nothing is asked of the function for an id that is none.
      if ((await read(id)) === undefined) return { kind: 'not-found' };
      const answer = await decider.decide(id, ballot);
      const approval = await read(id);
      return approval === undefined || answer.kind === 'not-found' ? { kind: 'not-found' } : { ...answer, approval };
    },
  };
}
