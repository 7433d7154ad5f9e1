/** From a client that has introduced itself to a session: admitted, logged in upstream, recorded as opened, ready. */
import { principalName, type Principal } from '../../core/principal.ts';
import type { VerifyIdToken } from '../../core/approval/votes.ts';
import { CredentialUnavailable } from '../../core/credential/credential-unavailable.ts';
import type { SessionState } from '../../core/statement/sql/session-state.ts';

import { StatementJudge, type JudgeOptions } from '../../core/judging/authorize.ts';
import { newSessionId } from '../pipeline/approval-id.ts';
import { TargetClosed } from '../../core/judging/view.ts';
import { admit, type AdmissionPorts } from '../pipeline/open-session.ts';
import { StateUnavailable, type ApprovalGate, type CredentialIssuer, type Recorder } from '../ports.ts';
import type { CancelKeys } from './cancel-keys.ts';
import { CancelThrottle } from './cancel-throttle.ts';
import { readClientSettings } from './client-settings.ts';
import { closedTarget, sessionView } from './freshness.ts';
import type { SessionKeys } from './live-session.ts';
import { encodeAuthenticationOk } from './messages/authentication.ts';
import { type CancelKey, encodeBackendKeyData } from './messages/backend-key-data.ts';
import { encodeParameterStatus } from './messages/parameter-status.ts';
import { encodeReadyForQuery } from './messages/ready-for-query.ts';
import {
  invalidOption,
  lockedOut,
  notLetIn,
  reconnect,
  recorderFailed,
  targetUnavailable,
  tooManyConnections,
  type Refusal,
} from './refusal.ts';
import type { ScramKeyCache } from './scram.ts';
import { PostgresSession } from './session.ts';
import { SinkPool } from './sink-pool.ts';
import { refuseCandidate, type ClientCandidate, type StartupPolicy } from './startup.ts';
import type { TargetRuntimes } from './target-runtimes.ts';
import { cancelUpstream, openUpstream, type Upstream } from './upstream.ts';
import { UpstreamUnavailable, upstreamRefusal } from './upstream-error.ts';

export type GatewayPorts = AdmissionPorts & {
  readonly credentials: CredentialIssuer;
  readonly recorder: Recorder;
  readonly gate: ApprovalGate;
  readonly verifyIdToken: VerifyIdToken;
};

export type GatewayOptions = {
  readonly ports: GatewayPorts;
  readonly runtimes: TargetRuntimes;
  readonly keys: SessionKeys;
  readonly writer: string;
  readonly cancelKeys: CancelKeys;
  readonly scramKeys: ScramKeyCache;
  readonly startup: StartupPolicy;
  readonly judge: Omit<JudgeOptions, 'parser'>;
  readonly connectTimeoutMs: number;
  /** As SessionOptions has it. */
  readonly expiryGraceMs?: number | undefined;
  /** The buffer that all sessions read their target's bytes into. */
  readonly sharedBuffer: Buffer;
  readonly approvalUrl: (id: string) => string;
  /** A session began, and the operator may want to list it. */
  readonly onOpened: (id: string, known: { readonly target: string; readonly source: string }) => void;
  /** For the operator's log: never holds tokens, secrets or rows. */
  readonly onError: (error: unknown) => void;
};

type Live = { readonly session: PostgresSession; readonly slot: number };

export class PostgresGateway {
  readonly #options: GatewayOptions;
  readonly #throttle: CancelThrottle;
  readonly #sinks = new SinkPool();
  readonly #live = new Map<string, Live>();
  readonly #bySlot = new Map<number, PostgresSession>();
  readonly #awaitingEnd: (() => void)[] = [];
  #draining = false;
  #ticking = false;

  constructor(options: GatewayOptions) {
    this.#options = options;
    this.#throttle = new CancelThrottle(options.ports.clock);
  }

  get sessions(): number {
    return this.#live.size;
  }

