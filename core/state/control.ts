/**
 * What deployables tell each other through the state tables. Each item has one writer by role: the proxy cannot write what it
 * obeys. Items keep their value as JSON in one attribute; these are its shapes.
 */

/** Item `bundle` of the control table: written by `activate-bundle` alone. */
export type BundlePointer = {
  /** `Bundle.version`. */
  readonly version: string;
  /** `filesDigest` of the published files. */
  readonly digest: string;
  readonly activatedBy: string;
  readonly activatedAtMs: number;
  /** By the key for bundles over `activationText`: whoever can write the table still puts nothing in force. */
  readonly signature: string;
};

/** Item `locks` of the control table: written by the console alone. */
export type LockList = {
  readonly locks: readonly { readonly subject: string; readonly by: string; readonly reason: string; readonly lockedAtMs: number }[];
};

/** Item `mail#<writer>` of the control table: the console asks a task for something. Entries are kept for minutes. */
export type Mail = { readonly entries: readonly MailEntry[] };

export type MailEntry = {
  /** Unguessable; a task does each entry once. */
  readonly id: string;
  readonly atMs: number;
} & (
  | { readonly kind: 'end'; readonly session: string; readonly by: string; readonly reason: string }
  /** The task verifies the token itself: who can write the table can still not extend a session. */
  | { readonly kind: 'renew'; readonly session: string; readonly token: string }
);

/** Item `cancels#<slot>` of the cancels table: a CancelRequest that landed on another task. */
export type CancelMail = {
  readonly entries: readonly { readonly id: string; readonly atMs: number; readonly processId: number; readonly secretHex: string }[];
};

/** A session that lives on some task: an item of the sessions table under (writer, session), put before it opens. */
export type LiveSessionItem = {
  readonly session: string;
  readonly writer: string;
  readonly principal: string;
  readonly human?: string;
  readonly owner?: string;
  readonly target: string;
  readonly source: string;
  readonly openedAtMs: number;
  /** The day under which its evidence stands. */
  readonly day: string;
};

/** Item `writer#<id>` of the writers table. A lease that has run out may be fenced. */
export type WriterItem = {
  readonly writer: string;
  /** For cancel keys: no two live tasks have the same. */
  readonly slot: number;
  readonly state: 'live' | 'closed' | 'fenced';
  readonly leaseUntilMs: number;
  /** The next commit was at least this one when the lease was renewed. */
  readonly nextSeq: number;
  /** Deployment that the task belongs to; the newest drains the others. */
  readonly generation: number;
  /** Digest of the container image, named in checkpoints. */
  readonly image: string;
};

export const LEASE_MS = 20_000;

export const BUNDLE_ITEM = 'bundle';
export const LOCKS_ITEM = 'locks';
export const mailItem = (writer: string): string => `mail#${writer}`;
export const cancelsItem = (slot: number): string => `cancels#${slot}`;
export const writerItem = (writer: string): string => `writer#${writer}`;
export const slotItem = (slot: number): string => `slot#${slot}`;
/** Item of the writers table with the newest generation that has started. */
export const GENERATION_ITEM = 'generation';
