import { describe, expect, test } from 'vitest';
import type { Approval, ApprovalState } from '../../../core/approval/approval.ts';
import { abandoned, asOf, deadlineMs, pendingApproval, step, type ApprovalEvent } from '../../../core/approval/lifecycle.ts';
import { aRequest, aVote } from '../../support/approval-requests.ts';

const BY = { session: 's-1', writer: 'w-1', statement: 3 };
const HOUR = 3_600_000;
const GRANT = 900_000;

function after(approval: Approval, ...events: readonly ApprovalEvent[]): Approval {
  return events.reduce((now, event) => {
    const next = step(now, event);
    if (next.kind === 'refused') throw new Error(next.code);
    return next.approval;
  }, approval);
}

const pending = pendingApproval(aRequest());
const approved = after(pending, { type: 'vote', vote: aVote() });
const states: Record<ApprovalState, Approval> = {
  pending,
  approved,
  rejected: after(pending, { type: 'vote', vote: aVote({ answer: 'reject' }) }),
  expired: after(pending, { type: 'expire', atMs: HOUR }),
  withdrawn: after(pending, { type: 'withdraw', reason: 'client gone', atMs: 2_000 }),
  claimed: after(approved, { type: 'claim', by: BY, atMs: 2_000 }),
};

const events = {
  approve: { type: 'vote', vote: aVote({ atMs: 3_000, person: 'erin@bank.example' }) },
  reject: { type: 'vote', vote: aVote({ atMs: 3_000, person: 'erin@bank.example', answer: 'reject' }) },
  claim: { type: 'claim', by: BY, atMs: 3_000 },
  withdraw: { type: 'withdraw', reason: 'r', atMs: 3_000 },
  expire: { type: 'expire', atMs: HOUR },
  'expire early': { type: 'expire', atMs: 3_000 },
  settle: { type: 'settle', outcome: { result: 'committed', rows: 1, atMs: 3_000, answerDelivered: true } },
} as const satisfies Record<string, ApprovalEvent>;

/** Every state with every event: the next state, or the code of the refusal. */
const table: Record<ApprovalState, Record<keyof typeof events, string>> = {
  pending: {
    approve: 'approved',
    reject: 'rejected',
    claim: '!not-approved',
    withdraw: 'withdrawn',
    expire: 'expired',
    'expire early': '!not-due',
    settle: '!not-claimed',
  },
  approved: {
    approve: '!already-approved',
    reject: '!already-approved',
    claim: 'claimed',
    withdraw: 'withdrawn',
    expire: 'expired',
    'expire early': '!not-due',
    settle: '!not-claimed',
  },
  rejected: {
    approve: '!already-rejected',
    reject: '!already-rejected',
    claim: '!already-rejected',
    withdraw: '!already-rejected',
    expire: '!already-rejected',
    'expire early': '!already-rejected',
    settle: '!not-claimed',
  },
  expired: {
    approve: '!expired',
    reject: '!expired',
    claim: '!expired',
    withdraw: '!expired',
    expire: '!expired',
    'expire early': '!expired',
    settle: '!not-claimed',
  },
  withdrawn: {
    approve: '!withdrawn',
    reject: '!withdrawn',
    claim: '!withdrawn',
    withdraw: '!withdrawn',
    expire: '!withdrawn',
    'expire early': '!withdrawn',
    settle: '!not-claimed',
  },
  claimed: {
    approve: '!already-claimed',
    reject: '!already-claimed',
    claim: '!already-claimed',
    withdraw: '!already-claimed',
    expire: '!already-claimed',
    'expire early': '!already-claimed',
    settle: 'claimed',
  },
};

