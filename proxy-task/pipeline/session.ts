/** The life of one session, whatever it speaks: what it was opened with, all that may end it, and an end that is on record before it is told. */
import type { VerifyIdToken } from '../../core/approval/votes.ts';
import { RecorderUnavailable, type SessionRecorder } from '../../core/evidence/recorder.ts';
import type { Principal } from '../../core/principal.ts';
import type { Target } from '../../core/target.ts';
import type { ApprovalGate, BundleSource, Clock, Control } from '../ports.ts';
import { SessionBudgets } from './session-budgets.ts';

/** Whether something took effect on the target that the client was not told about. */
export type Executed = 'no' | 'yes' | 'unknown';

/** Why a session ends, with the code and in the words of its protocol. */
export type EndRefusal = { readonly code: string; readonly message: string; readonly severity?: 'ERROR' | 'FATAL' };

/** How a protocol words what may end any session. */
export type EndWords<R extends EndRefusal> = {
  readonly reconnect: (reason: string, executed?: Executed) => R;
  readonly endedByOperator: (by: string, reason: string, executed: Executed) => R;
  readonly recorderFailed: (executed: Executed) => R;
};

export type SessionOptions<T extends Target> = {
  readonly id: string;
  readonly writer: string;
  readonly principal: Principal;
  readonly target: T;
  readonly bundles: BundleSource;
  /** Holds `session.opened` already. */
  readonly recorder: SessionRecorder;
  readonly gate: ApprovalGate;
  readonly verifyIdToken: VerifyIdToken;
  readonly control: Control;
  readonly clock: Clock;
  /** Link of the approval page of an id. */
  readonly approvalUrl: (id: string) => string;
  /** How long what runs may go on after the token expired; half a minute where it is not said. */
  readonly expiryGraceMs: number | undefined;
  /** The recording is closed, or cannot be. */
  readonly onClosed: () => void;
  /** A bug: told to the operator's log, never to the client. */
  readonly onError: (error: unknown) => void;
};

/** Tells the client `refusal` and closes its connection. What waited for its record may be sent only where `isRecorded`. */
export type Parting<R> = (refusal: R | undefined, isRecorded: boolean) => void;

const EXPIRY_GRACE_MS = 30_000;
const EXPIRED = 'the token or the session has expired';

export abstract class Session<T extends Target, R extends EndRefusal> {
  readonly id: string;
  readonly writer: string;
  readonly principal: Principal;
  readonly target: T;
  readonly recorder: SessionRecorder;
  readonly gate: ApprovalGate;
  readonly verifyIdToken: VerifyIdToken;
  readonly budgets: SessionBudgets;
  readonly clock: Clock;
  readonly approvalUrl: (id: string) => string;
  /** Statements numbered so far. */
  statementCount = 0;
  releasedRows = 0;
  releasedBytes = 0;

  /** Set by `end` alone: nothing is relayed any more. */
  protected ended = false;
  /** Past its time, and ends at its next boundary. */
  protected expired = false;
  /** The gateway stops, and the session ends at its next boundary. */
  protected draining = false;
  readonly #options: SessionOptions<T>;
  readonly #words: EndWords<R>;
  readonly #openedMs: number;
  #expiresAtMs: number;
  #lastActivityMs: number;
  #controlWatch: { stop(): void } | undefined;

  constructor(options: SessionOptions<T>, words: EndWords<R>) {
    this.#options = options;
    this.#words = words;
    this.id = options.id;
    this.writer = options.writer;
    this.principal = options.principal;
    this.target = options.target;
    this.recorder = options.recorder;
    this.gate = options.gate;
    this.verifyIdToken = options.verifyIdToken;
    this.clock = options.clock;
    this.approvalUrl = options.approvalUrl;
    this.#openedMs = options.clock.now();
    this.#lastActivityMs = this.#openedMs;
    this.#expiresAtMs = options.principal.expiresAtMs;
    this.budgets = new SessionBudgets({
      control: options.control,
      principal: options.principal,
      target: options.target,
      endsAtMs: () => this.#expiresAtMs,
    });
  }

  /** Begins to relay; from here on it may end at any time. */
  start(): void {
    this.#controlWatch = this.#options.control.watch({ id: this.id, principal: this.principal }, (by, reason) =>
      this.end(this.#words.endedByOperator(by, reason, this.executed()), `ended by ${by}: ${reason}`, false),
    );
    this.open();
  }

  /** The same principal has shown a newer token. */
  renew(expiresAtMs: number): void {
    this.#expiresAtMs = Math.max(this.#expiresAtMs, expiresAtMs);
    this.expired = false;
  }

