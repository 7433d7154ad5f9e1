/** From the verified claims of an ID token to the person who answers an approval (design §8). */
import type { IssuerConfig } from '../config/config.ts';
import type { PersonKey } from '../principal.ts';
import { checkValidity, groupsClaim, ownClaim, personClaim, timeClaim, type Claims } from './claims.ts';
import { TokenRefused } from './token-refused.ts';

export type Approver = {
  readonly person: PersonKey;
  /** Namespaced by issuer, sorted. */
  readonly groups: readonly string[];
  readonly issuedAtMs: number;
  /** The issuer's configured short name. */
  readonly issuer: string;
};

/** What the ID token must have been issued for; without `clientId`, any of the issuer's configured clients. */
export type IdTokenDemand = { readonly nonce: string; readonly clientId?: string };

/**
 * The approver of an ID token whose signature has been checked with this issuer's keys (OpenID Connect Core §3.1.3.7).
 * The nonce ties the token to one approval; a token that any agent acts in is no person's signature. Throws TokenRefused.
 */
export function approverFrom(claims: Claims, issuer: IssuerConfig, demand: IdTokenDemand, nowMs: number): Approver {
  if (ownClaim(claims, 'iss') !== issuer.issuer) throw new TokenRefused('issuer');
  if (demand.nonce === '' || ownClaim(claims, 'nonce') !== demand.nonce) throw new TokenRefused('nonce');
  const audience = ownClaim(claims, 'aud');
  const audiences: readonly unknown[] = Array.isArray(audience) ? audience : [audience];
  const clientId = issuer.approverClientIds.find((id) => (demand.clientId ?? id) === id && audiences.includes(id));
  if (clientId === undefined) throw new TokenRefused('audience');
  checkValidity(claims, { audience: clientId, audienceClaim: 'aud', clockSkewMs: issuer.clockSkewMs }, nowMs);
  // Issued for several clients, or to another one than it is for: whoever is the authorized party has signed in, not us.
  const authorizedParty = ownClaim(claims, 'azp');
  if ((audiences.length > 1 || authorizedParty !== undefined) && authorizedParty !== clientId) throw new TokenRefused('audience');
  if (ownClaim(claims, 'act') !== undefined) throw new TokenRefused('actor');
  const issuedAtMs = timeClaim(claims, 'iat');
  if (issuedAtMs === undefined) throw new TokenRefused('malformed');
  return {
    person: personClaim(claims, issuer.personClaim),
    groups: groupsClaim(claims, issuer.groupsClaim, issuer.name),
    issuedAtMs,
    issuer: issuer.name,
  };
}