describe('lifecycle', () => {
  for (const [state, approval] of Object.entries(states)) {
    for (const [name, event] of Object.entries(events)) {
      // The keys are those of the two records above; Object.entries widens them to string.
      const expected = table[state as ApprovalState][name as keyof typeof events];
      test(`${state} on ${name} is ${expected}`, () => {
        expect(approval.state).toBe(state);
        const next = step(approval, event);
        expect(next.kind === 'refused' ? `!${next.code}` : next.approval.state).toBe(expected);
        if (next.kind === 'refused') expect(next.approval).toEqual(approval);
      });
    }
  }

  test('an answer at the last millisecond counts, one at the deadline does not', () => {
    expect(step(pending, { type: 'vote', vote: aVote({ atMs: HOUR - 1 }) }).kind).toBe('changed');
    const late = step(pending, { type: 'vote', vote: aVote({ atMs: HOUR }) });
    expect(late).toMatchObject({ kind: 'refused', code: 'expired', approval: { state: 'expired' } });
  });

  test('the grant runs from the decision and may outlast the time to answer', () => {
    const late = after(pending, { type: 'vote', vote: aVote({ atMs: HOUR - 1 }) });
    expect(deadlineMs(late)).toBe(HOUR - 1 + GRANT);
    expect(step(late, { type: 'claim', by: BY, atMs: HOUR - 2 + GRANT }).kind).toBe('changed');
    expect(step(late, { type: 'claim', by: BY, atMs: HOUR - 1 + GRANT })).toMatchObject({ kind: 'refused', code: 'expired' });
  });

  test('another vote never extends the grant', () => {
    const again = step(approved, { type: 'vote', vote: aVote({ atMs: 500_000, person: 'erin@bank.example' }) });
    expect(again.kind).toBe('refused');
    expect(deadlineMs(again.approval)).toBe(1_000 + GRANT);
  });

  test('asOf shows an approval as expired although nobody stored that', () => {
    expect(asOf(pending, HOUR).state).toBe('expired');
    expect(asOf(pending, HOUR - 1)).toBe(pending);
    expect(asOf(states.claimed, 10 * HOUR).state).toBe('claimed');
  });

  test('who is not entitled can neither approve nor reject', () => {
    for (const answer of ['approve', 'reject'] as const) {
      for (const person of ['owen@bank.example', 'alice@bank.example']) {
        expect(step(pending, { type: 'vote', vote: aVote({ person, answer }) })).toMatchObject({ kind: 'refused', code: 'not-entitled' });
      }
      expect(step(pending, { type: 'vote', vote: aVote({ groups: ['demo/analysts'], answer }) })).toMatchObject({ code: 'not-entitled' });
    }
  });

  const two = pendingApproval(aRequest({ demand: { ...aRequest().demand, quorums: [{ group: 'demo/dba', quorum: 2 }] } }));

  test('one person approving twice is one approval', () => {
    const once = after(two, { type: 'vote', vote: aVote() });
    expect(once.state).toBe('pending');
    expect(step(once, { type: 'vote', vote: aVote({ atMs: 2_000 }) })).toMatchObject({ kind: 'refused', code: 'already-voted' });
  });

  test('who approved may still reject while others are awaited', () => {
    const once = after(two, { type: 'vote', vote: aVote() });
    expect(after(once, { type: 'vote', vote: aVote({ atMs: 2_000, answer: 'reject' }) }).state).toBe('rejected');
  });

  test('the second of two approvers decides, at the time of that vote', () => {
    const both = after(two, { type: 'vote', vote: aVote() }, { type: 'vote', vote: aVote({ person: 'erin@bank.example', atMs: 5_000 }) });
    expect(both).toMatchObject({ state: 'approved', decidedAtMs: 5_000 });
  });

  test('a settled outcome cannot be told differently later, but its answer can still arrive', () => {
    const settle = (result: 'committed' | 'rolledBack', answerDelivered: boolean): ApprovalEvent => ({
      type: 'settle',
      outcome: { result, rows: 1, atMs: 4_000, answerDelivered },
    });
    const committed = after(states.claimed, settle('committed', false));
    expect(step(committed, settle('rolledBack', true))).toMatchObject({ kind: 'refused', code: 'already-settled' });
    expect(step(committed, settle('committed', false))).toMatchObject({ kind: 'refused', code: 'already-settled' });
    expect(after(committed, settle('committed', true)).claim?.outcome.answerDelivered).toBe(true);
  });

  test('an execution under way when its process died has an unknown outcome, a settled one keeps its own', () => {
    const lost = abandoned(states.claimed, 9_000);
    expect(lost).toMatchObject({ kind: 'changed', approval: { claim: { outcome: { result: 'unknown', answerDelivered: false } } } });
    const settled = after(states.claimed, events.settle);
    expect(abandoned(settled, 9_000).kind).toBe('refused');
    expect(abandoned(approved, 9_000).kind).toBe('refused');
  });
});