  /** The gateway stops: the session ends at its next boundary. */
  drain(): void {
    this.draining = true;
    this.endAtBoundary();
  }

  /** The client or the target was heard: the session is not idle. */
  touch(): void {
    this.#lastActivityMs = this.clock.now();
  }

  /** Looks at the clocks of the session; called about once a second. */
  tick(nowMs: number): void {
    if (this.ended) return;
    const view = this.#options.control.view();
    if (view === 'lost') {
      this.end(this.#words.reconnect('the gateway cannot read its state', this.executed()), 'state cannot be read', true);
      return;
    }
    if (view === 'current') this.stateIsCurrent();
    if (this.ended) return;
    const deadlineMs = this.#deadlineMs();
    if (nowMs >= deadlineMs) {
      this.expired = true;
      if (nowMs < deadlineMs + (this.#options.expiryGraceMs ?? EXPIRY_GRACE_MS)) this.endAtBoundary();
      else this.end(this.#words.reconnect(EXPIRED, this.executed()), 'expired', false);
    } else if (nowMs - this.#lastActivityMs >= this.target.limits.idleMs && !this.isBusy()) {
      this.end(this.#words.reconnect('the session was idle for too long', this.executed()), 'idle', false);
    }
  }

  /** Ends the session: what runs is cut off, the recording is closed, the client is told, both connections close. */
  end(refusal: R | undefined, reason: string, abnormal: boolean): void {
    if (!this.#isFirstEnd()) return;
    const part = this.leave(refusal, reason, true);
    this.#close(refusal, reason, abnormal)
      .then(
        () => part(refusal, true),
        (error: unknown) => {
          // What could not be recorded is not sent: only the error goes out.
          part(this.#words.recorderFailed('unknown'), false);
          // The recorder itself tells why it failed.
          if (!(error instanceof RecorderUnavailable)) this.#options.onError(error);
        },
      )
      .catch(this.#options.onError)
      .finally(this.#options.onClosed);
  }

  /** Nothing can be recorded any more, so nothing may run; the client learns it without waiting for the recorder. */
  endUnrecorded(reason: string, executed: Executed = this.executed()): void {
    if (!this.#isFirstEnd()) return;
    const refusal = this.#words.recorderFailed(executed);
    this.leave(refusal, reason, false)(refusal, false);
    this.#close(refusal, reason, true)
      // The record ends where it could no longer be written.
      .catch(() => undefined)
      .finally(this.#options.onClosed);
  }

  /** Whether its time is up at this moment. */
  get isPastDeadline(): boolean {
    return this.clock.now() >= this.#deadlineMs();
  }

  /** Ends an expired or draining session where nothing runs that it could interrupt. */
  protected endAtBoundary(): void {
    if (this.ended || !(this.draining || this.expired) || !this.isAtBoundary()) return;
    if (this.draining) this.end(this.#words.reconnect('the gateway is shutting down'), 'drained', false);
    else this.end(this.#words.reconnect(EXPIRED), 'expired', false);
  }

  /** Listens to both sides. */
  protected abstract open(): void;
  /** Whether something may have taken effect on the target that the client was not told about. */
  protected abstract executed(): Executed;
  /** Whether it may end here without interrupting anything. */
  protected abstract isAtBoundary(): boolean;
  /** Whether something is under way that is no idleness, though nothing is heard of it. */
  protected abstract isBusy(): boolean;
  /** Locks, ends and bundles of others are known: whatever waited for that may go on. */
  protected abstract stateIsCurrent(): void;
  /**
   * The session has ended: appends what was under way to the recording, unless that `canRecord` no longer, and cuts it off on the
   * target. Called once; what it returns is called once too.
   */
  protected abstract leave(refusal: R | undefined, reason: string, canRecord: boolean): Parting<R>;

  #deadlineMs(): number {
    return Math.min(this.#expiresAtMs, this.#openedMs + this.target.limits.maxSessionMs);
  }

  #isFirstEnd(): boolean {
    if (this.ended) return false;
    this.ended = true;
    this.#controlWatch?.stop();
    return true;
  }

  #close(refusal: R | undefined, reason: string, abnormal: boolean): Promise<void> {
    const { recorder } = this;
    if (refusal !== undefined) {
      const { code, message, severity = 'FATAL' } = refusal;
      recorder.append({ type: 'error', code, severity, message, from: 'gateway' });
    }
    return recorder.close({
      type: 'session.closed',
      reason,
      ...(refusal === undefined ? {} : { code: refusal.code }),
      abnormal,
      statements: this.statementCount,
      rows: this.releasedRows,
      bytes: this.releasedBytes,
    });
  }
}
