/** From a client that has proved who it is to a session: admitted, logged in to the host, recorded as opened, its channels answered. */
import { CredentialUnavailable } from '../../core/credential/credential-unavailable.ts';
import type { VerifyIdToken } from '../../core/approval/votes.ts';
import { principalName, type Principal } from '../../core/principal.ts';
import { newSessionId } from '../pipeline/approval-id.ts';
import { admitToHost, type Admission, type HostAdmissionPorts } from '../pipeline/open-session.ts';
import { StateUnavailable, type ApprovalGate, type Recorder } from '../ports.ts';
import type { SshTarget } from '../../core/target.ts';
import { ChannelDoor } from './channel-door.ts';
import type { ExecReader } from '../../core/statement/host/host-reading.ts';
import type { HostCredentialIssuer } from '../ports.ts';
import type { SshCandidate } from './listener.ts';
import { refuseSmallPackets } from './peer-packets.ts';
import { lockedOut, notLetIn, reconnect, recorderFailed, targetUnavailable, type HostRefusal } from './refusal.ts';
import { SshSession } from './session.ts';
import { HostUnavailable, upstreamRefusal } from './upstream-error.ts';
import { openUpstream, type Upstream } from './upstream.ts';

export type SshGatewayPorts = HostAdmissionPorts & {
  readonly credentials: HostCredentialIssuer;
  readonly recorder: Recorder;
  readonly gate: ApprovalGate;
  readonly verifyIdToken: VerifyIdToken;
};

export type SshGatewayOptions = {
  readonly ports: SshGatewayPorts;
  /** Keys the digests of operations and approvals. */
  readonly digestKey: Uint8Array;
  readonly writer: string;
  readonly commands: ExecReader;
  readonly connectTimeoutMs: number;
  /** As HostSessionOptions has it. */
  readonly expiryGraceMs?: number | undefined;
  readonly approvalUrl: (id: string) => string;
  /** A session began, and the operator may want to list it. */
  readonly onOpened: (id: string, known: { readonly target: string; readonly source: string }) => void;
  /** For the operator's log: never holds tokens, secrets or content. */
  readonly onError: (error: unknown) => void;
};

type Admitted = Admission<SshTarget> & { readonly kind: 'admitted' };

/** Limits in time are kept to this precision. */
const TICK_MS = 1_000;

export class SshGateway {
  readonly #options: SshGatewayOptions;
  readonly #live = new Map<string, SshSession>();
  readonly #awaitingEnd: (() => void)[] = [];
  /** Clients that are being let in. */
  #arriving = 0;
  #draining = false;
  #ticking = false;

  constructor(options: SshGatewayOptions) {
    this.#options = options;
  }

  get sessions(): number {
    return this.#live.size;
  }

  /** A client that has proved who it is; its channels are listened for when this returns. */
  onClient(candidate: SshCandidate): void {
    refuseSmallPackets(candidate.connection);
    const door = new ChannelDoor(candidate.connection, candidate.guard);
    this.#arriving += 1;
    this.#letIn(candidate, door)
      .catch((error: unknown) => {
        this.#options.onError(error);
        this.#refuse(door, reconnect('the gateway met an error of its own'));
      })
      .finally(() => {
        this.#arriving -= 1;
        this.#tellEnd();
      });
  }

  /** The session's principal has shown a fresh token. False: there is no such session, or it is another's. */
  renew(id: string, principal: Principal): boolean {
    const session = this.#live.get(id);
    if (session === undefined || principalName(session.principal) !== principalName(principal)) return false;
    if (session.principal.human !== principal.human) return false;
    session.renew(principal.expiresAtMs);
    return true;
  }

