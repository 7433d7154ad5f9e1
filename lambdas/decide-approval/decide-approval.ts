/** One person's answer to one approval: verified, counted once, and told to the workflow that waits for it. */
import type { ApprovalRequest, Vote } from '../../core/approval/approval.ts';
import type { BallotAnswer } from '../../core/approval/ballot-answer.ts';
import { step } from '../../core/approval/lifecycle.ts';
import { stillFresh, verifyVoter } from '../../core/approval/votes.ts';
import type { DecidePorts } from './ports.ts';

/** A person's answer as the console hands it on: who it is, is in the token. */
export type SignedBallot = Pick<Vote, 'answer' | 'reason' | 'channel' | 'idToken'>;

/** A quorum of people may answer in the same second. */
const MAX_WRITES = 8;

/** Throws what the store throws: then nothing is known, and the page shows what holds. */
export async function decideApproval(ports: DecidePorts, id: string, ballot: SignedBallot): Promise<BallotAnswer> {
  const { store, now } = ports;
  const first = await store.read(id);
  if (first === undefined) return { kind: 'not-found' };
  const checked = await verifyVoter(first.approval.request, ballot.idToken, now(), await ports.verifier());
  if (!checked.ok) return { kind: 'refused', code: 'sign-in-invalid', reason: checked.reason };
  const { voter } = checked;
  let found = first;
  for (let attempt = 0; attempt < MAX_WRITES; attempt += 1) {
    const { approval } = found;
    // Never before an earlier vote: clocks of functions differ, and the last vote's time is the decision's.
    const atMs = Math.max(now(), ...approval.votes.map((vote) => vote.atMs));
    const fresh = stillFresh(voter, atMs);
    if (!fresh.ok) return { kind: 'refused', code: 'sign-in-invalid', reason: fresh.reason };
    const vote: Vote = { ...ballot, person: voter.person, groups: voter.groups, atMs };
    const next = step(approval, { type: 'vote', vote });
    if (next.kind === 'refused') return { kind: 'refused', code: next.code, reason: next.reason };
    const { state, votes, decidedAtMs } = next.approval;
    if (state !== 'pending' && state !== 'approved' && state !== 'rejected') throw new Error(`a vote led to the state ${state}`);
    const decision = { state, votes, ...(decidedAtMs === undefined ? {} : { decidedAtMs }) };
    if (await store.put(id, found.decisionV, decision)) {
      if (state !== 'pending') await deliver(ports, approval.request);
      return { kind: 'counted' };
    }
    const again = await store.read(id);
    if (again === undefined) return { kind: 'not-found' };
    found = again;
  }
  throw new Error('others answer faster than this vote could be counted');
}

/** The vote is counted, whatever becomes of this. */
async function deliver({ tokens, complete, notDelivered }: DecidePorts, { id }: ApprovalRequest): Promise<void> {
  try {
    const taskToken = await tokens.find(id);
    // Not there yet: whoever stores it looks at the decision afterwards.
    if (taskToken !== undefined) await complete(taskToken, id);
  } catch (error) {
    notDelivered(id, error);
  }
}
