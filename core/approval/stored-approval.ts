/**
 * An approval as it stands in three tables, each with its own writer: the request, people's decision, and the first of claim,
 * withdrawal and expiry. What was first in the third one holds, whatever the second says.
 */
import type { Effect } from '../statement/effect.ts';
import type { Approval, ApprovalRequest, ClaimOutcome, Vote } from './approval.ts';
import { readDemand } from './ask.ts';
import { FieldMalformed, Fields } from './fields.ts';

export type StoredDecision = {
  readonly state: 'pending' | 'approved' | 'rejected';
  readonly votes: readonly Vote[];
  readonly decidedAtMs?: number;
};

export type StoredClaim =
  | {
      readonly kind: 'claimed';
      /** Known to the one that claims alone, until it has: by it a claim is recognised whose answer was lost. */
      readonly nonce: string;
      readonly session: string;
      readonly writer: string;
      readonly statement: number;
      readonly atMs: number;
      readonly outcome: ClaimOutcome;
    }
  | { readonly kind: 'withdrawn'; readonly reason: string; readonly atMs: number }
  | { readonly kind: 'expired'; readonly atMs: number };

/** The approval that these items are. Times are not judged: see `asOf`. */
export function storedApproval(request: ApprovalRequest, decision?: StoredDecision, first?: StoredClaim): Approval {
  const { state = 'pending', votes = [], decidedAtMs } = decision ?? {};
  const decided = { request, votes, ...(decidedAtMs === undefined ? {} : { decidedAtMs }) };
  switch (first?.kind) {
    case undefined:
      return { ...decided, state };
    case 'expired':
      return { ...decided, state: 'expired' };
    case 'withdrawn':
      return { ...decided, state: 'withdrawn', withdrawal: { reason: first.reason, atMs: first.atMs } };
    case 'claimed': {
      const { session, writer, statement, atMs, outcome } = first;
      return { ...decided, state: 'claimed', claim: { session, writer, statement, atMs, outcome } };
    }
  }
}

/** Throws FieldMalformed. */
export function parseRequest(body: unknown): ApprovalRequest {
  const fields = new Fields(body, 'the request');
  const principal = fields.object('principal');
  const facts = fields.object('facts');
  return {
    id: fields.text('id'),
    digest: fields.text('digest'),
    principal: {
      issuer: principal.text('issuer'),
      agent: principal.text('agent'),
      ...(principal.has('human') ? { human: principal.text('human') } : {}),
      ...(principal.has('owner') ? { owner: principal.text('owner') } : {}),
      groups: principal.texts('groups'),
    },
    session: fields.text('session'),
    protocol: fields.oneOf('protocol', ['postgres', 'ssh']),
    target: fields.text('target'),
    database: fields.text('database'),
    text: fields.text('text'),
    ...(fields.has('executes') ? { executes: fields.text('executes') } : {}),
    ...(fields.has('environment') ? { environment: fields.texts('environment') } : {}),
    parameters: fields.list('parameters', (value, at) => {
      if (value !== null && typeof value !== 'string') throw new FieldMalformed(`${at} is not text or null`);
      return value;
    }),
    effects: fields.list('effects', readEffect),
    facts: {
      unbounded: facts.flag('unbounded'),
      fullExport: facts.flag('fullExport'),
      rows: facts.number('rows'),
      maskedColumns: facts.texts('maskedColumns'),
      opaque: facts.flag('opaque'),
    },
    maskedColumns: fields.texts('maskedColumns'),
    demand: readDemand(fields.object('demand')),
    policies: fields.texts('policies'),
    policyReason: fields.text('policyReason'),
    reasonGiven: fields.text('reasonGiven'),
    bundle: fields.text('bundle'),
    requestedAtMs: fields.number('requestedAtMs'),
    expiresAtMs: fields.number('expiresAtMs'),
    ruleAuthors: fields.texts('ruleAuthors'),
  };
}

function readEffect(value: unknown, at: string): Effect {
  const effect = new Fields(value, at);
  const resource = effect.object('resource');
  resource.texts('path');
  effect.text('action');
  resource.text('type');
  // Shown to people only; what is decided is decided from a reading of one's own.
  return value as Effect;
}

/** Throws FieldMalformed. */
export function parseDecision(body: unknown): StoredDecision {
  const fields = new Fields(body, 'the decision');
  return {
    state: fields.oneOf('state', ['pending', 'approved', 'rejected']),
    votes: fields.list('votes', (item, at) => {
      const vote = new Fields(item, at);
      return {
        person: vote.text('person'),
        groups: vote.texts('groups'),
        answer: vote.oneOf('answer', ['approve', 'reject']),
        reason: vote.text('reason'),
        atMs: vote.number('atMs'),
        channel: vote.oneOf('channel', ['page', 'cli', 'slack']),
        idToken: vote.text('idToken'),
      };
    }),
    ...(fields.has('decidedAtMs') ? { decidedAtMs: fields.number('decidedAtMs') } : {}),
  };
}

/** Throws FieldMalformed. */
export function parseClaim(body: unknown): StoredClaim {
  const fields = new Fields(body, 'the claim');
  const kind = fields.oneOf('kind', ['claimed', 'withdrawn', 'expired']);
  const atMs = fields.number('atMs');
  if (kind === 'expired') return { kind, atMs };
  if (kind === 'withdrawn') return { kind, reason: fields.text('reason'), atMs };
  const outcome = fields.object('outcome');
  return {
    kind,
    nonce: fields.text('nonce'),
    session: fields.text('session'),
    writer: fields.text('writer'),
    statement: fields.number('statement'),
    atMs,
    outcome: {
      result: outcome.oneOf('result', ['running', 'committed', 'rolledBack', 'failed', 'unknown']),
      rows: outcome.number('rows'),
      atMs: outcome.number('atMs'),
      answerDelivered: outcome.flag('answerDelivered'),
    },
  };
}

/** Item of the requests table with the ids asked for one statement. */
export function digestItem(digest: string): string {
  return `digest#${digest}`;
}

/** What `digestItem` holds; newest last. */
export function parseIds(body: unknown): readonly string[] {
  return new Fields(body, 'the list of approvals').texts('ids');
}
