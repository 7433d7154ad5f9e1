/** What closing an approval needs from outside. */
import type { Approval } from '../../core/approval/approval.ts';
import type { JournalCommit } from '../../core/evidence/journal.ts';
import type { WriterItem } from '../../core/state/control.ts';

/** The record of outcomes: a writer of its own for each approval, in the journal that the sealer reads. */
export interface OutcomeRecord {
  /** Puts the item of a writer where there is none: without it no sealer looks for its journal. */
  register(item: WriterItem): Promise<void>;
  /** Writes where nothing stands; what stands there already is an earlier record of the same outcome. */
  append(commit: JournalCommit): Promise<void>;
}

export type ClosePorts = {
  /** As stored: times are judged by the caller. */
  readonly approval: (id: string) => Promise<Approval | undefined>;
  /** First of claimed, withdrawn, expired; false where another was first. */
  readonly expire: (id: string, atMs: number) => Promise<boolean>;
  readonly record: OutcomeRecord;
  readonly clock: { now(): number; monoUs(): number };
  /** Version of the program, and random name of this start, for the record. */
  readonly program: string;
  readonly boot: string;
};
