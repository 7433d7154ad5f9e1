/** One client, one target: the two sockets, and the parts that stand between them. */
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import type { SessionRecorder } from '../../core/evidence/recorder.ts';
import type { ByteSink } from '../../core/masking/byte-sink.ts';
import type { DetectorSet } from '../../core/masking/detectors.ts';
import type { VerifyIdToken } from '../../core/approval/votes.ts';
import { SallyportError } from '../../core/errors.ts';
import type { Principal } from '../../core/principal.ts';
import type { PostgresTarget } from '../../core/target.ts';
import { SessionBudgets } from '../pipeline/session-budgets.ts';
import type { StatementJudge } from '../../core/judging/authorize.ts';
import type { ApprovalGate, BundleSource, Clock, Control } from '../ports.ts';
import { Delivery } from './delivery.ts';
import { FrameSplitter, clientFrameLimits, upstreamFrameLimits } from './frames.ts';
import { Freshness } from './freshness.ts';
import { Intake } from './intake.ts';
import type { Cursor, GatewaySettings, LiveSession, SessionKeys, Staleness } from './live-session.ts';
import { MalformedMessage } from './messages/malformed-message.ts';
import { encodeFlush, encodeTerminate } from './messages/bodiless.ts';
import { Outbox, type Outgoing } from './outbox.ts';
import { NameBook } from './prepared.ts';
import {
  encodeRefusal,
  endedByOperator,
  protocolViolation,
  reconnect,
  recorderFailed,
  targetUnavailable,
  type Refusal,
} from './refusal.ts';
import type { DescribeSubject, Prepared, StatementRun } from './run.ts';
import { SessionMachine } from './session-machine.ts';
import type { SinkPool } from './sink-pool.ts';
import { endSocket } from './socket-ending.ts';
import type { TargetRuntime } from './target-runtime.ts';
import type { Upstream } from './upstream.ts';

const EMPTY = Buffer.alloc(0);
/** A read of a large result below this was too early. */
const SMALL_READ_BYTES = 64 * 1024;
/** The shortest timer there is: about half a megabyte of a target that sends as fast as it can. */
const GATHER_MS = 1;
/** What a client may send ahead while one of its messages waits; beyond it the socket is not read. */
const MAX_AHEAD_BYTES = 1024 * 1024;
/** What a target may have sent that is not on record yet: enough to keep a journal busy, little enough for thousands of sessions. */
const MAX_UNRECORDED_BYTES = 4 * 1024 * 1024;
/** How long an orphaned execution may take to tell its outcome after the client has gone. */
const ORPHAN_MS = 10_000;
/** After its token expires a session may finish its transaction for this long. */
const EXPIRY_GRACE_MS = 30_000;

export type SessionOptions = {
  readonly id: string;
  readonly writer: string;
  readonly principal: Principal;
  readonly target: PostgresTarget;
  readonly runtime: TargetRuntime;
  readonly judge: StatementJudge;
  readonly bundles: BundleSource;
  readonly recorder: SessionRecorder;
  readonly gate: ApprovalGate;
  readonly verifyIdToken: VerifyIdToken;
  readonly control: Control;
  readonly clock: Clock;
  readonly keys: SessionKeys;
  readonly settings: GatewaySettings;
  readonly approvalUrl: (id: string) => string;
  readonly client: Socket;
  readonly clientLeftover: Buffer;
  readonly upstream: Upstream;
  /** The process-wide read buffer, when the upstream reads into it. */
  readonly sharedBuffer: Buffer | undefined;
  readonly sinks: SinkPool;
  readonly cancelUpstream: () => Promise<void>;
  /** How long a session may finish its transaction after its token expired; half a minute where it is not said. */
  readonly expiryGraceMs: number | undefined;
  readonly onClosed: () => void;
  /** A bug: told to the operator's log, never to the client. */
  readonly onError: (error: unknown) => void;
};

