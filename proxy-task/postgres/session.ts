/** One client, one target: the two sockets, and the parts that stand between them. */
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import type { ByteSink } from '../../core/masking/byte-sink.ts';
import type { DetectorSet } from '../../core/masking/detectors.ts';
import { SallyportError } from '../../core/errors.ts';
import type { PostgresTarget } from '../../core/target.ts';
import type { StatementJudge } from '../../core/judging/authorize.ts';
import { Session, type Executed, type Parting, type SessionOptions } from '../pipeline/session.ts';
import { Delivery } from './delivery.ts';
import { FrameSplitter, clientFrameLimits, upstreamFrameLimits } from './frames.ts';
import { Freshness } from './freshness.ts';
import { Intake } from './intake.ts';
import type { Cursor, GatewaySettings, LiveSession, SessionKeys, Staleness } from './live-session.ts';
import { MalformedMessage } from './messages/malformed-message.ts';
import { encodeFlush, encodeTerminate } from './messages/bodiless.ts';
import { Outbox, type Outgoing } from './outbox.ts';
import { NameBook } from './prepared.ts';
import { encodeRefusal, protocolViolation, reconnect, SESSION_WORDS, targetUnavailable, type Refusal } from './refusal.ts';
import type { DescribeSubject, Prepared, StatementRun } from './run.ts';
import { SessionMachine } from './session-machine.ts';
import type { SinkPool } from './sink-pool.ts';
import { endSocket } from '../socket-ending.ts';
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
const UNRECORDED = 'the recorder cannot write';

export type PostgresSessionOptions = SessionOptions<PostgresTarget> & {
  readonly runtime: TargetRuntime;
  readonly judge: StatementJudge;
  readonly keys: SessionKeys;
  readonly settings: GatewaySettings;
  readonly client: Socket;
  /** What tells the client that it is logged in. */
  readonly greeting: Buffer;
  readonly clientLeftover: Buffer;
  readonly upstream: Upstream;
  /** The process-wide read buffer, when the upstream reads into it. */
  readonly sharedBuffer: Buffer | undefined;
  readonly sinks: SinkPool;
  readonly cancelUpstream: () => Promise<void>;
};

export class PostgresSession extends Session<PostgresTarget, Refusal> implements LiveSession {
  readonly runtime: TargetRuntime;
  readonly judge: StatementJudge;
  readonly machine = new SessionMachine<StatementRun, Refusal, DescribeSubject>();
  readonly statements = new NameBook<Prepared>();
  readonly portals = new NameBook<StatementRun>();
  readonly cursors = new NameBook<Cursor>();
  readonly keys: SessionKeys;
  readonly settings: GatewaySettings;
  readonly toTarget = new Outbox();
  readonly toClient: Outbox;
  readonly failingStatement = `sallyport refused ${randomBytes(12).toString('hex')}`;
  readonly stale: Staleness = { state: true, touched: false, catalog: false, unsettled: false, names: false };
  settingsPending = 0;

  readonly #options: PostgresSessionOptions;
  readonly #client: Socket;
  readonly #upstream: Upstream;
  readonly #freshness: Freshness;
  readonly #intake: Intake;
  readonly #delivery: Delivery;
  readonly #fromClient: FrameSplitter;
  readonly #fromTarget: FrameSplitter;
  readonly #timers: { cancel(): void }[] = [];
  /** Intents are on their way to the disk; their bytes and all later ones wait. */
  #flushingIntents = false;
  /** On their way to the client, and held until the recorder has them. */
  #unrecordedBytes = 0;
  #inTargetChunk = false;
  #waking = false;
  #clientGone = false;
  /** The client has said goodbye: what it sent runs to its end. */
  #leftRunning = false;

