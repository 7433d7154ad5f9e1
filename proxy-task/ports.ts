/** What the data path needs from outside, in the words of its job. */
import type { ApprovalRequest } from '../core/approval/approval.ts';
import type { ApprovalGate } from '../core/approval/gate.ts';
import type { RawStatement } from '../core/approval/raw-statement.ts';
import { SallyportError } from '../core/errors.ts';
import type { Shown } from '../core/identity/shown.ts';
import type { Recorder } from '../core/evidence/recorder.ts';
import type { Bundle } from '../core/policy/bundle.ts';
import type { ConnectAnswer, MaskingAnswer } from '../core/policy/connect-answer.ts';
import type { Principal } from '../core/principal.ts';
import type { StoredLogin } from '../core/ssh/login.ts';
import type { WriterItem } from '../core/state/control.ts';
import type { PostgresTarget, SshTarget } from '../core/target.ts';

export type { ApprovalGate, Recorder };

export interface TokenVerifier {
  /** Throws TokenRefused, whose message helps no forger. */
  verify(token: string): Promise<Principal>;
}

/** Logins by SSH that agents have prepared through the API, by `loginId`. What has expired is not there. */
export interface SshLogins {
  /** Throws StateUnavailable. */
  readKey(id: string): Promise<StoredLogin | undefined>;
  /** Removes it: a code is good for one login. Throws StateUnavailable. */
  takeCode(id: string): Promise<StoredLogin | undefined>;
}

export interface BundleSource {
  current(): Bundle;
  /** Called when another version becomes current; sessions take it up at their next statement boundary. */
  onChange(changed: (bundle: Bundle) => void): { stop(): void };
}

export interface TargetDirectory {
  /** The database of this name; a host is none. */
  find(name: string): PostgresTarget | undefined;
  /** The host of this name; a database is none. */
  findHost(name: string): SshTarget | undefined;
}

/** A secret for one upstream login; lives in memory and goes with the session. */
export type UpstreamCredential = {
  /** What evidence calls it: `env:BANK_PASSWORD`, a secret's version id; never the secret. */
  readonly id: string;
  readonly password: string;
};

/** The connect decision of a process beside the proxy, which verifies what the agent has shown itself. One machine has none. */
export interface ConnectPolicy {
  /** Under this version of the bundle. Throws DecisionUnavailable. */
  connect(shown: Shown, target: string, version: string): Promise<ConnectAnswer>;
}

/** The masking plan of a process beside the proxy, which verifies what the agent has shown itself. One machine has none. */
export interface MaskingLookup {
  /** Under this version of the bundle. Throws DecisionUnavailable. */
  plan(shown: Shown, target: string, version: string): Promise<MaskingAnswer>;
}

export interface CredentialIssuer {
  /** For one login of this session; whoever issues may verify the token itself. Throws CredentialUnavailable. */
  issue(target: PostgresTarget, principal: Principal, session: string, token: string): Promise<UpstreamCredential>;
}

/** For one upstream login on a host; lives in memory and goes with the session. */
export type HostCredential = {
  /** What evidence calls it: `env:WEB1_KEY`, a certificate's serial number, a secret's version; never the secret. */
  readonly id: string;
  /** PEM or OpenSSH's own form, without a passphrase. */
  readonly privateKey: string;
  /** An OpenSSH user certificate over that key, as its blob. */
  readonly certificate?: Buffer;
};

export type HostLogin = {
  readonly target: SshTarget;
  readonly account: string;
  readonly principal: Principal;
  readonly session: string;
  /** What the agent itself has shown, for an issuer that verifies it again. */
  readonly shown?: Shown;
};

export interface HostCredentialIssuer {
  /** For one login of this session. Throws CredentialUnavailable. */
  issueForHost(login: HostLogin): Promise<HostCredential>;
}

