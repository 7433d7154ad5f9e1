/** How the data path records. Owned by core because proxy, standalone and sealer share it; adapters live in each deployable. */
import { SallyportError } from '../errors.ts';
import type { SessionEvent } from './event.ts';

/** Nothing can be recorded: the statement is refused and the session ends (ZG030). */
export class RecorderUnavailable extends SallyportError {
  readonly code = 'ZG030';
}

export interface Recorder {
  /**
   * Starts the recording of one session; its first event must be `session.opened`. With `digest`, released bytes are
   * counted and hashed but not kept (`recordRows` of the target). Throws RecorderUnavailable.
   */
  open(sessionId: string, rows?: 'rows' | 'digest'): SessionRecorder;
  /** Records what has no session: refused logins. Never throws; a failure makes the next `open` throw. */
  recordRefusal(event: SessionEvent & { readonly type: 'session.refused' }): void;
}

/**
 * `written` survives the death of this process; `durable` also the death of the machine. Either way the record is
 * accepted before `done` is called without an error. `done` may be called before `flush` returns; calls are in order.
 */
export type Durability = 'written' | 'durable';

export interface SessionRecorder {
  /** Adds an event to the batch in hand; its number. Cheap: nothing is written until `flush`. */
  append(event: SessionEvent): number;
  /** Adds released bytes to the batch in hand. The bytes are copied or hashed before this returns. */
  appendContent(source: Buffer, start: number, end: number): void;
  flush(durability: Durability, done: (error?: Error) => void): void;
  /** Flushes, then seals the recording. Resolves when it is durable. */
  close(event: SessionEvent & { readonly type: 'session.closed' }): Promise<void>;
}
