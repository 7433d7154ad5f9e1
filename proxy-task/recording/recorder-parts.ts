/** What the sessions of one journal recorder share. */
import type { ContentPool } from '../../core/evidence/content-pool.ts';
import type { SessionEvent } from '../../core/evidence/event.ts';
import type { SegmentStore, StagingStore } from '../../core/evidence/journal-store.ts';
import type { Stamps } from '../../core/evidence/stamps.ts';
import type { Clock } from '../ports.ts';
import type { CommitQueue } from './commit-queue.ts';
import type { JournalSpine } from './journal-spine.ts';
import type { Slots } from './slots.ts';
import type { UnsealedMemory } from './unsealed-memory.ts';

export type RecorderParts = {
  readonly writer: string;
  readonly clock: Clock;
  readonly stamps: Stamps;
  readonly pool: ContentPool;
  readonly queue: CommitQueue;
  readonly spine: JournalSpine;
  readonly memory: UnsealedMemory;
  readonly segments: SegmentStore;
  readonly staging: StagingStore;
  /** Segments that are put at the same time. */
  readonly slots: Slots;
  /** Told of an attempt that failed and is made again. */
  readonly problem: (error: unknown) => void;
  /** Makes a session known to others, or rejects. */
  readonly register: (event: SessionEvent & { readonly type: 'session.opened' }, day: string) => Promise<void>;
  readonly unregister: (session: string) => void;
  /** The recording of this session has ended and is sealed. */
  readonly sessionEnded: (session: string) => void;
  /** Too much is held: the sessions that hold most put their segments early. */
  readonly crowded: () => void;
};
