/** What the data path needs from outside, in the words of its job. */
import type { ApprovalGate } from '../core/approval/gate.ts';
import type { Recorder } from '../core/evidence/recorder.ts';
import type { Bundle } from '../core/policy/bundle.ts';
import type { Principal } from '../core/principal.ts';
import type { PostgresTarget } from '../core/target.ts';

export type { ApprovalGate, Recorder };

export interface TokenVerifier {
  /** Throws TokenRefused, whose message helps no forger. */
  verify(token: string): Promise<Principal>;
}

export interface BundleSource {
  current(): Bundle;
  /** Called when another version becomes current; sessions take it up at their next statement boundary. */
  onChange(changed: (bundle: Bundle) => void): { stop(): void };
}

export interface TargetDirectory {
  find(name: string): PostgresTarget | undefined;
}

/** A secret for one upstream login; lives in memory and goes with the session. */
export type UpstreamCredential = {
  /** What evidence calls it: `env:BANK_PASSWORD`, a secret's version id; never the secret. */
  readonly id: string;
  readonly password: string;
};

export interface CredentialIssuer {
  /** Throws CredentialUnavailable. */
  issue(target: PostgresTarget, principal: Principal, session: string, token: string): Promise<UpstreamCredential>;
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
  /** Another task may hold the session that a cancel key names. */
  cancelElsewhere(key: { readonly taskSlot: number; readonly raw: Buffer }): Promise<void>;
}

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Monotonic microseconds. */
  monoUs(): number;
  /** Timers of the data path; unref'd. */
  after(ms: number, run: () => void): { cancel(): void };
}

/** An item of a state table: its version and its value, not yet checked. */
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