export interface Control {
  /** Why this principal may have no session now (locked, revoked), or undefined. */
  refusal(principal: Principal): string | undefined;
  /** Calls back when an operator ends this session or locks its principal: within 5 s. */
  watch(session: { readonly id: string; readonly principal: Principal }, ended: (by: string, reason: string) => void): { stop(): void };
  /** Uses up part of a budget; false when it does not fit, with when it renews. */
  spend(
    principal: Principal,
    target: string,
    measure: 'rows' | 'bytes' | 'statements' | 'lookups',
    amount: number,
  ): { readonly ok: true } | { readonly ok: false; readonly limit: number; readonly used: number; readonly renewsAtMs: number };
  /** Another task may hold the session that a cancel key names: `processId` names task and session, `secret` proves it. */
  cancelElsewhere(key: { readonly processId: number; readonly secret: Buffer }): Promise<void>;
  /** Reads what a principal has spent on a target, before a session of it opens. Throws StateUnavailable. */
  prepare(principal: Principal, target: string): Promise<void>;
  /**
   * How much may be relied on here. `current`: everything is at most seconds old. `stale`: new statements wait and no session
   * opens. `lost`: sessions end, since nobody could end them otherwise.
   */
  view(): StateView;
}

export type StateView = 'current' | 'stale' | 'lost';

/** The shared state cannot be read or written now. */
export class StateUnavailable extends SallyportError {
  readonly code = 'state-unavailable';
}

/** Sums of what principals have spent, shared by all tasks. */
export interface BudgetCounter {
  /** Adds and returns the new total of all tasks; adding 0 reads it. May count twice what lost its answer, never too little. Throws StateUnavailable. */
  add(counter: string, amount: number, expiresAtMs: number): Promise<number>;
}

/** Where a task leaves cancel requests for another. */
export interface CancelMailbox {
  /** Throws StateUnavailable. Nothing happens where no task has this slot. */
  put(slot: number, cancel: { readonly processId: number; readonly secretHex: string }): Promise<void>;
}

/** Asks people through the process that stores requests, which reads the raw statement itself. */
export interface ApprovalAsker {
  /** Resolves with the request as it was stored. Throws GateUnavailable, RequestUnapprovable. */
  ask(request: ApprovalRequest, raw: RawStatement): Promise<ApprovalRequest>;
}

/** Who records now: each writer's lease and slot, where sealer, sweeper and other tasks look. */
export interface WriterRegistry {
  /** Takes a free slot, then registers the writer. Throws StateUnavailable. */
  register(writer: Omit<WriterItem, 'slot'>): Promise<WriterItem>;
  /** `fenced`: the writer may write no longer. Throws StateUnavailable. */
  renew(writer: WriterItem): Promise<'renewed' | 'fenced'>;
  /** The writer is closed and its slot free. Throws StateUnavailable. */
  close(writer: WriterItem): Promise<void>;
}

/** Keeps this task from being chosen when tasks are stopped. */
export interface TaskProtection {
  /** Throws StateUnavailable. */
  protect(minutes: number): Promise<void>;
  /** Throws StateUnavailable. */
  release(): Promise<void>;
}

/** Deployments, in the order in which they were made. */
export interface Generations {
  /** The newest that has served; 0 before the first. Throws StateUnavailable. */
  newest(): Promise<number>;
  /** Never lowers it. Throws StateUnavailable. */
  raise(generation: number): Promise<void>;
}

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Monotonic microseconds. */
  monoUs(): number;
  /** Timers of the data path; unref'd. */
  after(ms: number, run: () => void): { cancel(): void };
}

/** An item of a state table: its version and its value, not yet checked; `v` 0 where it is none that the gateway writes. */
export type StateItem = { readonly v: number; readonly body: unknown };

/** One consistent read a second over every item that this task follows: bundle, locks, mailbox, held approvals. */
export interface StatePoller {
  /**
   * Calls back with the item as it is at the next poll, then at every poll that finds another version; undefined where there is
   * none. Callbacks are in order and never inside this call.
   */
  follow(
    table: 'control' | 'cancels' | 'decisions' | 'claims',
    id: string,
    changed: (item: StateItem | undefined) => void,
  ): { stop(): void };
}
