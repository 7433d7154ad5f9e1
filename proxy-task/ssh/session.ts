/** One client, one host: the two connections, their channels, and how it all ends. */
import type { Connection } from 'ssh2';
import { visibleText } from '../../core/approval/visible.ts';
import type { DetectorSet } from '../../core/masking/detectors.ts';
import { detectorsOn } from '../../core/masking/target-detectors.ts';
import type { Bundle } from '../../core/policy/bundle.ts';
import type { SshTarget } from '../../core/target.ts';
import { Session, type Executed, type Parting, type SessionOptions } from '../pipeline/session.ts';
import type { ChannelDoor, Knock } from './channel-door.ts';
import { disconnect, socketOf } from './channel-internals.ts';
import { SessionChannel } from './channel.ts';
import type { ExecReader } from '../../core/statement/host/host-reading.ts';
import { ForwardChannel } from './forward.ts';
import type { LiveHostSession } from './live-session.ts';
import { PathResolver } from './path-resolver.ts';
import type { Restrictions } from './proofs.ts';
import { type HostRefusal, reconnect, SESSION_WORDS, targetUnavailable, tooManyRefused } from './refusal.ts';
import { RelayTurn } from './relay-turn.ts';
import { RelayWire } from './relay-wire.ts';
import type { TransportGuard } from './transport-guard.ts';
import type { Upstream } from './upstream.ts';

export type HostSessionOptions = SessionOptions<SshTarget> & {
  readonly account: string;
  readonly restrictions: Restrictions;
  readonly digestKey: Uint8Array;
  readonly commands: ExecReader;
  readonly client: Connection;
  /** Knows why the client's connection broke. */
  readonly guard: TransportGuard;
  readonly door: ChannelDoor;
  readonly upstream: Upstream;
};

type LiveChannel = SessionChannel | ForwardChannel;

/** What channels still have to tell their client when the session ends. */
const LAST_WORDS_MS = 2_000;
/** Refused requests of one session that are put on record. */
const MAX_REFUSED_ON_RECORD = 64;
/** A client that asks for more of what there is not has come for nothing else. */
const MAX_REFUSED = 10_000;

export class SshSession extends Session<SshTarget, HostRefusal> implements LiveHostSession {
  readonly account: string;
  readonly restrictions: Restrictions;
  readonly turn: RelayTurn;
  readonly digestKey: Uint8Array;
  readonly client: Connection;
  readonly clientWire: RelayWire;
  readonly upstream: Upstream;
  readonly upstreamWire: RelayWire;
  readonly paths: PathResolver;
  readonly commands: ExecReader;

  readonly #options: HostSessionOptions;
  readonly #channels = new Set<LiveChannel>();
  #bundle: Bundle;
  #detectors: { readonly bundle: Bundle; readonly set: DetectorSet } | undefined;
  #awaitingState: ((isCurrent: boolean) => void)[] = [];
  #channelCount = 0;
  #refusedRequests = 0;

  constructor(options: HostSessionOptions) {
    super(options, SESSION_WORDS);
    this.#options = options;
    this.account = options.account;
    this.restrictions = options.restrictions;
    this.turn = new RelayTurn(
      options.recorder,
      () => this.endUnrecorded('the recorder cannot write'),
      (error) => {
        this.failed(error);
        this.end(reconnect('the gateway met an error of its own', 'unknown'), 'an error of the gateway', true);
      },
    );
    this.digestKey = options.digestKey;
    this.client = options.client;
    this.upstream = options.upstream;
    this.clientWire = new RelayWire(options.client);
    this.upstreamWire = new RelayWire(options.upstream.client);
    this.paths = new PathResolver(options.upstream.client, options.clock);
    this.commands = options.commands;
    this.#bundle = options.bundles.current();
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

  nextStatement(): number {
    this.statementCount += 1;
    return this.statementCount;
  }

  released(bytes: number): void {
    this.releasedBytes += bytes;
  }

  failed(error: unknown): void {
    this.#options.onError(error);
  }

  refusedRequest(name: string): void {
    this.#refusedRequests += 1;
    if (this.ended) return;
    if (this.#refusedRequests > MAX_REFUSED) this.end(tooManyRefused(MAX_REFUSED), 'too many requests that were refused', true);
    else if (this.#refusedRequests <= MAX_REFUSED_ON_RECORD) {
      this.#appendRefused(`${visibleText(name.slice(0, 64), false)} is not offered`);
      this.turn.after(() => undefined);
    }
  }

  async whenCurrent(): Promise<boolean> {
    if (this.ended) return false;
    if (this.#options.control.view() === 'current') return true;
    return new Promise((resolve) => {
      this.#awaitingState.push(resolve);
    });
  }

  /** Begins to answer channels. */
  protected override open(): void {
    const { client, upstream, door, guard } = this.#options;
    const gone = (): void => {
      const { fault } = guard;
      this.end(undefined, fault ?? 'the client went away', fault !== undefined || this.executed() === 'unknown');
    };
    // What is wrong with the connection is known before it is closed: nothing more runs for it.
    client.on('error', gone);
    client.on('close', gone);
    const targetGone = (): void =>
      this.end(targetUnavailable(this.target.name, 'closed', this.executed()), 'the target closed the connection', true);
    upstream.client.on('close', targetGone);
    door.open(
      (knock) => this.#answer(knock),
      (what) => this.refusedRequest(what),
    );
    // While the session was opened, nobody listened; channels that wait are told.
    if (socketOf(upstream.client)?.destroyed !== false) targetGone();
  }

  protected override executed(): Executed {
    return [...this.#channels].some((channel) => channel.isRunning) ? 'unknown' : 'no';
  }

  protected override isAtBoundary(): boolean {
    return this.#channels.size === 0;
  }

  protected override isBusy(): boolean {
    return [...this.#channels].some((channel) => channel.isBusy);
  }

  protected override stateIsCurrent(): void {
    for (const tell of this.#awaitingState.splice(0)) tell(true);
  }

  protected override leave(refusal: HostRefusal | undefined, reason: string, canRecord: boolean): Parting<HostRefusal> {
    for (const tell of this.#awaitingState.splice(0)) tell(false);
    const channels = [...this.#channels];
    const told = canRecord ? channels.map((channel) => channel.end(refusal, reason)) : [];
    if (canRecord) {
      const uncounted = this.#refusedRequests - MAX_REFUSED_ON_RECORD;
      if (uncounted > 0) this.#appendRefused(`${uncounted} more requests of such kinds were refused`);
      // What channels have to say is recorded by this, and under way after it.
      this.turn.flush();
    } else if (refusal !== undefined) for (const channel of channels) channel.cut(refusal);
    this.turn.close();
    return (last, isRecorded) => this.#disconnect(last, reason, isRecorded ? told : []);
  }

  #appendRefused(message: string): void {
    this.turn.append({ type: 'error', code: '0A000', severity: 'ERROR', message, from: 'gateway' });
  }

  #answer(knock: Knock): void {
    if (this.ended || this.draining || this.isPastDeadline) {
      knock.reject('sallyport: 57P01 the session ends: connect again');
      return;
    }
    const { maxChannels } = this.target.limits;
    if (this.#channels.size >= maxChannels) {
      knock.reject(`sallyport: 53300 the target takes ${maxChannels} channels at once: close one, or connect again`);
      this.refusedRequest(`a channel beyond the ${maxChannels} of the target`);
      return;
    }
    this.touch();
    this.#channelCount += 1;
    const onClosed = (channel: LiveChannel): void => {
      this.#channels.delete(channel);
      this.touch();
      this.endAtBoundary();
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
