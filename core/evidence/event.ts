/** The events of a session, in the order in which they are recorded (design §9). One JSON Schema each in `schemas/`. */
import type { Effect } from '../statement/effect.ts';
import type { ChannelEvent } from './channel-event.ts';

/** Fields that the recorder adds to each event: its number in the session, wall clock and monotonic clock. */
export type RecordedEvent = SessionEvent & { readonly seq: number; readonly at: string; readonly monoUs: number };

export type SessionEvent =
  | ChannelEvent
  | {
      readonly type: 'session.opened';
      readonly protocol: 'postgres' | 'ssh';
      readonly session: string;
      readonly writer: string;
      readonly principal: {
        readonly issuer: string;
        readonly agent: string;
        readonly human?: string;
        readonly owner?: string;
        readonly groups: readonly string[];
        readonly tokenId?: string;
        readonly expiresAt: string;
      };
      readonly target: string;
      readonly database: string;
      readonly label: string;
      readonly source: string;
      readonly tls: string;
      readonly applicationName: string;
      readonly bundle: string;
      readonly serverVersion: string;
      readonly policies: readonly string[];
    }
  | {
      readonly type: 'session.refused';
      readonly source: string;
      readonly label: string;
      readonly target: string;
      readonly reason: string;
      readonly principal?: string;
    }
  | { readonly type: 'credential.issued'; readonly credential: string; readonly role: string }
  | {
      readonly type: 'statement.judged';
      readonly statement: number;
      /** Keyed HMAC over the exact bytes and parameters. */
      readonly digest: string;
      /** Redacted text; long texts are cut and say so in `textBytes`. */
      readonly text: string;
      readonly textBytes: number;
      /** How it came: a simple or an extended query, EXECUTE in SQL, or a channel of SSH. */
      readonly protocol: 'simple' | 'extended' | 'sql' | 'ssh';
      /** Redacted parameters as text, null where NULL; absent when there are none. */
      readonly parameters?: readonly (string | null)[] | undefined;
      readonly decision: 'permit' | 'approve' | 'block';
      readonly code?: string | undefined;
      readonly reason: string;
      readonly policies: readonly string[];
      readonly bundle: string;
      readonly effects: readonly Effect[];
      readonly facts: {
        readonly unbounded: boolean;
        readonly fullExport: boolean;
        readonly rows: number;
        readonly opaque: boolean;
        readonly inTransaction: boolean;
      };
      readonly masked: readonly string[];
      readonly reasonGiven?: string | undefined;
    }
  /** The intent: recorded before the bytes go upstream. */
  | { readonly type: 'statement.sent'; readonly statement: number; readonly approval?: string }
  /** Released content: `content` bytes at `offset` of the session's content, hashed with its batch. */
  | {
      readonly type: 'rows.released';
      readonly statement: number;
      readonly rows: number;
      readonly bytes: number;
      readonly masked: readonly string[];
      readonly detected: number;
    }
  | {
      readonly type: 'statement.completed';
      readonly statement: number;
      readonly tag: string;
      readonly rows: number;
      readonly durationUs: number;
      readonly outcome: 'ok' | 'suspended' | 'error' | 'unknown';
    }
  | {
      readonly type: 'error';
      readonly statement?: number;
      readonly code: string;
      readonly severity: string;
      readonly message: string;
      readonly from: 'gateway' | 'target';
    }
  | { readonly type: 'copy.received'; readonly statement: number; readonly bytes: number; readonly rows: number; readonly sha256: string }
  | {
      readonly type: 'approval.requested';
      readonly statement: number;
      readonly approval: string;
      readonly digest: string;
      readonly expiresAt: string;
      readonly mode: 'wait' | 'failfast';
    }
  | {
      readonly type: 'approval.decided';
      readonly approval: string;
      readonly outcome: 'approved' | 'rejected' | 'expired' | 'withdrawn';
      readonly approvers: readonly { readonly person: string; readonly group: string; readonly at: string; readonly issuer: string }[];
      readonly reason: string;
      readonly requestBundle: string;
      readonly bundle: string;
    }
  | { readonly type: 'approval.claimed'; readonly statement: number; readonly approval: string }
  | { readonly type: 'transaction'; readonly status: 'I' | 'T' | 'E' }
  | { readonly type: 'bundle.changed'; readonly from: string; readonly to: string }
  | { readonly type: 'setting'; readonly name: string; readonly value: string }
  | { readonly type: 'cancel.requested'; readonly statement?: number }
  | {
      readonly type: 'session.closed';
      readonly reason: string;
      readonly code?: string;
      readonly abnormal: boolean;
      readonly statements: number;
      readonly rows: number;
      readonly bytes: number;
    };
