import type { ApprovalRequest, Vote } from '../../core/approval/approval.ts';
import type { RawSql } from '../../core/approval/raw-statement.ts';

/** An update by agent-7, owned by Owen, for Alice; one of demo/dba must approve. Requested at time 0, an hour to answer, a quarter to use. */
export function aRequest(changes: Partial<ApprovalRequest> = {}): ApprovalRequest {
  return {
    id: 'ap_01JD0000000000000000000000',
    digest: 'd'.repeat(64),
    principal: { issuer: 'demo', agent: 'agent-7', owner: 'owen@bank.example', human: 'alice@bank.example', groups: ['demo/analysts'] },
    session: 's-1',
    target: 'bank',
    protocol: 'postgres',
    database: 'bank',
    text: 'update accounts set balance = $1 where id = $2',
    parameters: ['10', '7'],
    effects: [{ action: 'update', resource: { type: 'Table', path: ['public', 'accounts'] } }],
    facts: { unbounded: false, fullExport: false, rows: 1, maskedColumns: [], opaque: false },
    maskedColumns: [],
    demand: {
      quorums: [{ group: 'demo/dba', quorum: 1 }],
      holdMs: 55_000,
      expiresMs: 3_600_000,
      grantMs: 900_000,
      channels: [],
    },
    policies: ['analysts-write'],
    policyReason: 'Production writes need a second person',
    reasonGiven: 'ticket 4711',
    bundle: 'b-0123456789abcdef',
    requestedAtMs: 0,
    expiresAtMs: 3_600_000,
    ruleAuthors: [],
    ...changes,
  };
}

/** A restart on web1 as deploy; otherwise as `aRequest`. */
export function aHostRequest(changes: Partial<ApprovalRequest> = {}): ApprovalRequest {
  return aRequest({
    protocol: 'ssh',
    target: 'web1',
    database: 'deploy',
    text: 'systemctl restart app',
    environment: ['LANG=C'],
    parameters: [],
    effects: [
      { action: 'readFile', resource: { type: 'File', path: ['srv', 'app'] } },
      { action: 'runProgram', resource: { type: 'Program', path: ['systemctl restart'] } },
      { action: 'elevate', resource: { type: 'Target', path: [] }, via: 'sudo' },
    ],
    facts: { unbounded: true, fullExport: false, rows: -1, maskedColumns: [], opaque: true },
    ...changes,
  });
}

/** What that request is made from, for a target whose catalog nobody reads. */
export function aRawStatement(request: ApprovalRequest, changes: Partial<RawSql> = {}): RawSql {
  const { principal, session, target, text, reasonGiven } = request;
  return {
    protocol: 'postgres',
    sql: text,
    fromSql: false,
    prepared: [],
    parameters: [],
    inTransaction: false,
    unsettled: false,
    principal: { ...principal, expiresAtMs: 3_600_000 },
    session,
    target,
    reasonGiven,
    state: {
      searchPath: ['pg_catalog', 'public'],
      sessionUser: 'app',
      currentUser: 'app',
      tempRelations: [],
      tempCode: false,
      settings: [],
      prepared: [],
      version: '0'.repeat(64),
    },
    pinned: [],
    catalog: { version: 'c'.repeat(64), dump: () => Promise.reject(new Error('nobody reads this catalog')) },
    ...changes,
  };
}

/** Dana's approval at one second. */
export function aVote(changes: Partial<Vote> = {}): Vote {
  return {
    person: 'dana@bank.example',
    groups: ['demo/dba'],
    answer: 'approve',
    reason: 'looks right',
    atMs: 1_000,
    channel: 'page',
    idToken: 'token-of-dana',
    ...changes,
  };
}
