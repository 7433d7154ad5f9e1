/** From a client that has shown who it is to a session: admitted, logged in to its target, recorded as opened. Then all sessions of a protocol until the last one's end. */
import type { VerifyIdToken } from '../../core/approval/votes.ts';
import { CredentialUnavailable } from '../../core/credential/credential-unavailable.ts';
import type { SessionEvent } from '../../core/evidence/event.ts';
import type { SessionRecorder } from '../../core/evidence/recorder.ts';
import { principalName, type Principal } from '../../core/principal.ts';
import type { Target } from '../../core/target.ts';
import { StateUnavailable, type ApprovalGate, type Recorder } from '../ports.ts';
import { newSessionId } from './approval-id.ts';
import { admit, type Admission, type AdmissionPorts, type Identity } from './open-session.ts';
import { RefusalLimit } from './refusal-limit.ts';
import type { EndRefusal, EndWords, Session, SessionOptions } from './session.ts';

export type SessionPorts = AdmissionPorts & {
  readonly recorder: Recorder;
  readonly gate: ApprovalGate;
  readonly verifyIdToken: VerifyIdToken;
};

/** What the gateway of any protocol is given. */
export type GatewayOptions = {
  readonly ports: SessionPorts;
  readonly writer: string;
  readonly connectTimeoutMs: number;
  /** As SessionOptions has it. */
  readonly expiryGraceMs?: number | undefined;
  /** Link of the approval page of an id. */
  readonly approvalUrl: (id: string) => string;
  /** A session began, and the operator may want to list it. */
  readonly onOpened: (id: string, known: { readonly target: string; readonly source: string }) => void;
  /** For the operator's log: never holds tokens, secrets, rows or content. */
  readonly onError: (error: unknown) => void;
};

/** How a protocol words that there is no session, and why one ends. */
export type GatewayWords<R extends EndRefusal> = EndWords<R> & {
  readonly notLetIn: () => R;
  /** Told to a principal that has proved who it is. */
  readonly lockedOut: (reason: string) => R;
  /** Why nobody could log in to the target, from what `logIn` threw. */
  readonly unavailable: (error: unknown, target: string) => R;
};

export type Admitted<T extends Target> = Admission<T> & { readonly kind: 'admitted' };

/** A client on its way in. Label and `tls`, what protects its connection, are only recorded. */
export type Entrant<T extends Target, R extends EndRefusal, S> = {
  readonly identity: Identity;
  readonly targetName: string;
  readonly label: string;
  readonly source: string;
  readonly tls: string;
  /** Calls back when the client goes away; at once where it has. */
  onGone(gone: () => void): { stop(): void };
  /** There is no session: the client's last words. */
  refuse(refusal: R): void | Promise<void>;
  /** Logs in to the target. Where it throws it leaves nothing open. */
  logIn(admitted: Admitted<T>, session: string, gone: AbortSignal): Promise<Login<T, R, S>>;
};

type Opened = SessionEvent & { readonly type: 'session.opened' };

export type Login<T extends Target, R, S> =
  /** `reason`: for the recording of who was not let in, where the client did what it may not. */
  | { readonly kind: 'refused'; readonly refusal: R; readonly reason?: string }
  | {
      readonly kind: 'open';
      readonly opened: Pick<Opened, 'database' | 'applicationName' | 'serverVersion'>;
      /** What evidence calls the credential, and who the session is on the target. */
      readonly credential: { readonly id: string; readonly role: string };
      /** The session owns the connection to the target from here. */
      makeSession(options: SessionOptions<T>): S;
      /** No session came of it. */
      abandon(): void;
    };

/** Limits in time are kept to this precision. */
const TICK_MS = 1_000;

export abstract class Gateway<T extends Target, R extends EndRefusal, S extends Session<T, R>> {
  readonly #options: GatewayOptions;
  readonly #find: (name: string) => T | undefined;
  readonly #words: GatewayWords<R>;
  readonly #live = new Map<string, S>();
  readonly #refusals: RefusalLimit;
  readonly #awaitingEnd: (() => void)[] = [];
  /** Clients that are being let in. */
  #arriving = 0;
  #draining = false;
  /** What ended all sessions ends those too that were about to open. */
  #over: ((session: S) => void) | undefined;
  #ticking = false;

