import { describe, expect, test } from 'vitest';
import type { Approval, Vote } from '../../../core/approval/approval.ts';
import { pendingApproval, step } from '../../../core/approval/lifecycle.ts';
import { approvalNonce } from '../../../core/approval/nonce.ts';
import {
  verifyDecision,
  verifyVoter,
  type ExpectedDecision,
  type VerifiedIdToken,
  type VerifyIdToken,
} from '../../../core/approval/votes.ts';
import { aRequest, aVote } from '../../support/approval-requests.ts';

const request = aRequest();
const NONCE = approvalNonce(request.id, request.digest);
const MINUTE = 60_000;

type IssuedToken = VerifiedIdToken & { readonly nonce: string };

const dana: IssuedToken = {
  person: 'dana@bank.example',
  groups: ['demo/dba'],
  issuer: 'demo',
  issuedAtMs: 0,
  expiresAtMs: 20 * MINUTE,
  nonce: NONCE,
};

/** An issuer whose tokens are names: knows what it issued and refuses all else. */
function issuerOf(tokens: Record<string, IssuedToken>): VerifyIdToken {
  return async (idToken, expected) => {
    const token = tokens[idToken];
    if (token === undefined) throw new Error('signature');
    if (token.nonce !== expected.nonce) throw new Error('nonce');
    return token;
  };
}
const verify = issuerOf({ 'token-of-dana': dana });

function approvedBy(vote: Vote): Approval {
  const next = step(pendingApproval(request), { type: 'vote', vote });
  if (next.kind === 'refused') throw new Error(next.reason);
  return next.approval;
}

const approved = approvedBy(aVote());
const expected: ExpectedDecision = {
  digest: request.digest,
  principal: request.principal,
  demand: request.demand,
  ruleAuthors: [],
  nowMs: 2 * MINUTE,
};

describe('approvalNonce', () => {
  test('the nonce is base64url of SHA-256 over id, line feed and digest', () => {
    expect(approvalNonce('ap_1', 'ff')).toBe('pX6L8z6KY8pWlAlfZbk3sqCqnQgg3CStEuLDgCS5kcI');
  });
});

describe('verifyVoter', () => {
  test('a sign-in of ten minutes ago counts, an older one does not', async () => {
    expect((await verifyVoter(request, 'token-of-dana', 10 * MINUTE, verify)).ok).toBe(true);
    expect(await verifyVoter(request, 'token-of-dana', 10 * MINUTE + 1, verify)).toMatchObject({ ok: false });
  });

  test('a token that had expired at the time of the vote does not count', async () => {
    const short = issuerOf({ t: { ...dana, expiresAtMs: MINUTE } });
    expect((await verifyVoter(request, 't', MINUTE - 1, short)).ok).toBe(true);
    expect((await verifyVoter(request, 't', MINUTE, short)).ok).toBe(false);
  });

  test('a token from the future or without a time does not count', async () => {
    for (const issuedAtMs of [3 * MINUTE, Number.NaN]) {
      expect((await verifyVoter(request, 't', MINUTE, issuerOf({ t: { ...dana, issuedAtMs } }))).ok).toBe(false);
    }
  });

  test('a token for another approval does not count', async () => {
    expect((await verifyVoter({ ...request, id: 'ap_other' }, 'token-of-dana', MINUTE, verify)).ok).toBe(false);
    expect((await verifyVoter({ ...request, digest: 'e'.repeat(64) }, 'token-of-dana', MINUTE, verify)).ok).toBe(false);
  });
});

describe('verifyDecision', () => {
  test('an approval that was given properly stands until its grant ends', async () => {
    expect(await verifyDecision(approved, expected, verify)).toMatchObject({ ok: true, grantedUntilMs: 1_000 + 900_000 });
    expect((await verifyDecision(approved, { ...expected, nowMs: 900_999 }, verify)).ok).toBe(true);
    expect((await verifyDecision(approved, { ...expected, nowMs: 901_000 }, verify)).ok).toBe(false);
  });

  const forged: readonly (readonly [name: string, approval: Approval, changes?: Partial<ExpectedDecision>])[] = [
    ['a pending request marked approved', { ...pendingApproval(request), state: 'approved', decidedAtMs: 1_000 }],
    ['a vote with a made-up token', { ...approved, votes: [aVote({ idToken: 'forged' })] }],
    ['a vote under another name', { ...approved, votes: [aVote({ person: 'erin@bank.example' })] }],
    ['a rejection among the votes', { ...approved, votes: [aVote({ answer: 'reject' })] }],
    ['a rejected approval', { ...approved, state: 'rejected' }],
    ['a withdrawn approval', { ...approved, state: 'withdrawn' }],
    ['a later time of decision', { ...approved, decidedAtMs: 600_000 }],
    ['a later vote with the old token', { ...approved, decidedAtMs: 601_000, votes: [aVote({ atMs: 601_000 })] }, { nowMs: 700_000 }],
    ['a vote in the future', { ...approved, decidedAtMs: 500_000, votes: [aVote({ atMs: 500_000 })] }],
    [
      'a longer grant in the stored demand',
      { ...approved, request: { ...request, demand: { ...request.demand, grantMs: 9e9 } } },
      { nowMs: 901_000 },
    ],
    ['the digest of another statement', { ...approved, request: { ...request, digest: 'e'.repeat(64) } }],
    ['another statement now', approved, { digest: 'e'.repeat(64) }],
    ['a demand that has grown', approved, { demand: { ...request.demand, quorums: [{ group: 'demo/dba', quorum: 2 }] } }],
    ['a demand for another group', approved, { demand: { ...request.demand, quorums: [{ group: 'demo/security', quorum: 1 }] } }],
    ['an approver who owns the agent', approved, { principal: { ...request.principal, owner: 'dana@bank.example' } }],
    ['an approver who wrote the rule', approved, { ruleAuthors: ['dana@bank.example'] }],
    [
      'groups claimed by the table only',
      { ...approved, votes: [aVote({ groups: ['demo/security'] })] },
      { demand: { ...request.demand, quorums: [{ group: 'demo/security', quorum: 1 }] } },
    ],
    ['an answer by Slack where policy does not allow it', { ...approved, votes: [aVote({ channel: 'slack' })] }],
    [
      'the same vote twice for a quorum of two',
      { ...approved, votes: [aVote(), aVote()] },
      { demand: { ...request.demand, quorums: [{ group: 'demo/dba', quorum: 2 }] } },
    ],
  ];
  for (const [name, approval, changes] of forged) {
    test(`${name} is refused`, async () => {
      expect((await verifyDecision(approval, { ...expected, ...changes }, verify)).ok).toBe(false);
    });
  }
});
