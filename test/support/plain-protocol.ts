/** A protocol without a wire, and ports that keep what they are told: for what holds of every protocol. */
import type { SessionEvent } from '../../core/evidence/event.ts';
import { RecorderUnavailable, type Recorder, type SessionRecorder } from '../../core/evidence/recorder.ts';
import type { Principal } from '../../core/principal.ts';
import type { PostgresTarget } from '../../core/target.ts';
import { Gateway, type Entrant, type Login, type SessionPorts } from '../../proxy-task/pipeline/gateway.ts';
import { Session, type Executed, type Parting, type SessionOptions } from '../../proxy-task/pipeline/session.ts';
import type { StateView } from '../../proxy-task/ports.ts';
import { ManualClock } from './manual-clock.ts';

export type Words = { readonly code: string; readonly message: string };
const words = (code: string, message: string, executed: Executed = 'no'): Words => ({ code, message: `${message} (${executed})` });
export const WORDS = {
  reconnect: (reason: string, executed?: Executed) => words('57P01', reason, executed),
  endedByOperator: (by: string, reason: string, executed: Executed) => words('ZG020', `${by}: ${reason}`, executed),
  recorderFailed: (executed: Executed) => words('ZG030', 'unrecorded', executed),
  notLetIn: () => words('28000', 'not let in'),
  lockedOut: (reason: string) => words('ZG020', reason),
  unavailable: (_error: unknown, target: string) => words('08001', target),
};

export const PLAIN_TARGET: PostgresTarget = {
  kind: 'postgres',
  name: 'db',
  host: '127.0.0.1',
  port: 5432,
  database: 'db',
  user: 'app',
  tls: { mode: 'disable' },
  credential: { kind: 'env', name: 'PASSWORD' },
  limits: { maxRows: 1, maxBytes: 1, budgets: [], maxSessionMs: 100_000, idleMs: 20_000, maxStatementBytes: 1 },
  readsUnrecorded: false,
  recordRows: 'rows',
  detectors: [],
};

export class PlainSession extends Session<PostgresTarget, Words> {
  running = false;
  busy = false;
  atBoundary = true;
  current = 0;
  /** How it ended, and whether that was still on record. */
  left: { readonly reason: string; readonly canRecord: boolean } | undefined;
  told: { readonly refusal: Words | undefined; readonly isRecorded: boolean } | undefined;

  constructor(options: SessionOptions<PostgresTarget>) {
    super(options, WORDS);
  }

  protected override open(): void {}
  protected override executed(): Executed {
    return this.running ? 'unknown' : 'no';
  }
  protected override isAtBoundary(): boolean {
    return this.atBoundary;
  }
  protected override isBusy(): boolean {
    return this.busy;
  }
  protected override stateIsCurrent(): void {
    this.current += 1;
  }
  protected override leave(_refusal: Words | undefined, reason: string, canRecord: boolean): Parting<Words> {
    this.left = { reason, canRecord };
    return (refusal, isRecorded) => {
      this.told = { refusal, isRecorded };
    };
  }
}

/** Everything that a session and its gateway need, in memory. */
export class PlainPorts {
  readonly clock = new ManualClock(1_000);
  readonly events: SessionEvent[] = [];
  readonly refusals: SessionEvent[] = [];
  readonly errors: unknown[] = [];
  /** Recordings that are closed. */
  closed = 0;
  recorderFails = false;
  /** What closing waits for. */
  closing: Promise<void> = Promise.resolve();
  view: StateView = 'current';
  endedByOperator: ((by: string, reason: string) => void) | undefined;
  principal: Principal = { issuer: 'corp', agent: 'agent-7', groups: [], expiresAtMs: 51_000 };
  permits = true;

  readonly recorder: Recorder = {
    open: () => this.recording(),
    recordRefusal: (event) => void this.refusals.push(event),
  };

  recording(): SessionRecorder {
    const failure = (): RecorderUnavailable | undefined => (this.recorderFails ? new RecorderUnavailable('no room') : undefined);
    return {
      append: (event) => this.events.push(event),
      appendContent: () => undefined,
      flush: (_durability, done) => done(failure()),
      close: async (event) => {
        this.events.push(event);
        await this.closing;
        const error = failure();
        if (error !== undefined) throw error;
        this.closed += 1;
      },
    };
  }

  options(): SessionOptions<PostgresTarget> {
    const { bundles, gate, verifyIdToken, control, clock } = this.ports();
    return {
      id: 's_1',
      writer: 'w1',
      principal: this.principal,
      target: PLAIN_TARGET,
      recorder: this.recording(),
      bundles,
      gate,
      verifyIdToken,
      control,
      clock,
      approvalUrl: (id) => id,
      expiryGraceMs: 5_000,
      onClosed: () => undefined,
      onError: (error) => this.errors.push(error),
    };
  }

  ports(): SessionPorts {
    const decision = (): unknown =>
      this.permits ? { kind: 'permit', policies: ['p1'] } : { kind: 'block', reason: 'no rule', policies: [] };
    return {
      tokens: { verify: async () => this.principal },
      // Only the connect decision and the version are asked here.
      bundles: {
        current: () => ({ version: 'v1', policies: { mayConnect: decision } }),
        onChange: () => ({ stop: () => undefined }),
      } as unknown as SessionPorts['bundles'],
      control: {
        refusal: () => undefined,
        watch: (_session, ended) => {
          this.endedByOperator = ended;
          return { stop: () => (this.endedByOperator = undefined) };
        },
        spend: () => ({ ok: true }),
        cancelElsewhere: async () => undefined,
        prepare: async () => undefined,
        view: () => this.view,
      },
      clock: this.clock,
      recorder: this.recorder,
      // Nobody is asked.
      gate: {} as unknown as SessionPorts['gate'],
      verifyIdToken: () => Promise.reject(new Error('nobody is asked')),
    };
  }
}

/** Lets clients in that are nothing but what they were told. */
export class PlainGateway extends Gateway<PostgresTarget, Words, PlainSession> {
  readonly opened: PlainSession[] = [];

  constructor(plain: PlainPorts) {
    const options = { ports: plain.ports(), writer: 'w1', connectTimeoutMs: 1, expiryGraceMs: 5_000, approvalUrl: (id: string) => id };
    super(
      { ...options, onOpened: () => undefined, onError: (error) => plain.errors.push(error) },
      (name) => (name === 'db' ? PLAIN_TARGET : undefined),
      WORDS,
    );
  }

  /** Resolves when there is a session, or with why there is none. */
  async enter(change: Partial<Entrant<PostgresTarget, Words, PlainSession>> = {}): Promise<Words | undefined> {
    let refused: Words | undefined;
    await this.letIn({
      identity: { kind: 'token', token: 't' },
      targetName: 'db',
      label: 'agent',
      source: '10.0.0.1',
      tls: 'none',
      onGone: () => ({ stop: () => undefined }),
      refuse: (refusal) => {
        refused = refusal;
      },
      logIn: async () => this.login(),
      ...change,
    });
    return refused;
  }

  login(): Login<PostgresTarget, Words, PlainSession> & { readonly kind: 'open' } {
    return {
      kind: 'open',
      opened: { database: 'db', applicationName: '', serverVersion: '17' },
      credential: { id: 'test', role: 'app' },
      makeSession: (options) => {
        const session = new PlainSession(options);
        this.opened.push(session);
        return session;
      },
      abandon: () => undefined,
    };
  }
}