  /** A client that has shown its token. Never rejects: every failure is told to the client. */
  async onClient(candidate: ClientCandidate): Promise<void> {
    const { ports } = this.#options;
    const label = candidate.parameters.get('user') ?? '';
    const targetName = candidate.parameters.get('database') ?? '';
    if (this.#draining) return this.#refuse(candidate, reconnect('the gateway is shutting down'));
    // Whoever was locked a moment ago is not known here.
    if (ports.control.view() !== 'current') return this.#refuse(candidate, reconnect('the gateway cannot read its state'));
    const admission = await admit(ports, candidate.token, targetName);
    if (admission.kind === 'refused') {
      ports.recorder.recordRefusal({
        type: 'session.refused',
        source: candidate.remoteAddress,
        label,
        target: targetName,
        reason: admission.reason,
        ...(admission.principal === undefined ? {} : { principal: admission.principal }),
      });
      // Nobody said no: the token is good and this proxy would let it in, so that `try again` tells nothing to others.
      if (admission.retry === true) return this.#refuse(candidate, reconnect('the gateway cannot decide about new sessions now'));
      return this.#refuse(candidate, admission.locked === true ? lockedOut(admission.reason) : notLetIn());
    }
    const settings = readClientSettings(candidate.parameters, candidate.options);
    if (settings.kind === 'refused') return this.#refuse(candidate, invalidOption(settings.reason));
    let upstream: Upstream | undefined;
    let runtime: Awaited<ReturnType<TargetRuntimes['acquire']>> | undefined;
    let slot: number | undefined;
    try {
      const { principal, target, bundle } = admission;
      const id = newSessionId(ports.clock.now());
      await ports.control.prepare(principal, target.name);
      const credential = await ports.credentials.issue(target, principal, id, candidate.token);
      const gone = new AbortController();
      const onClose = (): void => gone.abort();
      candidate.socket.once('close', onClose);
      upstream = await openUpstream({
        target,
        password: credential.password,
        applicationName: applicationName(principal, settings.applicationName),
        extraParameters: settings.forwarded,
        timeoutMs: this.#options.connectTimeoutMs,
        signal: gone.signal,
        scramKeys: this.#options.scramKeys,
        readBuffer: this.#options.sharedBuffer,
      });
      candidate.socket.off('close', onClose);
      runtime = await this.#options.runtimes.acquire(target, upstream.serverVersion);
      const view = sessionView({ principal, target, runtime: runtime.runtime }, bundle, runtime.runtime.catalogSource.current(), NOT_READ);
      const issued = this.#options.cancelKeys.issue(candidate.protocol.minor);
      if (issued === undefined) {
        this.#abandon(upstream, runtime);
        return await this.#refuse(candidate, tooManyConnections('sorry, too many clients already'));
      }
      slot = issued.session;
      const recorder = ports.recorder.open(id, target.recordRows);
      recorder.append({
        type: 'session.opened',
        protocol: 'postgres',
        session: id,
        writer: this.#options.writer,
        principal: recordedPrincipal(principal),
        target: target.name,
        database: target.database,
        label,
        source: candidate.remoteAddress,
        tls: candidate.tls,
        applicationName: settings.applicationName,
        bundle: bundle.version,
        serverVersion: upstream.parameters.get('server_version') ?? String(upstream.serverVersion),
        policies: admission.policies,
      });
      recorder.append({ type: 'credential.issued', credential: credential.id, role: target.user });
      await new Promise<void>((resolve, reject) => {
        recorder.flush('written', (error) => (error === undefined ? resolve() : reject(error)));
      });
      const used = upstream;
      const held = runtime;
      const session = new PostgresSession({
        id,
        writer: this.#options.writer,
        principal,
        target,
        runtime: runtime.runtime,
        judge: new StatementJudge({ ...this.#options.judge, parser: runtime.runtime.parser }, view),
        bundles: ports.bundles,
        recorder,
        gate: ports.gate,
        verifyIdToken: ports.verifyIdToken,
        control: ports.control,
        clock: ports.clock,
        keys: this.#options.keys,
        settings: settings.gateway,
        approvalUrl: this.#options.approvalUrl,
        client: candidate.socket,
        greeting: Buffer.concat([
          encodeAuthenticationOk(),
          ...[...upstream.parameters].map(([name, value]) => encodeParameterStatus(name, value)),
          encodeBackendKeyData(issued.key),
          encodeReadyForQuery('I'),
        ]),
        clientLeftover: candidate.leftover,
        upstream,
        sharedBuffer: this.#options.sharedBuffer,
        sinks: this.#sinks,
        expiryGraceMs: this.#options.expiryGraceMs,
        cancelUpstream: () =>
          cancelUpstream(target, { processId: used.backendPid, secret: used.backendSecret }, { timeoutMs: this.#options.connectTimeoutMs }),
        onClosed: () => {
          this.#live.delete(id);
          if (this.#live.size === 0) for (const resolve of this.#awaitingEnd.splice(0)) resolve();
          this.#bySlot.delete(issued.session);
          this.#options.cancelKeys.release(issued.session);
          held.release();
        },
        onError: this.#options.onError,
      });
      this.#live.set(id, { session, slot: issued.session });
      if (!this.#ticking) this.#tickLater();
      this.#bySlot.set(issued.session, session);
      session.start();
      // Draining began while it logged in upstream.
      if (this.#draining) session.drain();
      this.#options.onOpened(id, { target: target.name, source: candidate.remoteAddress });
    } catch (error) {
      this.#abandon(upstream, runtime);
      if (slot !== undefined) this.#options.cancelKeys.release(slot);
      this.#options.onError(error);
      return this.#refuse(candidate, this.#refusalOf(error, admission.target.name));
    }
  }

  /** A CancelRequest: ours, or another task's. */
  async onCancel(key: CancelKey, remoteAddress: string): Promise<void> {
    if (!this.#throttle.allows(remoteAddress)) return;
    if (!this.cancelHere(key)) await this.#options.ports.control.cancelElsewhere(key);
  }

  /** A cancel key that reached another task first; false where it is none that this one gave out. */
  cancelHere(key: CancelKey): boolean {
    const session = this.#options.cancelKeys.verify(key);
    if (session === undefined) return false;
    this.#bySlot.get(session)?.cancel();
    return true;
  }

  /** The session's principal has shown a fresh token. False: there is no such session, or it is another's. */
  renew(id: string, principal: Principal): boolean {
    const session = this.#live.get(id)?.session;
    if (session === undefined || principalName(session.principal) !== principalName(principal)) return false;
    if (session.principal.human !== principal.human) return false;
    session.renew(principal.expiresAtMs);
    return true;
  }

  /** Takes no new session, and ends each at its next transaction boundary. */
  drain(): void {
    this.#draining = true;
    for (const { session } of this.#live.values()) session.drain();
  }

  /** Ends what is left. */
  end(reason: string): void {
    for (const { session } of this.#live.values()) session.end(reconnect(reason, 'unknown'), reason, false);
  }

  /** Ends all sessions, since nothing can be recorded any more: clients learn it (ZG030). */
  endUnrecorded(reason: string): void {
    for (const { session } of this.#live.values()) session.endUnrecorded(reason);
  }

  /** Resolves when no session is left, its recording closed; one may outlive its client for a while. */
  ended(): Promise<void> {
    if (this.#live.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#awaitingEnd.push(resolve);
    });
  }

  /** One timer for all sessions: ten thousand idle ones cost a walk a second. */
  #tickLater(): void {
    this.#ticking = true;
    this.#options.ports.clock.after(TICK_MS, () => {
      this.#ticking = false;
      const nowMs = this.#options.ports.clock.now();
      for (const { session } of this.#live.values()) session.tick(nowMs);
      if (this.#live.size > 0) this.#tickLater();
    });
  }

  async #refuse(candidate: ClientCandidate, refusal: Refusal): Promise<void> {
    await refuseCandidate(candidate, refusal, this.#options.startup, { clock: this.#options.ports.clock });
  }

  #abandon(upstream: Upstream | undefined, runtime: { release(): void } | undefined): void {
    upstream?.socket.destroy();
    runtime?.release();
  }

  #refusalOf(error: unknown, target: string): Refusal {
    if (error instanceof UpstreamUnavailable) return upstreamRefusal(target, error);
    if (error instanceof Error && 'code' in error && error.code === 'ZG030') return recorderFailed('no');
    if (error instanceof CredentialUnavailable && error.retry) return reconnect(`no credential for target "${target}" can be had now`);
    if (error instanceof TargetClosed) return closedTarget(target);
    if (error instanceof StateUnavailable) return reconnect('the gateway cannot read its state');
    return targetUnavailable(target, 'misconfigured');
  }
}

/** Limits in time are kept to this precision. */
const TICK_MS = 1_000;

/** Nothing is judged before the state of a session has been read for the first time. */
const NOT_READ: SessionState = {
  searchPath: [],
  sessionUser: '',
  currentUser: '',
  tempRelations: [],
  tempCode: false,
  settings: [],
  prepared: [],
  version: 'not read',
};

/** Shows in pg_stat_activity and the target's own audit who is behind a connection (design §9). */
function applicationName(principal: Principal, given: string): string {
  return given === '' ? `sallyport ${principalName(principal)}` : given;
}

function recordedPrincipal(principal: Principal) {
  const { issuer, agent, human, owner, groups, tokenId, expiresAtMs } = principal;
  return {
    issuer,
    agent,
    ...(human === undefined ? {} : { human }),
    ...(owner === undefined ? {} : { owner }),
    groups,
    ...(tokenId === undefined ? {} : { tokenId }),
    expiresAt: new Date(expiresAtMs).toISOString(),
  };
}
