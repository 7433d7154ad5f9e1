/** Approvers' ID tokens, verified against their issuer's published keys: where a vote is cast, and again where a statement is sent. */
import { decodeJwt, type JWTPayload } from 'jose';
import type { VerifiedIdToken, VerifyIdToken } from '../core/approval/votes.ts';
import type { IssuerConfig } from '../core/config/config.ts';
import { SallyportError } from '../core/errors.ts';
import { groupsClaim, ownClaim, personClaim } from '../core/identity/claims.ts';
import { ASYMMETRIC, issuerKeySets, MAX_TOKEN_CHARACTERS, verifySigned } from './issuer-key-sets.ts';

/** The token does not count; why, is for nobody who presents one. */
export class IdTokenRefused extends SallyportError {
  readonly code = 'id-token-refused';
}

export type ApproverIssuer = {
  /** Short name, the namespace of the groups: `corp`. */
  readonly name: string;
  /** Exactly as `iss`. */
  readonly url: string;
  /** Clients whose ID tokens count: the console's and the command line's. */
  readonly clientIds: readonly string[];
  /** `email` by default. */
  readonly personClaim?: string;
  /** `groups` by default. */
  readonly groupsClaim?: string;
  /** Narrows the algorithms that are accepted; only asymmetric ones ever are. */
  readonly algorithms?: readonly string[];
  /** Where the keys are, when not where discovery says. */
  readonly jwksUri?: string;
  /** The public keys themselves, for issuers that cannot be reached. */
  readonly keys?: readonly Readonly<Record<string, unknown>>[];
};

/** A verifier over these issuers; keys are fetched when needed and kept. */
export function idTokenVerifier(issuers: readonly ApproverIssuer[]): VerifyIdToken {
  const keysOf = issuerKeySets();
  return async (idToken, { nonce, atMs }) => {
    try {
      if (idToken.length > MAX_TOKEN_CHARACTERS) throw new IdTokenRefused('too long');
      const claimed = decodeJwt(idToken).iss;
      const issuer = issuers.find(({ url }) => url === claimed);
      if (issuer === undefined) throw new IdTokenRefused('unknown issuer');
      const { payload, protectedHeader } = await verifySigned(idToken, await keysOf(issuer), {
        issuer: issuer.url,
        audience: [...issuer.clientIds],
        algorithms: ASYMMETRIC.filter((algorithm) => issuer.algorithms?.includes(algorithm) ?? true),
        requiredClaims: ['sub', 'iat', 'exp', 'nonce'],
        currentDate: new Date(atMs),
      });
      // An access token is no proof of a sign-in (RFC 9068 §4).
      if (protectedHeader.typ !== undefined && protectedHeader.typ.toUpperCase() !== 'JWT')
        throw new IdTokenRefused('another kind of token');
      if (nonce === '' || payload['nonce'] !== nonce) throw new IdTokenRefused('another nonce');
      // A token that any agent acts in is no person's signature.
      if (ownClaim(payload, 'act') !== undefined) throw new IdTokenRefused('somebody acts in it');
      if (!isForUs(payload, issuer)) throw new IdTokenRefused('for another party');
      return verified(payload, issuer);
    } catch (cause) {
      if (cause instanceof IdTokenRefused) throw cause;
      throw new IdTokenRefused('the ID token is not valid', { cause });
    }
  };
}

/** The issuers of a configuration at which people sign in to approve. */
export function approverIssuers(issuers: readonly IssuerConfig[]): readonly ApproverIssuer[] {
  return issuers
    .filter((issuer) => issuer.approverClientIds.length > 0)
    .map(({ name, issuer, approverClientIds, personClaim, groupsClaim, algorithms, jwksUri, keys }) => ({
      name,
      url: issuer,
      clientIds: approverClientIds,
      personClaim,
      groupsClaim,
      algorithms,
      ...(jwksUri === undefined ? {} : { jwksUri }),
      ...(keys === undefined ? {} : { keys }),
    }));
}

/** The authorized party has signed in, not whoever else the token names (OpenID Connect Core §3.1.3.7, steps 4 and 5). */
function isForUs(payload: JWTPayload, { clientIds }: ApproverIssuer): boolean {
  const audiences = Array.isArray(payload.aud) ? payload.aud : [payload.aud];
  const party = ownClaim(payload, 'azp');
  if (party === undefined) return audiences.length === 1;
  return clientIds.some((id) => id === party && audiences.includes(id));
}

function verified(payload: JWTPayload, issuer: ApproverIssuer): VerifiedIdToken {
  const { iat, exp } = payload;
  const groups = issuer.groupsClaim ?? 'groups';
  const held = ownClaim(payload, groups);
  if (held !== undefined && !Array.isArray(held)) throw new IdTokenRefused('groups not understood');
  if (iat === undefined || exp === undefined) throw new IdTokenRefused('no times');
  return {
    person: personClaim(payload, issuer.personClaim ?? 'email'),
    groups: groupsClaim(payload, groups, issuer.name),
    issuer: issuer.name,
    issuedAtMs: iat * 1000,
    expiresAtMs: exp * 1000,
  };
}
