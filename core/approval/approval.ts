/** One request for people's answer about one exact statement, and what may become of it (design §8). */
import type { ApprovalDemand } from '../decision.ts';
import type { PersonKey, Principal } from '../principal.ts';
import type { Effect } from '../statement/effect.ts';
import type { Facts } from '../statement/sql/reading.ts';

export type ApprovalRequest = {
  /** `ap_` and 26 characters of Crockford base 32, by time: unguessable, unique for ever. */
  readonly id: string;
  /** Keyed HMAC-SHA-256 (hex) over everything that is bound; see `digest.ts`. */
  readonly digest: string;
  readonly principal: Pick<Principal, 'issuer' | 'agent' | 'human' | 'owner' | 'groups'>;
  readonly session: string;
  readonly protocol: 'postgres' | 'ssh';
  readonly target: string;
  /** The database; on a host the account. */
  readonly database: string;
  /** The exact statement, and what it EXECUTEs. Shown escaped; stored as received. Of a host what `describeOperation` makes of it. */
  readonly text: string;
  readonly executes?: string;
  /** Variables that the client set for a command on a host. */
  readonly environment?: readonly string[];
  /** Parameters as shown to the approver: redacted by detectors and by target column. */
  readonly parameters: readonly (string | null)[];
  readonly effects: readonly Effect[];
  readonly facts: Facts;
  readonly maskedColumns: readonly string[];
  readonly demand: ApprovalDemand;
  readonly policies: readonly string[];
  readonly policyReason: string;
  /** What the agent said in `sallyport.reason`; data, never markup. */
  readonly reasonGiven: string;
  readonly bundle: string;
  readonly requestedAtMs: number;
  readonly expiresAtMs: number;
  /** Authors of the rules that demand it: they may not approve. */
  readonly ruleAuthors: readonly PersonKey[];
};

export type Vote = {
  readonly person: PersonKey;
  /** Namespaced groups in the voter's own token. */
  readonly groups: readonly string[];
  readonly answer: 'approve' | 'reject';
  readonly reason: string;
  readonly atMs: number;
  readonly channel: 'page' | 'cli' | 'slack';
  /** The voter's ID token, whose nonce is the hash of approval id and digest: checked again by whoever lets the statement run. */
  readonly idToken: string;
};

export type ApprovalState = 'pending' | 'approved' | 'rejected' | 'expired' | 'withdrawn' | 'claimed';

/** What became of the one execution. */
export type ClaimOutcome = {
  readonly result: 'running' | 'committed' | 'rolledBack' | 'failed' | 'unknown';
  readonly rows: number;
  readonly atMs: number;
  readonly answerDelivered: boolean;
};

export type Approval = {
  readonly request: ApprovalRequest;
  readonly state: ApprovalState;
  readonly votes: readonly Vote[];
  readonly decidedAtMs?: number;
  /** Why and when the request was taken back, in state `withdrawn`. */
  readonly withdrawal?: { readonly reason: string; readonly atMs: number };
  readonly claim?: {
    readonly session: string;
    readonly writer: string;
    readonly statement: number;
    readonly atMs: number;
    readonly outcome: ClaimOutcome;
  };
};
