/** What the sweeper needs from outside to end a dead writer. */
import type { JournalCommit } from '../../core/evidence/journal.ts';
import type { WriterItem } from '../../core/state/control.ts';
import type { SealedWriter } from '../../core/state/sealed-writer.ts';

/** An item of the writers table with the version under which it was read. */
export type StoredWriter = { readonly v: number; readonly item: WriterItem };

export interface WriterItems {
  list(): Promise<readonly StoredWriter[]>;
  /** Puts the item of a new writer where there is none. */
  register(item: WriterItem): Promise<void>;
  /** Marks it fenced; false where somebody changed it meanwhile. */
  fenced(writer: StoredWriter): Promise<boolean>;
}

export interface JournalAppender {
  /** Writes where nothing stands. `taken`: something else does. The same commit standing there already is a lost answer: `written`. */
  append(commit: JournalCommit): Promise<'written' | 'taken'>;
  /** Puts a tombstone where nothing stands; one of the same sweeper is `written` too. */
  fence(writer: string, seq: number, by: string): Promise<'written' | 'taken'>;
}

export interface SealPositions {
  /** How far the sealer has come; undefined where it never met the writer. */
  read(writer: string): Promise<SealedWriter | undefined>;
}

/** The sessions that the console lists as live. */
export interface LiveSessions {
  list(writer: string): Promise<readonly string[]>;
  remove(writer: string, session: string): Promise<void>;
}

export interface RecordingFiles {
  /** Paths of all segments of one recording. */
  list(day: string, session: string): Promise<readonly string[]>;
}

export interface StagedLines {
  /** Undefined where there is none. */
  read(key: string): Promise<Buffer | undefined>;
}
