/** The people's side of approvals on AWS: read from the tables, decided by the one function that may. */
import type { ApprovalDesk, ApprovalReader, DecideApproval } from './ports.ts';

/** The console itself can write no decision. */
export function approvalDesk({
  approvals,
  decider,
}: {
  readonly approvals: ApprovalReader;
  readonly decider: DecideApproval;
}): ApprovalDesk {
  return {
    read: (id) => approvals.read(id),
    list: (filter) => approvals.list(filter),
    vote: async (id, ballot) => {
      // Nothing is asked of the function for an id that is none.
      if ((await approvals.read(id)) === undefined) return { kind: 'not-found' };
      const answer = await decider.decide(id, ballot);
      const approval = await approvals.read(id);
      return approval === undefined || answer.kind === 'not-found' ? { kind: 'not-found' } : { ...answer, approval };
    },
  };
}
