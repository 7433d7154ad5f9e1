/** One client, one host: the two connections, their channels, and how it all ends. */
import type { Connection } from 'ssh2';
import type { VerifyIdToken } from '../../core/approval/votes.ts';
import type { SessionRecorder } from '../../core/evidence/recorder.ts';
import type { DetectorSet } from '../../core/masking/detectors.ts';
import { detectorsOn } from '../../core/masking/target-detectors.ts';
import type { Bundle } from '../../core/policy/bundle.ts';
import type { Principal } from '../../core/principal.ts';
import type { SshTarget } from '../../core/target.ts';
import { SessionBudgets } from '../pipeline/session-budgets.ts';
import type { ApprovalGate, BundleSource, Clock, Control } from '../ports.ts';
import type { ChannelDoor, Knock } from './channel-door.ts';
import { disconnect, socketOf } from './channel-internals.ts';
import { SessionChannel } from './channel.ts';
import type { ExecReader } from '../../core/statement/host/host-reading.ts';
import { ForwardChannel } from './forward.ts';
import type { LiveHostSession } from './live-session.ts';
import { PathResolver } from './path-resolver.ts';
import type { Restrictions } from './proofs.ts';
import { endedByOperator, type Executed, type HostRefusal, reconnect, recorderFailed, targetUnavailable } from './refusal.ts';
import { RelayTurn } from './relay-turn.ts';
import { RelayWire } from './relay-wire.ts';
import type { Upstream } from './upstream.ts';

export type HostSessionOptions = {
  readonly id: string;
  readonly writer: string;
  readonly principal: Principal;
  readonly target: SshTarget;
  readonly account: string;
  readonly restrictions: Restrictions;
  readonly bundles: BundleSource;
  readonly recorder: SessionRecorder;
  readonly gate: ApprovalGate;
  readonly verifyIdToken: VerifyIdToken;
  readonly control: Control;
  readonly clock: Clock;
  readonly digestKey: Uint8Array;
  readonly commands: ExecReader;
  readonly approvalUrl: (id: string) => string;
  readonly client: Connection;
  readonly door: ChannelDoor;
  readonly upstream: Upstream;
  /** How long channels may go on after the token expired; half a minute where it is not said. */
  readonly expiryGraceMs: number | undefined;
  readonly onClosed: () => void;
  /** A bug: told to the operator's log, never to the client. */
  readonly onError: (error: unknown) => void;
};

type LiveChannel = SessionChannel | ForwardChannel;

const EXPIRY_GRACE_MS = 30_000;
/** What channels still have to tell their client when the session ends. */
const LAST_WORDS_MS = 2_000;
/** Refused requests of one session that are put on record. */
const MAX_REFUSED_ON_RECORD = 64;

export class SshSession implements LiveHostSession {
  readonly id: string;
  readonly writer: string;
  readonly principal: Principal;
  readonly target: SshTarget;
  readonly account: string;
  readonly restrictions: Restrictions;
  readonly recorder: SessionRecorder;
  readonly turn: RelayTurn;
  readonly gate: ApprovalGate;
  readonly verifyIdToken: VerifyIdToken;
  readonly budgets: SessionBudgets;
  readonly clock: Clock;
  readonly digestKey: Uint8Array;
  readonly client: Connection;
  readonly clientWire: RelayWire;
  readonly upstream: Upstream;
  readonly upstreamWire: RelayWire;
  readonly paths: PathResolver;
  readonly commands: ExecReader;

  readonly #options: HostSessionOptions;
  readonly #channels = new Set<LiveChannel>();
  readonly #openedMs: number;
  #controlWatch: { stop(): void } | undefined;
  #bundle: Bundle;
  #detectors: { readonly bundle: Bundle; readonly set: DetectorSet } | undefined;
  #awaitingState: ((isCurrent: boolean) => void)[] = [];
  #expiresAtMs: number;
  #lastActivityMs: number;
  #channelCount = 0;
  #statementCount = 0;
  #releasedBytes = 0;
  #refusedRequests = 0;
  #draining = false;
  #ended = false;

