/** What the console needs from the tables, beside what it needs on one machine. */
import type { ApprovalDesk, Ballot } from '../../console/ports.ts';
import type { BallotAnswer } from '../../core/approval/ballot-answer.ts';
import type { LiveSessionItem, MailEntry } from '../../core/state/control.ts';
import type { Principal } from '../../core/principal.ts';
import { SallyportError } from '../../core/errors.ts';

export type { ApprovalDesk, LiveSession, LockDirectory, SessionDirectory, SessionRenewal, SignInStore } from '../../console/ports.ts';

/** Sessions on tasks whose lease has not run out. */
export interface LiveSessions {
  /** At most `limit`; `more` when there are others. */
  list(limit: number): Promise<{ readonly sessions: readonly LiveSessionItem[]; readonly more: boolean }>;
  find(session: string): Promise<LiveSessionItem | undefined>;
  /** How many are of this principal or person: as the agent, the human it acts for, or its owner. */
  count(subject: string): Promise<number>;
}

export interface Mailbox {
  /** Puts the entry where the task reads it within a second. Throws MailboxFull, StateBusy. */
  post(writer: string, entry: MailEntry): Promise<void>;
}

/** Nothing more fits until the task has taken up, or the time has taken away, what is there. */
export class MailboxFull extends SallyportError {
  readonly code = 'mailbox-full';
}

/** Others write the same item faster than we read it. */
export class StateBusy extends SallyportError {
  readonly code = 'state-busy';
}

/** An item that another deployable wrote is not what it should be: nothing is concluded from it, and nothing written over it. */
export class StateDamaged extends SallyportError {
  readonly code = 'state-damaged';
}

export interface TokenVerifier {
  /** Throws TokenRefused. */
  verify(token: string): Promise<Principal>;
}

/** Approvals as they stand now. Both throw FieldMalformed for items that the gateway does not write. */
export type ApprovalReader = Pick<ApprovalDesk, 'read' | 'list'>;

/** The function that counts votes cannot be asked, or has failed: whether a vote was counted shows on the page. */
export class DecisionUnavailable extends SallyportError {
  readonly code = 'decision-unavailable';
}

export interface DecideApproval {
  /** Throws DecisionUnavailable. */
  decide(id: string, ballot: Ballot): Promise<BallotAnswer>;
}
