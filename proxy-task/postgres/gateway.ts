/** From a client that has introduced itself to a session on a database, and the cancels of those sessions. */
import { StatementJudge, type JudgeOptions } from '../../core/judging/authorize.ts';
import { TargetClosed } from '../../core/judging/view.ts';
import { principalName, type Principal } from '../../core/principal.ts';
import type { SessionState } from '../../core/statement/sql/session-state.ts';
import type { PostgresTarget } from '../../core/target.ts';
import { Gateway, type Admitted, type GatewayOptions, type Login, type SessionPorts } from '../pipeline/gateway.ts';
import type { CredentialIssuer, TargetDirectory } from '../ports.ts';
import type { CancelKeys } from './cancel-keys.ts';
import { CancelThrottle } from './cancel-throttle.ts';
import { readClientSettings } from './client-settings.ts';
import { closedTarget, sessionView } from './freshness.ts';
import type { SessionKeys } from './live-session.ts';
import { encodeAuthenticationOk } from './messages/authentication.ts';
import { type CancelKey, encodeBackendKeyData } from './messages/backend-key-data.ts';
import { encodeParameterStatus } from './messages/parameter-status.ts';
import { encodeReadyForQuery } from './messages/ready-for-query.ts';
import { invalidOption, SESSION_WORDS, targetUnavailable, tooManyConnections, type Refusal } from './refusal.ts';
import type { ScramKeyCache } from './scram.ts';
import { PostgresSession } from './session.ts';
import { SinkPool } from './sink-pool.ts';
import { refuseCandidate, type ClientCandidate, type StartupPolicy } from './startup.ts';
import type { TargetRuntimes } from './target-runtimes.ts';
import { cancelUpstream, openUpstream } from './upstream.ts';
import { UpstreamUnavailable, upstreamRefusal } from './upstream-error.ts';

export type PostgresGatewayOptions = GatewayOptions & {
  readonly ports: SessionPorts & {
    readonly targets: Pick<TargetDirectory, 'find'>;
    readonly credentials: CredentialIssuer;
  };
  readonly runtimes: TargetRuntimes;
  readonly keys: SessionKeys;
  readonly cancelKeys: CancelKeys;
  readonly scramKeys: ScramKeyCache;
  readonly startup: StartupPolicy;
  readonly judge: Omit<JudgeOptions, 'parser'>;
  /** The buffer that all sessions read their target's bytes into. */
  readonly sharedBuffer: Buffer;
};

export class PostgresGateway extends Gateway<PostgresTarget, Refusal, PostgresSession> {
  readonly #options: PostgresGatewayOptions;
  readonly #throttle: CancelThrottle;
  readonly #sinks = new SinkPool();
  readonly #bySlot = new Map<number, PostgresSession>();

  constructor(options: PostgresGatewayOptions) {
    super(options, (name) => options.ports.targets.find(name), { ...SESSION_WORDS, unavailable });
    this.#options = options;
    this.#throttle = new CancelThrottle(options.ports.clock);
  }

  /** A client that has shown its token. Never rejects: every failure is told to the client. */
  onClient(candidate: ClientCandidate): Promise<void> {
    const { startup, ports } = this.#options;
    const { socket, token, parameters, remoteAddress, tls } = candidate;
    return this.letIn({
      identity: { kind: 'token', token },
      targetName: parameters.get('database') ?? '',
      label: parameters.get('user') ?? '',
      source: remoteAddress,
      tls,
      onGone: (gone) => {
        if (socket.destroyed) gone();
        socket.once('close', gone);
        return { stop: () => void socket.off('close', gone) };
      },
      refuse: (refusal) => refuseCandidate(candidate, refusal, startup, { clock: ports.clock }),
      logIn: (admitted, session, gone) => this.#logIn(candidate, admitted, session, gone),
    });
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

  async #logIn(
    candidate: ClientCandidate,
    { principal, target, bundle }: Admitted<PostgresTarget>,
    id: string,
    gone: AbortSignal,
  ): Promise<Login<PostgresTarget, Refusal, PostgresSession>> {
    const { ports, keys, judge, runtimes, cancelKeys, scramKeys, sharedBuffer, connectTimeoutMs } = this.#options;
    const settings = readClientSettings(candidate.parameters, candidate.options);
    if (settings.kind === 'refused') return { kind: 'refused', refusal: invalidOption(settings.reason) };
    const credential = await ports.credentials.issue(target, principal, id, candidate.token);
    const upstream = await openUpstream({
      target,
      password: credential.password,
      applicationName: applicationName(principal, settings.applicationName),
      extraParameters: settings.forwarded,
      timeoutMs: connectTimeoutMs,
      signal: gone,
      scramKeys,
      readBuffer: sharedBuffer,
    });
    let held: Awaited<ReturnType<TargetRuntimes['acquire']>> | undefined;
    let issued: ReturnType<CancelKeys['issue']>;
    const release = (): void => {
      if (issued !== undefined) cancelKeys.release(issued.session);
      held?.release();
    };
    const abandon = (): void => {
      upstream.socket.destroy();
      release();
    };
    try {
      held = await runtimes.acquire(target, upstream.serverVersion);
      const { runtime } = held;
      const view = sessionView({ principal, target, runtime }, bundle, runtime.catalogSource.current(), NOT_READ);
      issued = cancelKeys.issue(candidate.protocol.minor);
      if (issued === undefined) {
        abandon();
        return { kind: 'refused', refusal: tooManyConnections('sorry, too many clients already') };
      }
      const { key, session: slot } = issued;
      return {
        kind: 'open',
        opened: {
          database: target.database,
          applicationName: settings.applicationName,
          serverVersion: upstream.parameters.get('server_version') ?? String(upstream.serverVersion),
        },
        credential: { id: credential.id, role: target.user },
        makeSession: (options) => {
          const session = new PostgresSession({
            ...options,
            runtime,
            judge: new StatementJudge({ ...judge, parser: runtime.parser }, view),
            keys,
            settings: settings.gateway,
            client: candidate.socket,
            clientLeftover: candidate.leftover,
            greeting: Buffer.concat([
              encodeAuthenticationOk(),
              ...[...upstream.parameters].map(([name, value]) => encodeParameterStatus(name, value)),
              encodeBackendKeyData(key),
              encodeReadyForQuery('I'),
            ]),
            upstream,
            sharedBuffer,
            sinks: this.#sinks,
            cancelUpstream: () =>
              cancelUpstream(target, { processId: upstream.backendPid, secret: upstream.backendSecret }, { timeoutMs: connectTimeoutMs }),
            onClosed: () => {
              this.#bySlot.delete(slot);
              release();
              options.onClosed();
            },
          });
          this.#bySlot.set(slot, session);
          return session;
        },
        abandon,
      };
    } catch (error) {
      abandon();
      throw error;
    }
  }
}

function unavailable(error: unknown, target: string): Refusal {
  if (error instanceof UpstreamUnavailable) return upstreamRefusal(target, error);
  if (error instanceof TargetClosed) return closedTarget(target);
  return targetUnavailable(target, 'misconfigured');
}

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