  constructor(options: HostSessionOptions) {
    this.#options = options;
    this.id = options.id;
    this.writer = options.writer;
    this.principal = options.principal;
    this.target = options.target;
    this.account = options.account;
    this.restrictions = options.restrictions;
    this.recorder = options.recorder;
    this.turn = new RelayTurn(
      options.recorder,
      () => this.endUnrecorded('the recorder cannot write'),
      (error) => {
        this.failed(error);
        this.end(reconnect('the gateway met an error of its own', 'unknown'), 'an error of the gateway', true);
      },
    );
    this.gate = options.gate;
    this.verifyIdToken = options.verifyIdToken;
    this.clock = options.clock;
    this.digestKey = options.digestKey;
    this.client = options.client;
    this.upstream = options.upstream;
    this.clientWire = new RelayWire(options.client);
    this.upstreamWire = new RelayWire(options.upstream.client);
    this.paths = new PathResolver(options.upstream.client, options.clock);
    this.commands = options.commands;
    this.#bundle = options.bundles.current();
    this.#expiresAtMs = options.principal.expiresAtMs;
    this.#openedMs = options.clock.now();
    this.#lastActivityMs = this.#openedMs;
    this.budgets = new SessionBudgets({
      control: options.control,
      principal: options.principal,
      target: options.target,
      endsAtMs: () => this.#expiresAtMs,
    });
  }

