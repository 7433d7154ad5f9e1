/**
 * The entries of a writer's spine: what sessions it opened, how far each has come, how it ended, and what it found of the
 * writers before it. The batches of spines are the leaves of the tree that checkpoints sign, so what is named here cannot
 * go missing unseen.
 */
import type { SessionEvent } from './event.ts';

/** The last whole batch of a chain; batch -1 with `prev` of a first batch where there is none. */
export type ChainHead = { readonly batch: number; readonly hash: string };

/** Bytes behind the last whole batch. */
export type TornTail = { readonly bytes: number; readonly sha256: string };

/** Content that was released and recorded by its hash, and died with its writer: of how many batches, and how much. */
export type LostContent = { readonly batches: number; readonly bytes: number };

export type SpineEvent =
  | {
      readonly type: 'writer.opened';
      readonly writer: string;
      readonly boot: string;
      /** Fingerprint of the key that this writer seals with; absent where a sealer elsewhere signs. */
      readonly key?: string;
      readonly program: string;
      /** Writers that no writer before has named, and where they stood. */
      readonly previous: readonly { readonly writer: string; readonly head: ChainHead }[];
    }
  /** Written before the session's first batch. */
  | { readonly type: 'recording.opened'; readonly session: string; readonly day: string }
  /** Every segment before `segment` is in the evidence; where a journal comes before segments, `segment` itself may not be yet. */
  | { readonly type: 'recording.head'; readonly session: string; readonly segment: number; readonly head: ChainHead }
  | {
      readonly type: 'recording.closed';
      readonly session: string;
      readonly segment: number;
      readonly head: ChainHead;
      readonly abnormal: boolean;
      readonly reason: string;
      /** Control totals: what the recording must hold. */
      readonly events: number;
      readonly contentBytes: number;
      readonly statements: number;
      readonly rows: number;
      readonly bytes: number;
    }
  /**
   * Another writer ended this session's recording, at its last whole batch. `segment` is its last one; where that is a torn
   * segment with lost content, `lost` says exactly how much.
   */
  | {
      readonly type: 'recording.sealed';
      readonly session: string;
      readonly writer: string;
      readonly segment: number;
      readonly head: ChainHead;
      readonly torn?: TornTail;
      readonly lost?: LostContent;
      readonly abnormal: true;
      readonly reason: string;
    }
  /** Another writer ended this one; its spine must not grow any more. */
  | { readonly type: 'writer.fenced'; readonly writer: string; readonly head: ChainHead; readonly torn?: TornTail }
  /** The checkpoint of the seal before this one: SHA-256 over its file. */
  | { readonly type: 'checkpoint.signed'; readonly size: number; readonly day: string; readonly sha256: string }
  /** The sealer met this writer for the first time; what it runs, as it registered. */
  | { readonly type: 'writer.seen'; readonly writer: string; readonly image: string }
  /** What became of a request for people's answer, as the approvals' own process read it; what was done with it is in recordings. */
  | {
      readonly type: 'approval.closed';
      readonly approval: string;
      readonly digest: string;
      readonly principal: string;
      readonly human?: string;
      readonly owner?: string;
      readonly target: string;
      readonly bundle: string;
      readonly policies: readonly string[];
      readonly outcome: 'approved' | 'rejected' | 'expired' | 'withdrawn';
      readonly requestedAt: string;
      readonly expiresAt: string;
      readonly votes: readonly {
        readonly person: string;
        readonly groups: readonly string[];
        readonly answer: 'approve' | 'reject';
        readonly channel: string;
        readonly reason: string;
        readonly at: string;
      }[];
    }
  /** The sealer did not come to the end of every journal this time. */
  | { readonly type: 'seal.behind' }
  /** A journal does not continue at this commit: the sealer puts nothing under the tree from there on. */
  | { readonly type: 'journal.broken'; readonly writer: string; readonly commit: number }
  | { readonly type: 'writer.closed'; readonly writer: string }
  | (SessionEvent & { readonly type: 'session.refused' });
