/**
 * The authenticated agent, with the human it acts for and the person who answers for it. Two principals are the same
 * when issuer and agent are the same.
 */
export type Principal = {
  /** Configured short name of the issuer (`corp`), the namespace of `agent` and `groups`. */
  readonly issuer: string;
  /** The agent's identifier in its issuer: the outermost `act.sub`, or `sub` where the token is not delegated. */
  readonly agent: string;
  /** The person the agent acts for (RFC 8693 `sub`), as a person key; absent when the token is not delegated. */
  readonly human?: PersonKey;
  /** The person who owns the agent by configuration; without a human or an owner nothing can be approved. */
  readonly owner?: PersonKey;
  /** Namespaced by issuer (`corp/analysts`), sorted, without duplicates. Rights of a delegation are the intersection. */
  readonly groups: readonly string[];
  /** `exp` of the token in milliseconds since the epoch. */
  readonly expiresAtMs: number;
  /** `jti` of the token, where it has one; never the token. */
  readonly tokenId?: string;
};

/** One person across issuers: the value of the configured person claim (an e-mail address by default), lower case. */
export type PersonKey = string;

/** `corp/agent-7`: the principal's name in policies, evidence and lists. */
export function principalName(principal: Pick<Principal, 'issuer' | 'agent'>): string {
  return `${principal.issuer}/${principal.agent}`;
}