  /** Begins to answer channels. */
  start(): void {
    const { client, upstream, control, door } = this.#options;
    this.#controlWatch = control.watch({ id: this.id, principal: this.principal }, (by, reason) =>
      this.end(endedByOperator(by, reason, this.#executed()), `ended by ${by}: ${reason}`, false),
    );
    client.on('close', () => this.end(undefined, 'the client went away', this.#executed() === 'unknown'));
    upstream.client.on('close', () => {
      this.end(targetUnavailable(this.target.name, 'closed', this.#executed()), 'the target closed the connection', true);
    });
    door.open(
      (knock) => this.#answer(knock),
      (what) => this.refusedRequest(what),
    );
  }

  /** The same principal has shown a newer token. */
  renew(expiresAtMs: number): void {
    this.#expiresAtMs = Math.max(this.#expiresAtMs, expiresAtMs);
  }

  /** The gateway stops: the session ends as soon as no channel is open. */
  drain(): void {
    this.#draining = true;
    this.#endWhenQuiet();
  }

  bundle(): Bundle {
    const bundle = this.#options.bundles.current();
    if (bundle.version !== this.#bundle.version)
      this.turn.append({ type: 'bundle.changed', from: this.#bundle.version, to: bundle.version });
    this.#bundle = bundle;
    return bundle;
  }

  detectors(): DetectorSet {
    const bundle = this.bundle();
    if (this.#detectors?.bundle !== bundle) this.#detectors = { bundle, set: detectorsOn(this.target, bundle) };
    return this.#detectors.set;
  }

  approvalUrl(id: string): string {
    return this.#options.approvalUrl(id);
  }

  nextStatement(): number {
    this.#statementCount += 1;
    return this.#statementCount;
  }

  touch(): void {
    this.#lastActivityMs = this.clock.now();
  }

  released(bytes: number): void {
    this.#releasedBytes += bytes;
  }

  failed(error: unknown): void {
    this.#options.onError(error);
  }

  refusedRequest(name: string): void {
    this.#refusedRequests += 1;
    if (this.#ended || this.#refusedRequests > MAX_REFUSED_ON_RECORD) return;
    this.turn.append({ type: 'error', code: '0A000', severity: 'ERROR', message: `${name.slice(0, 64)} is not offered`, from: 'gateway' });
    this.turn.after(() => undefined);
  }

  async whenCurrent(): Promise<boolean> {
    if (this.#ended) return false;
    if (this.#options.control.view() === 'current') return true;
    return new Promise((resolve) => {
      this.#awaitingState.push(resolve);
    });
  }

  end(refusal: HostRefusal | undefined, reason: string, abnormal: boolean): void {
    if (!this.#close()) return;
    const told = [...this.#channels].map((channel) => channel.end(refusal, reason));
    if (refusal !== undefined)
      this.turn.append({ type: 'error', code: refusal.code, severity: 'FATAL', message: refusal.message, from: 'gateway' });
    // What channels have to say is recorded by this, and under way after it.
    this.turn.flush();
    this.turn.close();
    this.recorder
      .close({
        type: 'session.closed',
        reason,
        ...(refusal === undefined ? {} : { code: refusal.code }),
        abnormal,
        statements: this.#statementCount,
        rows: 0,
        bytes: this.#releasedBytes,
      })
      .catch((error: unknown) => this.#options.onError(error))
      .finally(() => {
        this.#disconnect(refusal, reason, told);
        this.#options.onClosed();
      });
  }

  /** Nothing can be recorded any more, so nothing may run. */
  endUnrecorded(reason: string): void {
    const refusal = recorderFailed(this.#executed());
    if (!this.#close()) return;
    for (const channel of this.#channels) channel.cut(refusal);
    this.turn.close();
    this.#disconnect(refusal, reason, []);
    const closing = { type: 'session.closed', reason, code: refusal.code, abnormal: true } as const;
    this.recorder
      .close({ ...closing, statements: this.#statementCount, rows: 0, bytes: this.#releasedBytes })
      // The record ends where it could no longer be written.
      .catch(() => undefined)
      .finally(() => this.#options.onClosed());
  }

  /** Looks at the clocks of the session; called about once a second. */
  tick(nowMs: number): void {
    if (this.#ended) return;
    const view = this.#options.control.view();
    if (view === 'lost') {
      this.end(reconnect('the gateway cannot read its state', this.#executed()), 'state cannot be read', true);
      return;
    }
    if (view === 'current') for (const tell of this.#awaitingState.splice(0)) tell(true);
    const { limits } = this.target;
    const deadlineMs = Math.min(this.#expiresAtMs, this.#openedMs + limits.maxSessionMs);
    if (nowMs >= deadlineMs) {
      if (this.#channels.size === 0 || nowMs >= deadlineMs + (this.#options.expiryGraceMs ?? EXPIRY_GRACE_MS))
        this.end(reconnect('the token or the session has expired', this.#executed()), 'expired', false);
    } else if (nowMs - this.#lastActivityMs >= limits.idleMs && ![...this.#channels].some((channel) => channel.isBusy)) {
      this.end(reconnect('the session was idle for too long', this.#executed()), 'idle', false);
    }
  }

  #answer(knock: Knock): void {
    if (this.#ended || this.#draining || this.#channels.size >= this.target.limits.maxChannels || this.#isExpired()) {
      knock.reject();
      return;
    }
    this.touch();
    this.#channelCount += 1;
    const onClosed = (channel: LiveChannel): void => {
      this.#channels.delete(channel);
      this.touch();
      this.#endWhenQuiet();
    };
    if (knock.kind === 'session') {
      const channel: SessionChannel = new SessionChannel(this, this.#channelCount, knock.accept(), () => onClosed(channel));
      this.#channels.add(channel);
      return;
    }
    const channel: ForwardChannel = new ForwardChannel(this, this.#channelCount, () => onClosed(channel));
    this.#channels.add(channel);
    channel.open(knock.info, knock.accept, knock.reject).catch((error: unknown) => {
      this.failed(error);
      void channel.end(undefined, 'internal error');
    });
  }

  #isExpired(): boolean {
    return this.clock.now() >= Math.min(this.#expiresAtMs, this.#openedMs + this.target.limits.maxSessionMs);
  }

  #endWhenQuiet(): void {
    if (this.#ended || !this.#draining || this.#channels.size > 0) return;
    this.end(reconnect('the gateway is shutting down'), 'drained', false);
  }

  /** False where it has ended already. */
  #close(): boolean {
    if (this.#ended) return false;
    this.#ended = true;
    this.#controlWatch?.stop();
    for (const tell of this.#awaitingState.splice(0)) tell(false);
    return true;
  }

  /** Whether something may have taken effect that nobody was told about. */
  #executed(): Executed {
    return [...this.#channels].some((channel) => channel.isRunning) ? 'unknown' : 'no';
  }

  /** Once channels have told their client; one that does not read must not keep the connection. */
  #disconnect(refusal: HostRefusal | undefined, reason: string, told: readonly Promise<void>[]): void {
    const { client, upstream } = this.#options;
    upstream.client.end();
    const last = (): void => {
      disconnect(client, refusal === undefined ? reason : `sallyport: ${refusal.code} ${refusal.message}`);
      const cut = this.clock.after(LAST_WORDS_MS, () => socketOf(client)?.destroy());
      client.once('close', () => cut.cancel());
    };
    let timer: { cancel(): void } | undefined;
    const patience = new Promise<void>((resolve) => {
      timer = this.clock.after(LAST_WORDS_MS, resolve);
    });
    void Promise.race([Promise.all(told), patience]).then(() => {
      timer?.cancel();
      last();
    });
  }
}
