/** What counting a vote needs from outside. */
import type { FoundApproval } from '../../core/approval/approval-items.ts';
import type { StoredDecision } from '../../core/approval/stored-approval.ts';
import type { VerifyIdToken } from '../../core/approval/votes.ts';

export interface DecisionStore {
  read(id: string): Promise<FoundApproval | undefined>;
  /** False where the decision is not at version `v` any more. */
  put(id: string, v: number, decision: StoredDecision): Promise<boolean>;
}

/** Where the workflow of an approval waits. */
export interface TaskTokens {
  /** Undefined where it does not wait yet, or no more. */
  find(id: string): Promise<string | undefined>;
}

/** Tells a waiting workflow that people have decided; that it waits no more is fine. */
export type CompleteTask = (taskToken: string, id: string) => Promise<void>;

export type DecidePorts = {
  readonly store: DecisionStore;
  readonly tokens: TaskTokens;
  readonly complete: CompleteTask;
  /** By the approvers' issuers of the bundle in force; rejects where none can be read, which is no fault of a sign-in. */
  readonly verifier: () => Promise<VerifyIdToken>;
  readonly now: () => number;
  /** A workflow that could not be told: the sweep does it. */
  readonly notDelivered: (id: string, error: unknown) => void;
};
