/** What the sealer needs from outside. */
import type { Signer } from '../../core/evidence/checkpoint.ts';
import type { JournalEntry } from '../../core/evidence/journal-item.ts';
import type { WriterItem } from '../../core/state/control.ts';

export interface JournalReader {
  /**
   * What stands at `fromSeq` and behind it, at most `limit` entries, without gaps: it stops before the first place where nothing
   * stands. Consistent.
   */
  read(writer: string, fromSeq: number, limit: number): Promise<readonly JournalEntry[]>;
}

export interface WriterDirectory {
  /** Every writer that the table knows. */
  list(): Promise<readonly WriterItem[]>;
}

/** An item of the seal table: its version and its value, not yet checked. */
export type SealItem = { readonly v: number; readonly body: unknown };

export interface SealState {
  get(ids: readonly string[]): Promise<ReadonlyMap<string, SealItem>>;
  /** Writes where an older version stands, or none; false where that version or a newer one does. */
  put(id: string, v: number, body: unknown): Promise<boolean>;
}

export interface EvidenceStore {
  /**
   * Puts a whole object where none stands. `present`: the very same bytes stand there, as after a lost answer. `taken`: other bytes
   * do, and they stay.
   */
  put(path: string, bytes: Buffer): Promise<'written' | 'present' | 'taken'>;
  /** Undefined where there is none. */
  read(path: string): Promise<Buffer | undefined>;
}

export interface SignerSource {
  /** Throws where the key cannot be used now. */
  signer(): Promise<Signer>;
}

/** Whoever keeps checkpoints outside, so that a rewrite of everything shows. */
export interface CheckpointHolder {
  keep(path: string, note: string): Promise<void>;
}

export interface SealClock {
  now(): number;
  monoUs(): number;
}