  constructor(options: GatewayOptions, find: (name: string) => T | undefined, words: GatewayWords<R>) {
    this.#options = options;
    this.#find = find;
    this.#words = words;
    const { recorder, clock } = options.ports;
    this.#refusals = new RefusalLimit((refused) => recorder.recordRefusal({ type: 'session.refused', ...refused }), clock);
  }

  get sessions(): number {
    return this.#live.size;
  }

  /** The session's principal has shown a fresh token. False: there is no such session, or it is another's. */
  renew(id: string, principal: Principal): boolean {
    const session = this.#live.get(id);
    if (session === undefined || principalName(session.principal) !== principalName(principal)) return false;
    if (session.principal.human !== principal.human) return false;
    session.renew(principal.expiresAtMs);
    return true;
  }

  /** Takes no new session, and ends each at its next boundary. */
  drain(): void {
    this.#draining = true;
    this.#refusals.flush();
    for (const session of this.#live.values()) session.drain();
  }

  /** Ends what is left. */
  end(reason: string): void {
    this.#endAll((session) => session.end(this.#words.reconnect(reason, 'unknown'), reason, false));
  }

  /** Ends all sessions, since nothing can be recorded any more: clients learn it (ZG030). */
  endUnrecorded(reason: string): void {
    this.#endAll((session) => session.endUnrecorded(reason));
  }

  /** Resolves when no session is left or about to open, and all recordings are closed; one may outlive its client for a while. */
  ended(): Promise<void> {
    if (this.#isEmpty()) return Promise.resolve();
    return new Promise((resolve) => {
      this.#awaitingEnd.push(resolve);
    });
  }

  /** Never rejects: every failure is told to the client. */
  protected async letIn(entrant: Entrant<T, R, S>): Promise<void> {
    const { onError } = this.#options;
    this.#arriving += 1;
    try {
      const refusal = await this.#open(entrant).catch((error: unknown) => {
        onError(error);
        return this.#words.reconnect('the gateway met an error of its own');
      });
      if (refusal !== undefined) await entrant.refuse(refusal);
    } catch (error) {
      onError(error);
    } finally {
      this.#arriving -= 1;
      this.#tellEnd();
    }
  }

