/**
 * What speaks inside a channel: sftp, scp, rsync, git, or bytes of a program. A protocol is a machine: bytes and answers in,
 * actions out; it knows no sockets, promises or timers. Everything it passes on it has understood, or the channel's own
 * decision covers it.
 */
import type { HostOperation } from '../../core/statement/host/host-operation.ts';
import type { ChannelEvent } from '../../core/evidence/channel-event.ts';

/** Chunks are the protocol's own from the call on: it may keep them, and write into them. */
export interface ChannelProtocol {
  /** What the agent sends on the channel. */
  fromClient(chunk: Buffer): void;
  /** What the host sends: its standard output, or its standard error. */
  fromTarget(chunk: Buffer, stream: 'stdout' | 'stderr'): void;
  clientEnded(): void;
  targetEnded(): void;
  /** The answer to an operation that was asked. */
  answered(ask: number, answer: ChannelAnswer): void;
  /** Whether the client is still to be heard though the host has ended: then the protocol ends the channel itself, by `refuse`. */
  readonly isDraining?: boolean;
}

/**
 * `statement` is the number under which the operation is on record: its verdict and, where it runs, its intent are written when
 * this arrives. What runs is said to be `completed` once its outcome is known.
 */
export type ChannelAnswer =
  | { readonly kind: 'run'; readonly statement: number }
  | { readonly kind: 'refused'; readonly statement: number; readonly code: string; readonly message: string };

/** What a protocol does with its channel. Bytes are copied by the callee before the call returns, or owned by it from then on. */
export interface ChannelActions {
  toTarget(bytes: Buffer): void;
  /**
   * With `scan` they are text of a program: through the detectors and into the recording. Without, they are a transfer, whose
   * protocol scans it and records what it was by `record`. Either way they leave after all that was recorded before.
   */
  toClient(bytes: Buffer, options: { readonly scan: boolean }): void;
  endTarget(): void;
  /** Judges, and holds for people where policy says so; `answered` is called once, later, with the same number. */
  ask(ask: number, operation: HostOperation): void;
  /** What the host itself says a path is; undefined where it cannot say. `resolved` is called once, later. */
  resolve(path: string, resolved: (real: string | undefined) => void): void;
  record(event: ChannelEvent): void;
  /** The outcome of an operation that ran; one that is never told is recorded as `unknown` when the channel ends. */
  completed(statement: number, outcome: 'ok' | 'error' | 'unknown'): void;
  /** A refusal that the protocol has no words for: on standard error and on record; the channel goes on. */
  tell(code: string, message: string, statement: number | undefined): void;
  /** Stops reading from the client until `resumeClient`: what it sent before waits. */
  pauseClient(): void;
  resumeClient(): void;
  /** Ends the channel: the reason on standard error, exit status 77. For a channel without standard error, the status alone. */
  refuse(code: string, message: string): void;
}
