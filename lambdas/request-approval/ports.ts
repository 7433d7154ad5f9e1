/** What storing a request needs from outside. */
import type { ApprovalRequest } from '../../core/approval/approval.ts';
import type { FoundApproval } from '../../core/approval/approval-items.ts';
import type { Config } from '../../core/config/config.ts';
import type { Bundle } from '../../core/policy/bundle.ts';
import type { ReadExec } from '../../core/statement/host/host-reading.ts';

/** A list of approvals' ids; `v` 0 where there is none yet. */
export type IdList = { readonly v: number; readonly ids: readonly string[] };

export interface RequestStore {
  /** Approvals that have a request, in the order of `ids`. */
  read(ids: readonly string[]): Promise<readonly FoundApproval[]>;
  list(item: string): Promise<IdList>;
  /** False where the list is not at version `v` any more. */
  putList(item: string, v: number, ids: readonly string[]): Promise<boolean>;
  /** What stands under the id afterwards: this request, or the one that was there before. */
  put(request: ApprovalRequest): Promise<ApprovalRequest>;
  /** Puts the approval on the list of what is to be closed one day, whatever becomes of its workflow. */
  markDue(id: string, nowMs: number): Promise<void>;
}

export type StoringPorts = {
  readonly store: RequestStore;
  /** Starts the workflow under the id of the approval; that it was started before is fine. */
  readonly start: (id: string) => Promise<unknown>;
  readonly now: () => number;
  /** A workflow that could not be started: the sweep does it again. */
  readonly notStarted: (id: string, error: unknown) => void;
};

export type ReadingPorts = {
  readonly inForce: () => Promise<{ readonly config: Config; readonly bundle: Bundle }>;
  /** A dump of a target's catalog; undefined where there is none of this version. */
  readonly catalog: (target: string, version: string) => Promise<string | undefined>;
  /** Reads command lines as sessions do. */
  readonly readExec: () => Promise<ReadExec>;
  /** Keys the digests of requests. */
  readonly digestKey: () => Promise<Uint8Array>;
  readonly now: () => number;
  /** The statement is not what its holder says: an alarm, unless only a newer bundle is in force. */
  readonly differs: (id: string, what: string, reason: string) => void;
};