  /** Takes no new session, and ends each when none of its channels is open. */
  drain(): void {
    this.#draining = true;
    for (const session of this.#live.values()) session.drain();
  }

  /** Ends what is left. */
  end(reason: string): void {
    for (const session of this.#live.values()) session.end(reconnect(reason, 'unknown'), reason, false);
  }

  /** Ends all sessions, since nothing can be recorded any more: clients learn it (ZG030). */
  endUnrecorded(reason: string): void {
    for (const session of this.#live.values()) session.endUnrecorded(reason);
  }

  /** Resolves when no session is left, its recording closed. */
  ended(): Promise<void> {
    if (this.#live.size === 0 && this.#arriving === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#awaitingEnd.push(resolve);
    });
  }

  async #letIn(candidate: SshCandidate, door: ChannelDoor): Promise<void> {
    const { ports } = this.#options;
    const { identity, targetName } = candidate;
    if (this.#draining) return this.#refuse(door, reconnect('the gateway is shutting down'));
    // Whoever was locked a moment ago is not known here.
    if (ports.control.view() !== 'current') return this.#refuse(door, reconnect('the gateway cannot read its state'));
    const admission = await admitToHost(ports, identity, targetName);
    if (admission.kind === 'refused') {
      this.#recordRefusal(candidate, admission.reason, admission.principal);
      // Nobody said no: the token is good and this proxy would let it in, so that `try again` tells nothing to others.
      if (admission.retry === true) return this.#refuse(door, reconnect('the gateway cannot decide about new sessions now'));
      return this.#refuse(door, admission.locked === true ? lockedOut(admission.reason) : notLetIn());
    }
    const { principal, target } = admission;
    const account = candidate.account ?? target.accounts[0];
    if (!target.accounts.includes(account)) {
      this.#recordRefusal(candidate, `"${account}" is none of the accounts of ${target.name}`, principalName(principal));
      return this.#refuse(door, notLetIn());
    }
    let upstream: Upstream | undefined;
    try {
      const id = newSessionId(ports.clock.now());
      await ports.control.prepare(principal, target.name);
      const credential = await ports.credentials.issueForHost({ target, account, principal, session: id, shown: identity });
      upstream = await this.#connect(candidate, target, account, credential);
      await this.#open(candidate, door, admission, { id, account, upstream, credential: credential.id });
    } catch (error) {
      upstream?.client.end();
      this.#options.onError(error);
      this.#refuse(door, refusalOf(error, target.name));
    }
  }

  async #connect(
    { connection }: SshCandidate,
    target: SshTarget,
    account: string,
    credential: Parameters<typeof openUpstream>[0]['credential'],
  ): Promise<Upstream> {
    const gone = new AbortController();
    const onClose = (): void => gone.abort();
    connection.once('close', onClose);
    const { connectTimeoutMs, ports } = this.#options;
    const upstream = await openUpstream({
      target,
      account,
      credential,
      timeoutMs: connectTimeoutMs,
      clock: ports.clock,
      signal: gone.signal,
    });
    connection.off('close', onClose);
    return upstream;
  }

  async #open(
    candidate: SshCandidate,
    door: ChannelDoor,
    { principal, target, bundle, policies }: Admitted,
    opened: { readonly id: string; readonly account: string; readonly upstream: Upstream; readonly credential: string },
  ): Promise<void> {
    const { ports, writer } = this.#options;
    const { id, account, upstream } = opened;
    const recorder = ports.recorder.open(id, target.recordContent);
    recorder.append({
      type: 'session.opened',
      protocol: 'ssh',
      session: id,
      writer,
      principal: recordedPrincipal(principal),
      target: target.name,
      database: account,
      label: candidate.label,
      source: candidate.remoteAddress,
      tls: candidate.encryption,
      applicationName: candidate.clientVersion,
      bundle: bundle.version,
      serverVersion: upstream.software,
      policies,
    });
    recorder.append({ type: 'credential.issued', credential: opened.credential, role: account });
    await new Promise<void>((resolve, reject) => {
      recorder.flush('written', (error) => (error === undefined ? resolve() : reject(error)));
    });
    const session = new SshSession({
      id,
      writer,
      principal,
      target,
      account,
      restrictions: candidate.restrictions,
      bundles: ports.bundles,
      recorder,
      gate: ports.gate,
      verifyIdToken: ports.verifyIdToken,
      control: ports.control,
      clock: ports.clock,
      digestKey: this.#options.digestKey,
      commands: this.#options.commands,
      approvalUrl: this.#options.approvalUrl,
      client: candidate.connection,
      guard: candidate.guard,
      door,
      upstream,
      expiryGraceMs: this.#options.expiryGraceMs,
      onClosed: () => {
        this.#live.delete(id);
        this.#tellEnd();
      },
      onError: this.#options.onError,
    });
    this.#live.set(id, session);
    if (!this.#ticking) this.#tickLater();
    session.start();
    // Draining began while it logged in upstream.
    if (this.#draining) session.drain();
    this.#options.onOpened(id, { target: target.name, source: candidate.remoteAddress });
  }

  #recordRefusal(candidate: SshCandidate, reason: string, principal: string | undefined): void {
    this.#options.ports.recorder.recordRefusal({
      type: 'session.refused',
      source: candidate.remoteAddress,
      label: candidate.label,
      target: candidate.targetName,
      reason,
      ...(principal === undefined ? {} : { principal }),
    });
  }

  #refuse(door: ChannelDoor, refusal: HostRefusal): void {
    door.refuse(refusal, this.#options.ports.clock);
  }

  #tellEnd(): void {
    if (this.#live.size === 0 && this.#arriving === 0) for (const resolve of this.#awaitingEnd.splice(0)) resolve();
  }

  /** One timer for all sessions. */
  #tickLater(): void {
    this.#ticking = true;
    this.#options.ports.clock.after(TICK_MS, () => {
      this.#ticking = false;
      const nowMs = this.#options.ports.clock.now();
      for (const session of this.#live.values()) session.tick(nowMs);
      if (this.#live.size > 0) this.#tickLater();
    });
  }
}

function refusalOf(error: unknown, target: string): HostRefusal {
  if (error instanceof HostUnavailable) return upstreamRefusal(target, error);
  if (error instanceof Error && 'code' in error && error.code === 'ZG030') return recorderFailed('no');
  if (error instanceof CredentialUnavailable && error.retry) return reconnect(`no credential for target "${target}" can be had now`);
  if (error instanceof StateUnavailable) return reconnect('the gateway cannot read its state');
  return targetUnavailable(target, 'misconfigured');
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
