/**
 * Writers that live for a few entries: they have no lease and no sessions, only a journal with a spine. What they record is
 * sealed like everything else. Their item stands in the table of writers before their first commit, or no sealer would look.
 */
import type { WriterItem } from '../state/control.ts';
import { commitHash, encodeRecords, type JournalCommit } from './journal.ts';
import type { JournalPosition } from './journal-chain.ts';

/** The slot of a writer that takes no cancels: those of tasks start at 1. */
export const NO_SLOT = 0;

/** The item of such a writer; `image` is what it runs, or `none`. */
export function shortWriterItem(writer: string, atMs: number): WriterItem {
  return { writer, slot: NO_SLOT, state: 'closed', leaseUntilMs: Math.trunc(atMs), nextSeq: 0, generation: 0, image: 'none' };
}

/** The commit at `position` with these lines of the writer's spine. */
export function spineCommit(writer: string, position: Pick<JournalPosition, 'nextSeq' | 'prev'>, lines: readonly Buffer[]): JournalCommit {
  const body = encodeRecords(lines.map((line) => ({ kind: 'spine', line })));
  const commit = { writer, seq: position.nextSeq, prev: position.prev, body, needed: position.nextSeq };
  return { ...commit, hash: commitHash(commit) };
}