export class PostgresSession implements LiveSession {
  readonly id: string;
  readonly writer: string;
  readonly principal: Principal;
  readonly target: PostgresTarget;
  readonly runtime: TargetRuntime;
  readonly judge: StatementJudge;
  readonly machine = new SessionMachine<StatementRun, Refusal, DescribeSubject>();
  readonly statements = new NameBook<Prepared>();
  readonly portals = new NameBook<StatementRun>();
  readonly cursors = new NameBook<Cursor>();
  readonly recorder: SessionRecorder;
  readonly gate: ApprovalGate;
  readonly verifyIdToken: VerifyIdToken;
  readonly budgets: SessionBudgets;
  readonly clock: Clock;
  readonly keys: SessionKeys;
  readonly settings: GatewaySettings;
  readonly toTarget = new Outbox();
  readonly toClient: Outbox;
  readonly failingStatement = `sallyport refused ${randomBytes(12).toString('hex')}`;
  readonly stale: Staleness = { state: true, touched: false, catalog: false, unsettled: false, names: false };
  statementCount = 0;
  releasedRows = 0;
  releasedBytes = 0;
  settingsPending = 0;

  readonly #options: SessionOptions;
  readonly #client: Socket;
  readonly #upstream: Upstream;
  readonly #freshness: Freshness;
  readonly #intake: Intake;
  readonly #delivery: Delivery;
  readonly #fromClient: FrameSplitter;
  readonly #fromTarget: FrameSplitter;
  readonly #timers: { cancel(): void }[] = [];
  #controlWatch: { stop(): void } | undefined;
  #expiresAtMs: number;
  readonly #openedMs: number;
  #lastActivityMs: number;
  /** Intents are on their way to the disk; their bytes and all later ones wait. */
  #flushingIntents = false;
  /** On their way to the client, and held until the recorder has them. */
  #unrecordedBytes = 0;
  #inTargetChunk = false;
  #waking = false;
  #ended = false;
  #clientGone = false;
  #expired = false;
  #draining = false;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.id = options.id;
    this.writer = options.writer;
    this.principal = options.principal;
    this.target = options.target;
    this.runtime = options.runtime;
    this.judge = options.judge;
    this.recorder = options.recorder;
    this.gate = options.gate;
    this.verifyIdToken = options.verifyIdToken;
    this.budgets = new SessionBudgets({
      control: options.control,
      principal: options.principal,
      target: options.target,
      endsAtMs: () => this.#expiresAtMs,
    });
    this.clock = options.clock;
    this.keys = options.keys;
    this.settings = options.settings;
    this.toClient = new Outbox(options.sinks);
    this.#client = options.client;
    this.#upstream = options.upstream;
    this.#expiresAtMs = options.principal.expiresAtMs;
    this.#openedMs = options.clock.now();
    this.#lastActivityMs = this.#openedMs;
    this.#freshness = new Freshness(this, options.bundles, options.control, `sallyport state ${randomBytes(12).toString('hex')}`);
    this.#intake = new Intake(this, this.#freshness, (id) => this.#delivery.outcomes.claimed(id));
    this.#delivery = new Delivery(
      this,
      this.#freshness,
      () => void this.#cancelRunning(),
      (run) => this.#intake.runEnded(run),
    );
    this.#fromClient = new FrameSplitter({
      limits: clientFrameLimits(options.target.limits.maxStatementBytes),
      onFrame: (type, buffer, start, end) => {
        if (this.#ended) return;
        if (!this.#intake.take(type, buffer, start, end)) this.#fromClient.pause();
      },
      onTooLong: (type) => {
        if (!this.#ended && !this.#intake.takeTooLong(type)) this.#fromClient.pause();
      },
    });
    this.#fromTarget = new FrameSplitter({
      limits: upstreamFrameLimits(),
      onFrame: (type, buffer, start, end) => {
        if (!this.#ended) this.#delivery.take(type, buffer, start, end);
      },
    });
  }

  approvalUrl(id: string): string {
    return this.#options.approvalUrl(id);
  }

  detectors(): DetectorSet {
    return this.runtime.detectors(this.judge.view.bundle);
  }

  /** Begins to relay. The client has been told that it is ready. */
  start(): void {
    const client = this.#client;
    const upstream = this.#upstream.socket;
    client.on('data', (chunk: Buffer) => this.#onClientBytes(chunk));
    client.on('drain', () => this.#resumeTarget());
    client.on('close', () => this.#onClientGone());
    client.on('end', () => this.#onClientGone());
    upstream.on('drain', () => {
      if (!this.#fromClient.paused) client.resume();
    });
    upstream.on('close', () => this.#onTargetGone());
    upstream.on('end', () => this.#onTargetGone());
    this.#upstream.read((buffer, start, end) => this.#onTargetBytes(buffer, start, end));
    if (this.#upstream.leftover.length > 0) this.#onTargetBytes(this.#upstream.leftover, 0, this.#upstream.leftover.length);
    this.#controlWatch = this.#options.control.watch({ id: this.id, principal: this.principal }, (by, reason) =>
      this.end(endedByOperator(by, reason), `ended by ${by}: ${reason}`, false),
    );
    client.resume();
    if (this.#options.clientLeftover.length > 0) this.#onClientBytes(this.#options.clientLeftover);
  }

  /** The same principal has shown a newer token. */
  renew(expiresAtMs: number): void {
    this.#expiresAtMs = Math.max(this.#expiresAtMs, expiresAtMs);
    this.#expired = false;
  }

  /** The gateway stops: the session ends at the next transaction boundary. */
  drain(): void {
    this.#draining = true;
    this.#endAtBoundary();
  }

  /** A CancelRequest for this session. */
  cancel(): void {
    this.recorder.append({
      type: 'cancel.requested',
      ...(this.machine.running === undefined ? {} : { statement: this.machine.running.number }),
    });
    if (this.#intake.withdraw('the client canceled it')) return;
    void this.#cancelRunning();
  }

  wake(): void {
    if (this.#ended || this.#waking) return;
    this.#waking = true;
    try {
      this.#guard(() => {
        // What waits goes first; then what came behind it, up to the next that waits.
        while (!this.#flushingIntents && this.#intake.waiting) {
          if (!this.#intake.retry()) break;
          this.#sendIntents();
        }
        if (!this.#intake.waiting && !this.#flushingIntents && this.#fromClient.paused && !this.#ended) {
          this.#fromClient.resume();
          this.#afterFrames();
        }
      });
      this.#sendIntents();
    } finally {
      this.#waking = false;
    }
  }

  flushToClient(): void {
    if (this.#inTargetChunk) return;
    const outgoing = this.toClient.take(this.#options.sharedBuffer);
    const telling = this.#delivery.outcomes.awaitsDelivery;
    let held = 0;
    let isRecorded = false;
    this.recorder.flush('written', (error) => {
      isRecorded = true;
      this.#unrecordedBytes -= held;
      if (error !== undefined) {
        this.#recorderFailed();
        return;
      }
      this.#write(this.#client, this.#upstream.socket, outgoing, telling);
      if (held > 0) this.#resumeTarget();
    });
    if (isRecorded) return;
    // The recorder takes its time: a target must not send faster than what it sends is recorded.
    for (const piece of outgoing.pieces) held += piece.length;
    this.#unrecordedBytes += held;
    if (this.#unrecordedBytes > MAX_UNRECORDED_BYTES) this.#upstream.socket.pause();
  }

  #resumeTarget(): void {
    const clientTakes = !this.#client.writableNeedDrain || this.#clientGone;
    if (clientTakes && this.#unrecordedBytes <= MAX_UNRECORDED_BYTES) this.#upstream.socket.resume();
  }

  end(refusal: Refusal | undefined, reason: string, abnormal: boolean, abandon: 'cancel' | 'leave' = 'cancel'): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const timer of this.#timers) timer.cancel();
    this.#controlWatch?.stop();
    this.#intake.withdraw(reason);
    // What an open transaction changed is undone with it, what was committed is in the next look at the catalog.
    if (this.runtime.flux.has(this.id)) {
      const settle = (): void => this.runtime.flux.end(this.id);
      this.runtime.catalogSource.refresh().then(settle, settle);
    }
    const unfinished = this.#recordUnfinished();
    const upstream = this.#upstream.socket;
    // A client that leaves lets its statement run, as with PostgreSQL; what the gateway ends, ends on the target too.
    if (unfinished && abandon === 'cancel') this.#options.cancelUpstream().catch(() => undefined);
    if (!upstream.destroyed) {
      upstream.write(encodeTerminate());
      endSocket(upstream, undefined, this.clock);
    }
    if (refusal !== undefined) {
      this.recorder.append({ type: 'error', code: refusal.code, severity: refusal.severity, message: refusal.message, from: 'gateway' });
    }
    const last = [...this.toClient.take(this.#options.sharedBuffer).pieces, ...(refusal === undefined ? [] : [encodeRefusal(refusal)])];
    this.recorder
      .close({
        type: 'session.closed',
        reason,
        ...(refusal === undefined ? {} : { code: refusal.code }),
        abnormal,
        statements: this.statementCount,
        rows: this.releasedRows,
        bytes: this.releasedBytes,
      })
      .then(
        () => endSocket(this.#client, Buffer.concat(last), this.clock),
        // What could not be recorded is not sent: only the error goes out.
        () => endSocket(this.#client, encodeRefusal(recorderFailed('unknown')), this.clock),
      )
      .finally(() => this.#options.onClosed());
  }

  #onClientBytes(chunk: Buffer): void {
    if (this.#ended) return;
    this.#lastActivityMs = this.clock.now();
    this.#guard(() => {
      this.#fromClient.push(chunk);
      this.#afterFrames();
    });
    this.#sendIntents();
  }

  /** Backpressure towards a client that sends ahead of a message that waits. */
  #afterFrames(): void {
    if (this.#fromClient.paused && this.#fromClient.heldBytes > MAX_AHEAD_BYTES) this.#client.pause();
    else if (!this.#upstream.socket.writableNeedDrain) this.#client.resume();
  }

  /** Records the intents in hand, then sends their bytes; nothing overtakes. */
  #sendIntents(): void {
    if (this.#flushingIntents || this.#ended || this.toTarget.isEmpty) return;
    const durability = this.#intake.takeDurability();
    const outgoing = this.toTarget.take();
    if (durability === 'none') {
      this.#write(this.#upstream.socket, this.#client, outgoing, false);
      return;
    }
    let later = false;
    this.#flushingIntents = true;
    this.recorder.flush(durability, (error) => {
      this.#flushingIntents = false;
      if (error !== undefined) {
        this.#recorderFailed();
        return;
      }
      if (this.#ended) return;
      this.#write(this.#upstream.socket, this.#client, outgoing, false);
      if (later) this.wake();
    });
    later = true;
    if (this.#flushingIntents) this.#fromClient.pause();
  }

  #onTargetBytes(buffer: Buffer, start: number, end: number): void {
    if (this.#ended) return;
    // A long statement is no idleness: its client waits.
    this.#lastActivityMs = this.clock.now();
    this.#inTargetChunk = true;
    this.#guard(() => {
      this.#fromTarget.push(buffer, start, end);
      this.#delivery.settle();
    });
    this.#inTargetChunk = false;
    if (this.#ended) return;
    this.flushToClient();
    // Only where a read takes all that has come: TLS passes one record of the target after the other.
    if (buffer === this.#options.sharedBuffer && end - start < SMALL_READ_BYTES && this.#delivery.flowing) this.#gather();
    if (this.#intake.waiting) this.wake();
    else this.#sendIntents();
    if (this.#clientGone && this.machine.drained) this.end(undefined, 'the client went away', true);
    if (this.#expired || this.#draining) this.#endAtBoundary();
  }

  /**
   * PostgreSQL sends 8 KiB at a time, and each costs a record, a hash and two writes: of a large result, let some come
   * together in the kernel before they are read.
   */
  #gather(): void {
    const upstream = this.#upstream.socket;
    upstream.pause();
    this.clock.after(GATHER_MS, () => this.#resumeTarget());
  }

  #write(socket: Socket, source: Socket, { pieces, sink }: Outgoing, telling: boolean): void {
    const last = pieces.length - 1;
    if (last < 0 || socket.destroyed || (socket === this.#client && this.#clientGone)) {
      if (sink !== undefined) this.#options.sinks.put(sink);
      return;
    }
    // The callback of a write costs more than a small write itself, so there is none where nobody waits for it.
    const told = telling || sink !== undefined ? (error?: Error | null) => this.#written(telling, error, sink) : undefined;
    let ready = true;
    if (last > 0) socket.cork();
    for (let at = 0; at < last; at += 1) ready = socket.write(pieces[at] ?? EMPTY);
    const piece = pieces[last] ?? EMPTY;
    ready = told === undefined ? socket.write(piece) : socket.write(piece, told);
    if (last > 0) socket.uncork();
    if (!ready) source.pause();
  }

  #written(telling: boolean, error: Error | null | undefined, sink: ByteSink | undefined): void {
    if (sink !== undefined) this.#options.sinks.put(sink);
    if (telling && (error === undefined || error === null)) this.#delivery.outcomes.delivered();
  }

  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      if (error instanceof MalformedMessage) this.end(protocolViolation(error.message), error.message, true);
      else if (error instanceof SallyportError) this.end(reconnect(error.message, 'unknown'), error.message, true);
      else {
        this.#options.onError(error);
        this.end(reconnect('the gateway met an error of its own', 'unknown'), 'internal error', true);
      }
    }
  }

  async #cancelRunning(): Promise<void> {
    this.#intake.cancelling = true;
    try {
      await this.#options.cancelUpstream();
    } catch {
      // As with PostgreSQL itself, a cancel that does not arrive is not told.
    }
    this.#intake.cancelling = false;
    this.wake();
  }

  #onClientGone(): void {
    if (this.#clientGone || this.#ended) return;
    this.#clientGone = true;
    this.#intake.withdraw('the client went away');
    const running = this.machine.unfinished();
    // COPY waits for data that nobody sends any longer.
    if (running.length === 0 || this.machine.copyIn !== undefined) {
      this.end(undefined, 'the client went away', true);
      return;
    }
    // What runs goes on, as in PostgreSQL; its outcome is worth waiting for.
    if (this.machine.open) this.toTarget.addMessage(encodeFlush());
    this.#sendIntents();
    this.#upstream.socket.resume();
    this.#timers.push(this.clock.after(ORPHAN_MS, () => this.end(undefined, 'the client went away', true)));
  }

  #onTargetGone(): void {
    if (this.#ended) return;
    if (this.#delivery.fatal) {
      this.end(undefined, 'the target ended the session', true);
      return;
    }
    const executed = this.machine.unfinished().length > 0 ? 'unknown' : 'no';
    const refusal = targetUnavailable(this.target.name, 'unreachable');
    this.end(
      executed === 'no' ? refusal : reconnect(`target "${this.target.name}" closed the connection`, executed),
      'the target closed the connection',
      true,
    );
  }

  /** Nothing can be recorded any more, so nothing may run. */
  endUnrecorded(reason: string): void {
    this.end(recorderFailed(this.machine.unfinished().length > 0 ? 'unknown' : 'no'), reason, true);
  }

  #recorderFailed(): void {
    this.endUnrecorded('the recorder cannot write');
  }

  /** Names what was under way when the session ended; whether there was anything. */
  #recordUnfinished(): boolean {
    const unfinished = this.machine.unfinished().filter((run) => run.number > 0 && !run.ended);
    for (const run of unfinished) {
      this.recorder.append({
        type: 'statement.completed',
        statement: run.number,
        tag: '',
        rows: run.rows,
        durationUs: Math.round(this.clock.monoUs() - run.startedUs),
        outcome: 'unknown',
      });
    }
    const approvals = unfinished.map((run) => run.approval).filter((id) => id !== undefined);
    const commitPending =
      unfinished.some((run) => run.judged.reading.control.transaction !== undefined || run.judged.facts.opaque) || !this.machine.drained;
    this.#delivery.outcomes.abandon(approvals, commitPending);
    return unfinished.length > 0;
  }

  /** Looks at the clocks of the session; called about once a second. */
  tick(nowMs: number): void {
    if (this.#ended) return;
    if (this.#options.control.view() === 'lost') {
      const executed = this.machine.unfinished().length > 0 ? 'unknown' : 'no';
      this.end(reconnect('the gateway cannot read its state', executed), 'state cannot be read', true);
      return;
    }
    if (this.#freshness.awaitsState) this.wake();
    if (this.#ended) return;
    const { limits } = this.target;
    const deadlineMs = Math.min(this.#expiresAtMs, this.#openedMs + limits.maxSessionMs);
    if (nowMs >= deadlineMs) {
      this.#expired = true;
      if (nowMs >= deadlineMs + (this.#options.expiryGraceMs ?? EXPIRY_GRACE_MS))
        this.end(reconnect('the token or the session has expired'), 'expired', false);
      else this.#endAtBoundary();
    } else if (nowMs - this.#lastActivityMs >= limits.idleMs && this.machine.drained && !this.#intake.waiting) {
      this.end(reconnect('the session was idle for too long'), 'idle', false);
    }
  }

  /** Ends an expired or draining session where no transaction is open and nothing runs. */
  #endAtBoundary(): void {
    if (this.#ended || !this.machine.drained || this.machine.open || this.machine.status !== 'I') return;
    if (this.#intake.waiting && !this.#expired) return;
    const reason = this.#draining ? 'the gateway is shutting down' : 'the token or the session has expired';
    this.end(reconnect(reason), this.#draining ? 'drained' : 'expired', false);
  }
}
