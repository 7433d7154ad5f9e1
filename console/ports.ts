/** What the console needs from outside, in the words of its job. */
import type { Approval, Vote } from '../core/approval/approval.ts';
import type { RefusalCode } from '../core/approval/lifecycle.ts';
import type { VerifyIdToken } from '../core/approval/votes.ts';
import { SallyportError } from '../core/errors.ts';
import type { Principal } from '../core/principal.ts';
import type { StoredLogin } from '../core/ssh/login.ts';

/** A person's answer as it arrives: who it is, is in the token. */
export type Ballot = Pick<Vote, 'answer' | 'reason' | 'channel' | 'idToken'>;

export type BallotOutcome =
  | { readonly kind: 'counted'; readonly approval: Approval }
  | { readonly kind: 'refused'; readonly code: RefusalCode | 'sign-in-invalid'; readonly reason: string; readonly approval: Approval }
  | { readonly kind: 'not-found' };

/** The people's side of approvals. */
export interface ApprovalDesk {
  read(id: string): Promise<Approval | undefined>;
  /** Newest first; `open` keeps those that wait for an answer or can still be used. */
  list(filter: { readonly open: boolean; readonly limit: number }): Promise<readonly Approval[]>;
  /** Verifies the token and counts the answer, or says why not. */
  vote(id: string, ballot: Ballot): Promise<BallotOutcome>;
}

export type LiveSession = {
  readonly id: string;
  readonly principal: string;
  readonly human?: string;
  readonly owner?: string;
  readonly target?: string;
  readonly source?: string;
  readonly openedAtMs: number;
};

export interface SessionDirectory {
  /** At most `limit` of them; `more` when there are others. */
  list(limit: number): Promise<{ readonly sessions: readonly LiveSession[]; readonly more: boolean }>;
  /** Asks the session's task to end it: within 5 s. False when no such session lives. */
  end(id: string, by: string, reason: string): Promise<boolean>;
}

/** A principal (`corp/agent-7`) or a person (`alice@bank.example`) that may have no sessions. */
export type Lock = { readonly subject: string; readonly by: string; readonly reason: string; readonly lockedAtMs: number };

export interface LockDirectory {
  locks(): Promise<readonly Lock[]>;
  /**
   * Ends live sessions of the subject and those on its behalf within 5 s, and keeps new ones from opening; how many there were.
   * Throws LocksFull.
   */
  lock(subject: string, by: string, reason: string): Promise<number>;
  /** False when it was not locked. */
  unlock(subject: string): Promise<boolean>;
}

/** No more names can be locked: every task reads the whole list each second. */
export class LocksFull extends SallyportError {
  readonly code = 'locks-full';
}

export interface SessionRenewal {
  /**
   * Takes up a fresh token of the same principal; when the session ends then. Undefined when the token is none, or has no such
   * session: which of them it was, would tell a stranger which sessions live.
   */
  renew(sessionId: string, token: string): Promise<{ readonly expiresAtMs: number } | undefined>;
}

/** A sign-in that is under way at the issuer. Kept by `state`, taken once. */
export type SignInFlow = {
  readonly approvalId: string;
  readonly codeVerifier: string;
  /** SHA-256 (hex) of the cookie of the browser that started it: another browser cannot finish it. */
  readonly browser: string;
};

/** A person who has signed in to answer one approval, for minutes. The ID token never leaves the server. */
export type SignedIn = {
  readonly approvalId: string;
  readonly idToken: string;
  readonly csrf: string;
};

/** Ids are kept as their SHA-256, so that reading the store does not give a session. */
export interface SignInStore {
  putFlow(state: string, flow: SignInFlow, expiresAtMs: number): Promise<void>;
  /** Removes it: a state is good for one return. */
  takeFlow(state: string): Promise<SignInFlow | undefined>;
  putSession(id: string, session: SignedIn, expiresAtMs: number): Promise<void>;
  readSession(id: string): Promise<SignedIn | undefined>;
  dropSession(id: string): Promise<void>;
}

/** The issuer where approvers sign in: authorization code with PKCE (OpenID Connect Core §3.1, RFC 7636). */
export interface SignIn {
  /** Where the browser goes. */
  start(request: { readonly state: string; readonly nonce: string; readonly codeVerifier: string }): Promise<URL>;
  /** The ID token for the code that came back; not verified. Throws SallyportError. */
  finish(code: string, codeVerifier: string): Promise<string>;
}

/** Logins by SSH that agents have prepared: registered keys and one-time codes, by `loginId`, until they expire. */
export interface SshLoginStore {
  /** Puts the login in the place of an earlier one of the same principal. False where another principal has it until it expires. */
  keep(id: string, login: StoredLogin): Promise<boolean>;
}

/** What agents need to log in by SSH. */
export type SshDoor = {
  readonly logins: SshLoginStore;
  /** Throws TokenRefused. */
  readonly verifyToken: (token: string) => Promise<Principal>;
  /** Where SSH listens and how it is known, where the console can tell; `hostKey` as `ssh-ed25519 AAAA…`. */
  readonly address?: () => { readonly host: string; readonly port: number; readonly hostKey: string } | undefined;
};

export type ConsolePorts = {
  readonly desk: ApprovalDesk;
  readonly verifyIdToken: VerifyIdToken;
  readonly signIn: SignIn;
  readonly signInStore: SignInStore;
  readonly sessions: SessionDirectory;
  readonly locks: LockDirectory;
  readonly renewal: SessionRenewal;
  /** The operator behind a bearer token, as the record names them; undefined for every other token. */
  readonly operatorOf: (presented: string) => Promise<string | undefined>;
  readonly clock: { now(): number };
  /** Unguessable bytes in base64url. */
  readonly randomToken: () => string;
  /** Base URL that people's browsers use, without a slash at the end. */
  readonly publicUrl: string;
  /** `Host` headers that are answered besides that of `publicUrl`: keeps a name that is rebound to loopback from reading. */
  readonly alsoHosts: readonly string[];
  /** Told of failures that a visitor must not read. */
  readonly report: (error: unknown) => void;
  /** What the command line needs to sign a person in by itself. */
  readonly cliSignIn: { readonly issuer: string; readonly clientId: string };
  /** Where operators sign in by themselves; absent where a sign-in makes nobody one. */
  readonly operatorSignIn?: { readonly issuer: string; readonly clientId: string };
  /** What refused operators are told to do. */
  readonly operatorHelp: string;
  /** Absent where the gateway speaks no SSH. */
  readonly ssh?: SshDoor;
};
