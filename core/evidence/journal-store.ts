/** Where a recorder without a disk keeps what it records: a journal first, then segments. Adapters live in each deployable. */
import type { LiveSessionItem } from '../state/control.ts';
import type { JournalCommit } from './journal.ts';

export interface JournalStore {
  /**
   * Puts a commit where nothing stands; `written` also where this very commit stands already, after an answer that was lost.
   * `fenced` where anything else stands: another has ended this writer, and nothing more can be written. Throws where the
   * outcome is not known; the caller puts the same commit again.
   */
  put(commit: JournalCommit): Promise<'written' | 'fenced'>;
}

export interface SegmentStore {
  /**
   * Puts a whole object of evidence where none stands; also resolves where the very same bytes stand already. Throws where it
   * is not known to stand; the caller puts the same bytes again.
   */
  put(path: string, bytes: Buffer): Promise<void>;
}

export interface StagingStore {
  /** Keeps the line of a batch that is too large for a commit. Resolves when it stands; the caller may put it again. */
  put(key: string, bytes: Buffer): Promise<void>;
}

export interface LiveSessions {
  /** Tells others that this session lives here. */
  put(item: LiveSessionItem): Promise<void>;
  remove(writer: string, session: string): Promise<void>;
}

/** Key of a staged line in the staging bucket. */
export function stagedLineKey(writer: string, session: string, batch: number): string {
  return `large/${writer}/${session}/${String(batch).padStart(12, '0')}`;
}