  /** Why there is no session; undefined where there is one, or nobody is left to be told. */
  async #open(entrant: Entrant<T, R, S>): Promise<R | undefined> {
    const { ports, onError } = this.#options;
    const words = this.#words;
    if (this.#draining) return words.reconnect('the gateway is shutting down');
    // Whoever was locked a moment ago is not known here.
    if (ports.control.view() !== 'current') return words.reconnect('the gateway cannot read its state');
    const admission = await admit(ports, entrant.identity, entrant.targetName, this.#find);
    if (admission.kind === 'refused') {
      this.#recordRefusal(entrant, admission.reason, admission.principal);
      // Nobody said no: the token is good and this proxy would let it in, so that `try again` tells nothing to others.
      if (admission.retry === true) return words.reconnect('the gateway cannot decide about new sessions now');
      return admission.locked === true ? words.lockedOut(admission.reason) : words.notLetIn();
    }
    const { principal, target } = admission;
    const client = new AbortController();
    const watch = entrant.onGone(() => client.abort());
    let login: Login<T, R, S> | undefined;
    let session: S | undefined;
    try {
      const id = newSessionId(ports.clock.now());
      await ports.control.prepare(principal, target.name);
      login = await entrant.logIn(admission, id, client.signal);
      if (login.kind === 'refused') {
        if (login.reason !== undefined) this.#recordRefusal(entrant, login.reason, principalName(principal));
        return login.refusal;
      }
      const recorder = await this.#record(entrant, admission, id, login);
      session = login.makeSession(this.#sessionOptions(admission, id, recorder));
      this.#begin(session, { target: target.name, source: entrant.source }, client.signal);
      return undefined;
    } catch (error) {
      onError(error);
      if (session === undefined) {
        if (login?.kind === 'open') login.abandon();
        return this.#refusalOf(error, target.name);
      }
      session.end(words.reconnect('the gateway met an error of its own', 'unknown'), 'internal error', true);
      return undefined;
    } finally {
      watch.stop();
    }
  }

  /** Resolves when it is on record that the session opens. */
  async #record(
    entrant: Entrant<T, R, S>,
    { principal, target, bundle, policies }: Admitted<T>,
    id: string,
    { opened, credential }: Login<T, R, S> & { readonly kind: 'open' },
  ): Promise<SessionRecorder> {
    const recorder = this.#options.ports.recorder.open(id, target.kind === 'ssh' ? target.recordContent : target.recordRows);
    recorder.append({
      type: 'session.opened',
      protocol: target.kind,
      session: id,
      writer: this.#options.writer,
      principal: recordedPrincipal(principal),
      target: target.name,
      database: opened.database,
      label: entrant.label,
      source: entrant.source,
      tls: entrant.tls,
      applicationName: opened.applicationName,
      bundle: bundle.version,
      serverVersion: opened.serverVersion,
      policies,
    });
    recorder.append({ type: 'credential.issued', credential: credential.id, role: credential.role });
    await new Promise<void>((resolve, reject) => {
      recorder.flush('written', (error) => (error === undefined ? resolve() : reject(error)));
    });
    return recorder;
  }

  #sessionOptions({ principal, target }: Admitted<T>, id: string, recorder: SessionRecorder): SessionOptions<T> {
    const { ports, writer, approvalUrl, expiryGraceMs, onError } = this.#options;
    const { bundles, gate, verifyIdToken, control, clock } = ports;
    const onClosed = (): void => {
      this.#live.delete(id);
      this.#tellEnd();
    };
    const shared = { bundles, gate, verifyIdToken, control, clock, approvalUrl, expiryGraceMs, onClosed, onError };
    return { id, writer, principal, target, recorder, ...shared };
  }

  #begin(session: S, known: { readonly target: string; readonly source: string }, client: AbortSignal): void {
    this.#live.set(session.id, session);
    if (!this.#ticking) this.#tickLater();
    session.start();
    // What happened while it was let in.
    if (client.aborted) session.end(undefined, 'the client went away', true);
    this.#over?.(session);
    if (this.#draining) session.drain();
    this.#options.onOpened(session.id, known);
  }

  #endAll(end: (session: S) => void): void {
    this.#draining = true;
    this.#over = end;
    for (const session of this.#live.values()) end(session);
  }

  #recordRefusal({ source, label, targetName }: Entrant<T, R, S>, reason: string, principal: string | undefined): void {
    this.#refusals.add({ source, label, target: targetName, reason, ...(principal === undefined ? {} : { principal }) });
  }

  #refusalOf(error: unknown, target: string): R {
    const words = this.#words;
    if (error instanceof Error && 'code' in error && error.code === 'ZG030') return words.recorderFailed('no');
    if (error instanceof CredentialUnavailable && error.retry)
      return words.reconnect(`no credential for target "${target}" can be had now`);
    if (error instanceof StateUnavailable) return words.reconnect('the gateway cannot read its state');
    return words.unavailable(error, target);
  }

  #isEmpty(): boolean {
    return this.#live.size === 0 && this.#arriving === 0;
  }

  #tellEnd(): void {
    if (this.#isEmpty()) for (const resolve of this.#awaitingEnd.splice(0)) resolve();
  }

  /** One timer for all sessions: ten thousand idle ones cost a walk a second. */
  #tickLater(): void {
    this.#ticking = true;
    const { clock } = this.#options.ports;
    clock.after(TICK_MS, () => {
      this.#ticking = false;
      const nowMs = clock.now();
      for (const session of this.#live.values()) session.tick(nowMs);
      if (this.#live.size > 0) this.#tickLater();
    });
  }
}

function recordedPrincipal({ issuer, agent, human, owner, groups, tokenId, expiresAtMs }: Principal): Opened['principal'] {
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
