/** Claims of a verified token, read one by one: bounded, typed, and free of characters that could steer what shows them. */
import { personKey } from './person-key.ts';
import type { PersonKey } from '../principal.ts';
import { TokenRefused, type TokenRefusal } from './token-refused.ts';

/** The payload of a token whose signature has been checked. Nothing else about it is trusted. */
export type Claims = Readonly<Record<string, unknown>>;

/** Longer names are no names; evidence and messages carry them. */
const MAX_NAME_CHARACTERS = 256;
/** Directory services put a person in hundreds of groups, not in thousands. */
const MAX_GROUPS = 1_000;

/** A string claim that names something. Throws TokenRefused(`refusal`) when it is missing or unfit. */
export function nameClaim(claims: Claims, claim: string, refusal: TokenRefusal): string {
  const value = ownClaim(claims, claim);
  if (typeof value !== 'string' || !isName(value)) throw new TokenRefused(refusal);
  return value;
}

/** The person that a token speaks of, by the issuer's person claim. Throws TokenRefused('person'). */
export function personClaim(claims: Claims, claim: string): PersonKey {
  // An address that its owner has not proved could be anyone's. Some issuers write the boolean as a text.
  const proved = ownClaim(claims, 'email_verified');
  if (claim === 'email' && proved !== undefined && proved !== true && proved !== 'true') throw new TokenRefused('person');
  return personKey(nameClaim(claims, claim, 'person'));
}

/** Groups with the issuer's name in front, sorted, each once. A token without the claim has none. Throws TokenRefused('groups'). */
export function groupsClaim(claims: Claims, claim: string, issuer: string): readonly string[] {
  const value = ownClaim(claims, claim) ?? [];
  const groups: unknown = typeof value === 'string' ? [value] : value;
  if (!Array.isArray(groups) || groups.length > MAX_GROUPS) throw new TokenRefused('groups');
  const names = groups.map((group: unknown) => {
    if (typeof group !== 'string' || !isName(group)) throw new TokenRefused('groups');
    return `${issuer}/${group}`;
  });
  return [...new Set(names)].sort();
}

export type Validity = { readonly audience: string; readonly audienceClaim: string; readonly clockSkewMs: number };

/**
 * Checks audience, `exp`, `nbf` and `iat` against the gateway's clock; the expiry in milliseconds. A token that never
 * ends is refused. The tolerated skew lets a token begin early and end late, but its expiry stays what it says.
 */
export function checkValidity(claims: Claims, { audience, audienceClaim, clockSkewMs }: Validity, nowMs: number): number {
  const audiences = ownClaim(claims, audienceClaim);
  const meant = Array.isArray(audiences) ? audiences.includes(audience) : audiences === audience;
  if (!meant) throw new TokenRefused('audience');
  const expiresAtMs = timeClaim(claims, 'exp');
  if (expiresAtMs === undefined) throw new TokenRefused('no-expiry');
  if (nowMs >= expiresAtMs + clockSkewMs) throw new TokenRefused('expired');
  const notBeforeMs = timeClaim(claims, 'nbf');
  if (notBeforeMs !== undefined && nowMs < notBeforeMs - clockSkewMs) throw new TokenRefused('not-yet-valid');
  const issuedAtMs = timeClaim(claims, 'iat');
  if (issuedAtMs !== undefined && nowMs < issuedAtMs - clockSkewMs) throw new TokenRefused('issued-in-future');
  return expiresAtMs;
}

/** A NumericDate (RFC 7519 §2) in milliseconds, or undefined when the claim is missing. Throws TokenRefused('malformed'). */
export function timeClaim(claims: Claims, claim: string): number | undefined {
  const value = ownClaim(claims, claim);
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0 || value > Number.MAX_SAFE_INTEGER / 1_000)
    throw new TokenRefused('malformed');
  return Math.floor(value * 1_000);
}

/** A claim by its name, or by a URI-like name as some issuers demand for custom claims. Inherited properties are no claims. */
export function ownClaim(claims: Claims, claim: string): unknown {
  return Object.hasOwn(claims, claim) ? claims[claim] : undefined;
}

/** Control, format (bidirectional, zero-width), line-separating and unassigned characters could make one name look like another. */
function isName(value: string): boolean {
  return (
    value.length <= MAX_NAME_CHARACTERS && value.trim() === value && value !== '' && !/[\p{Cc}\p{Cf}\p{Cs}\p{Cn}\p{Zl}\p{Zp}]/u.test(value)
  );
}
