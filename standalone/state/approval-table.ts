/** Approvals as rows of `state.db`. Called inside a transaction. */
import type { Approval, ApprovalRequest, ApprovalState, Vote } from '../../core/approval/approval.ts';
import { deadlineMs } from '../../core/approval/lifecycle.ts';
import { numberColumn, optionalNumberColumn, optionalTextColumn, StateUnusable, textColumn, type StateDatabase } from './state-database.ts';

/** An approval with the version of its row, on which the next write depends. */
export type StoredApproval = { readonly approval: Approval; readonly version: number };

const STATES: readonly ApprovalState[] = ['pending', 'approved', 'rejected', 'expired', 'withdrawn', 'claimed'];

const SELECT = `SELECT r.id, r.body, s.version, s.state, s.decided_at, s.withdrawal, s.claim
  FROM approval_request r JOIN approval_state s ON s.approval = r.id`;

/** Rows in and out; no rule of the lifecycle is here. */
export class ApprovalTable {
  readonly #db: StateDatabase;

  constructor(db: StateDatabase) {
    this.#db = db;
  }

  insert(approval: Approval, principal: string): void {
    const { request } = approval;
    this.#db
      .prepare('INSERT INTO approval_request (id, digest, principal, requested_at, body) VALUES (?, ?, ?, ?, ?)')
      .run(request.id, request.digest, principal, request.requestedAtMs, JSON.stringify(request));
    this.#db
      .prepare('INSERT INTO approval_state (approval, version, state, deadline) VALUES (?, 0, ?, ?)')
      .run(request.id, approval.state, deadlineMs(approval) ?? null);
  }

  load(id: string): StoredApproval | undefined {
    const row: unknown = this.#db.prepare(`${SELECT} WHERE r.id = ?`).get(id);
    return row === undefined ? undefined : { approval: this.#approvalOf(row), version: numberColumn(row, 'version') };
  }

  /** Writes the state, and the votes that are new. Throws when the row is not the one that was read. */
  update(stored: StoredApproval, next: Approval): void {
    const { id } = next.request;
    const { changes } = this.#db
      .prepare(
        'UPDATE approval_state SET version = version + 1, state = ?, deadline = ?, decided_at = ?, withdrawal = ?, claim = ? WHERE approval = ? AND version = ?',
      )
      .run(
        next.state,
        deadlineMs(next) ?? null,
        next.decidedAtMs ?? null,
        next.withdrawal === undefined ? null : JSON.stringify(next.withdrawal),
        next.claim === undefined ? null : JSON.stringify(next.claim),
        id,
        stored.version,
      );
    if (changes !== 1) throw new StateUnusable('state.db: an approval changed under our hands');
    const insert = this.#db.prepare('INSERT INTO approval_vote (approval, seq, body) VALUES (?, ?, ?)');
    for (const [seq, vote] of next.votes.entries()) {
      if (seq >= stored.approval.votes.length) insert.run(id, seq, JSON.stringify(vote));
    }
  }

  byDigest(digest: string): readonly Approval[] {
    return this.#db
      .prepare(`${SELECT} WHERE r.digest = ? ORDER BY r.requested_at DESC, r.id DESC`)
      .all(digest)
      .map((row) => this.#approvalOf(row));
  }

  newest(filter: { readonly open: boolean; readonly limit: number }, nowMs: number): readonly Approval[] {
    const open = filter.open ? 'WHERE s.deadline > ?' : 'WHERE ? IS NOT NULL';
    return this.#db
      .prepare(`${SELECT} ${open} ORDER BY r.requested_at DESC, r.id DESC LIMIT ?`)
      .all(nowMs, filter.limit)
      .map((row) => this.#approvalOf(row));
  }

  countPending(principal: string, nowMs: number): number {
    const row: unknown = this.#db
      .prepare(
        `SELECT count(*) AS pending FROM approval_request r JOIN approval_state s ON s.approval = r.id
         WHERE r.principal = ? AND s.state = 'pending' AND s.deadline > ?`,
      )
      .get(principal, nowMs);
    return numberColumn(row, 'pending');
  }

  /** Approvals whose deadline has come and is not yet stored. */
  due(nowMs: number): readonly string[] {
    return this.#db
      .prepare('SELECT approval FROM approval_state WHERE deadline <= ?')
      .all(nowMs)
      .map((row) => textColumn(row, 'approval'));
  }

  nearestDeadline(): number | undefined {
    return optionalNumberColumn(this.#db.prepare('SELECT min(deadline) AS nearest FROM approval_state').get(), 'nearest');
  }

  /** Claims whose execution is under way. */
  running(): readonly string[] {
    return this.#db
      .prepare(`SELECT approval FROM approval_state WHERE state = 'claimed' AND json_extract(claim, '$.outcome.result') = 'running'`)
      .all()
      .map((row) => textColumn(row, 'approval'));
  }

  #approvalOf(row: unknown): Approval {
    // The bodies are what this class wrote from values of these types; the columns beside them are checked.
    const { sql, ...body } = JSON.parse(textColumn(row, 'body')) as ApprovalRequest & { readonly sql?: string };
    // Before there were hosts, every request was an SQL statement and said so; requests are never changed afterwards.
    const request: ApprovalRequest = sql === undefined ? body : { ...body, protocol: 'postgres', text: sql };
    const votes = this.#db
      .prepare('SELECT body FROM approval_vote WHERE approval = ? ORDER BY seq')
      .all(textColumn(row, 'id'))
      .map((vote) => JSON.parse(textColumn(vote, 'body')) as Vote);
    const state = STATES.find((known) => known === textColumn(row, 'state'));
    if (state === undefined) throw new StateUnusable('state.db: an approval is in no known state');
    const decidedAtMs = optionalNumberColumn(row, 'decided_at');
    const withdrawal = optionalTextColumn(row, 'withdrawal');
    const claim = optionalTextColumn(row, 'claim');
    return {
      request,
      state,
      votes,
      ...(decidedAtMs === undefined ? {} : { decidedAtMs }),
      // As above: written by `update` from the same types.
      ...(withdrawal === undefined ? {} : { withdrawal: JSON.parse(withdrawal) as NonNullable<Approval['withdrawal']> }),
      ...(claim === undefined ? {} : { claim: JSON.parse(claim) as NonNullable<Approval['claim']> }),
    };
  }
}