  constructor(options: PostgresSessionOptions) {
    super(options, SESSION_WORDS);
    this.#options = options;
    this.runtime = options.runtime;
    this.judge = options.judge;
    this.keys = options.keys;
    this.settings = options.settings;
    this.toClient = new Outbox(options.sinks);
    this.#client = options.client;
    this.#upstream = options.upstream;
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
        if (this.ended) return;
        if (!this.#intake.take(type, buffer, start, end)) this.#fromClient.pause();
      },
      onTooLong: (type) => {
        if (!this.ended && !this.#intake.takeTooLong(type)) this.#fromClient.pause();
      },
    });
    this.#fromTarget = new FrameSplitter({
      limits: upstreamFrameLimits(),
      onFrame: (type, buffer, start, end) => {
        if (!this.ended) this.#delivery.take(type, buffer, start, end);
      },
    });
  }

  detectors(): DetectorSet {
    return this.runtime.detectors(this.judge.view.bundle);
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
    if (this.ended || this.#waking) return;
    this.#waking = true;
    try {
      this.#guard(() => {
        // What waits goes first; then what came behind it, up to the next that waits.
        while (!this.#flushingIntents && this.#intake.waiting) {
          if (!this.#intake.retry()) break;
          this.#sendIntents();
        }
        if (!this.#intake.waiting && !this.#flushingIntents && this.#fromClient.paused && !this.ended) {
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
        // What this would have told has happened.
        this.endUnrecorded(UNRECORDED, outgoing.pieces.length > 0 ? 'unknown' : undefined);
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

  clientClosed(): void {
    this.#leftRunning = true;
    this.end(undefined, 'the client closed the session', false);
  }

  protected override open(): void {
    const client = this.#client;
    const upstream = this.#upstream.socket;
    client.on('data', (chunk: Buffer) => this.#onClientBytes(chunk));
    client.on('drain', () => this.#resumeTarget());
    client.on('close', () => this.#onClientGone());
    client.on('end', () => this.#onClientGone());
    client.write(this.#options.greeting);
    upstream.on('drain', () => {
      if (!this.#fromClient.paused) client.resume();
    });
    upstream.on('close', () => this.#onTargetGone());
    upstream.on('end', () => this.#onTargetGone());
    // While the session was opened, nobody listened.
    if (upstream.destroyed) this.#onTargetGone();
    if (this.ended) return;
    this.#upstream.read((buffer, start, end) => this.#onTargetBytes(buffer, start, end));
    if (this.#upstream.leftover.length > 0) this.#onTargetBytes(this.#upstream.leftover, 0, this.#upstream.leftover.length);
    client.resume();
    if (this.#options.clientLeftover.length > 0) this.#onClientBytes(this.#options.clientLeftover);
  }

  protected override executed(): Executed {
    return this.machine.unfinished().length > 0 || this.#unrecordedBytes > 0 ? 'unknown' : 'no';
  }

  /** Where no transaction is open and nothing runs. What waits for people is waited for, as long as there is time. */
  protected override isAtBoundary(): boolean {
    const { machine } = this;
    return machine.drained && !machine.open && machine.status === 'I' && (this.expired || !this.#intake.waiting);
  }

  protected override isBusy(): boolean {
    return !this.machine.drained || this.#intake.waiting;
  }

  protected override stateIsCurrent(): void {
    if (this.#freshness.awaitsState) this.wake();
  }

  protected override leave(_refusal: Refusal | undefined, reason: string, canRecord: boolean): Parting<Refusal> {
    for (const timer of this.#timers) timer.cancel();
    this.#intake.withdraw(reason);
    // What an open transaction changed is undone with it, what was committed is in the next look at the catalog.
    if (this.runtime.flux.has(this.id)) {
      const settle = (): void => this.runtime.flux.end(this.id);
      this.runtime.catalogSource.refresh().then(settle, settle);
    }
    const unfinished = this.#recordUnfinished();
    const upstream = this.#upstream.socket;
    // A client that leaves lets its statement run, as with PostgreSQL; what the gateway ends, ends on the target too.
    if (unfinished && !this.#leftRunning) this.#options.cancelUpstream().catch(() => undefined);
    if (!upstream.destroyed) {
      upstream.write(encodeTerminate());
      endSocket(upstream, undefined, this.clock);
    }
    const unsent = canRecord ? this.toClient.take(this.#options.sharedBuffer).pieces : [];
    return (last, isRecorded) => {
      const pieces = [...(isRecorded ? unsent : []), ...(last === undefined ? [] : [encodeRefusal(last)])];
      endSocket(this.#client, Buffer.concat(pieces), this.clock);
    };
  }

  #onClientBytes(chunk: Buffer): void {
    if (this.ended) return;
    this.touch();
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
    if (this.#flushingIntents || this.ended || this.toTarget.isEmpty) return;
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
        this.endUnrecorded(UNRECORDED);
        return;
      }
      if (this.ended) return;
      this.#write(this.#upstream.socket, this.#client, outgoing, false);
      if (later) this.wake();
    });
    later = true;
    if (this.#flushingIntents) this.#fromClient.pause();
  }

  #onTargetBytes(buffer: Buffer, start: number, end: number): void {
    if (this.ended) return;
    // A long statement is no idleness: its client waits.
    this.touch();
    this.#inTargetChunk = true;
    this.#guard(() => {
      this.#fromTarget.push(buffer, start, end);
      this.#delivery.settle();
    });
    this.#inTargetChunk = false;
    if (this.ended) return;
    this.flushToClient();
    // Only where a read takes all that has come: TLS passes one record of the target after the other.
    if (buffer === this.#options.sharedBuffer && end - start < SMALL_READ_BYTES && this.#delivery.flowing) this.#gather();
    if (this.#intake.waiting) this.wake();
    else this.#sendIntents();
    if (this.#clientGone && this.machine.drained) this.end(undefined, 'the client went away', true);
    if (this.expired || this.draining) this.endAtBoundary();
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
    if (this.#clientGone || this.ended) return;
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
    if (this.ended) return;
    if (this.#delivery.fatal) {
      this.end(undefined, 'the target ended the session', true);
      return;
    }
    const executed = this.executed();
    const refusal = targetUnavailable(this.target.name, 'unreachable');
    this.end(
      executed === 'no' ? refusal : reconnect(`target "${this.target.name}" closed the connection`, executed),
      'the target closed the connection',
      true,
    );
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
}
