/** Approvers' ID tokens, verified against their issuer's published keys: where a vote is cast, and again where a statement is sent. */
import { createLocalJWKSet, createRemoteJWKSet, decodeJwt, jwtVerify, type JWTPayload, type JWTVerifyGetKey } from 'jose';
import type { VerifiedIdToken, VerifyIdToken } from '../core/approval/votes.ts';
import { SallyportError } from '../core/errors.ts';
import { personKey } from '../core/identity/person-key.ts';
import { discover, trustedUrl } from './oidc-discovery.ts';

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

/** Asymmetric only: neither `none` nor a secret that others share (RFC 8725 §3.1). */
const ALGORITHMS = ['ES256', 'ES384', 'ES512', 'PS256', 'PS384', 'PS512', 'RS256', 'RS384', 'RS512', 'EdDSA', 'Ed25519'];
const MAX_TOKEN_CHARACTERS = 16_384;
const MAX_NAME_CHARACTERS = 320;
const MAX_GROUPS = 1_000;
const KEYS_TIMEOUT_MS = 5_000;

/** A verifier over these issuers; keys are fetched when needed and kept. */
export function idTokenVerifier(issuers: readonly ApproverIssuer[]): VerifyIdToken {
  const keys = new Map<string, Promise<JWTVerifyGetKey>>();
  const keysOf = (issuer: ApproverIssuer): Promise<JWTVerifyGetKey> => {
    const { url } = issuer;
    const known = keys.get(url);
    if (known !== undefined) return known;
    const fetched = keySet(issuer);
    keys.set(url, fetched);
    // An issuer that was down is asked again by the next token.
    fetched.catch(() => keys.delete(url));
    return fetched;
  };
  return async (idToken, { nonce, atMs }) => {
    try {
      if (idToken.length > MAX_TOKEN_CHARACTERS) throw new IdTokenRefused('too long');
      const claimed = decodeJwt(idToken).iss;
      const issuer = issuers.find(({ url }) => url === claimed);
      if (issuer === undefined) throw new IdTokenRefused('unknown issuer');
      const { payload, protectedHeader } = await jwtVerify(idToken, await keysOf(issuer), {
        issuer: issuer.url,
        audience: [...issuer.clientIds],
        algorithms: ALGORITHMS.filter((algorithm) => issuer.algorithms?.includes(algorithm) ?? true),
        requiredClaims: ['sub', 'iat', 'exp', 'nonce'],
        currentDate: new Date(atMs),
      });
      // An access token is no proof of a sign-in (RFC 9068 §4).
      if (protectedHeader.typ !== undefined && protectedHeader.typ.toUpperCase() !== 'JWT')
        throw new IdTokenRefused('another kind of token');
      if (payload['nonce'] !== nonce) throw new IdTokenRefused('another nonce');
      if (Array.isArray(payload.aud) && payload.aud.length > 1 && !issuer.clientIds.some((id) => id === payload['azp'])) {
        throw new IdTokenRefused('for another party');
      }
      return verified(payload, issuer);
    } catch (cause) {
      if (cause instanceof IdTokenRefused) throw cause;
      throw new IdTokenRefused('the ID token is not valid', { cause });
    }
  };
}

async function keySet({ url, keys, jwksUri }: ApproverIssuer): Promise<JWTVerifyGetKey> {
  if (keys !== undefined) return createLocalJWKSet({ keys: keys.map((key) => ({ ...key })) });
  return createRemoteJWKSet(trustedUrl(jwksUri ?? (await discover(url)).jwksUri), { timeoutDuration: KEYS_TIMEOUT_MS });
}

function verified(payload: JWTPayload, issuer: ApproverIssuer): VerifiedIdToken {
  const { iat, exp } = payload;
  const personClaim = issuer.personClaim ?? 'email';
  const person = payload[personClaim];
  if (!isName(person)) throw new IdTokenRefused('no person');
  // An address that nobody checked could be anyone's.
  if (personClaim === 'email' && payload['email_verified'] === false) throw new IdTokenRefused('address not verified');
  const groups: unknown = payload[issuer.groupsClaim ?? 'groups'] ?? [];
  if (!Array.isArray(groups) || groups.length > MAX_GROUPS || !groups.every(isName)) throw new IdTokenRefused('groups not understood');
  if (iat === undefined || exp === undefined) throw new IdTokenRefused('no times');
  return {
    person: personKey(person),
    groups: [...new Set(groups.map((group) => `${issuer.name}/${group}`))].toSorted(),
    issuer: issuer.name,
    issuedAtMs: iat * 1000,
    expiresAtMs: exp * 1000,
  };
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= MAX_NAME_CHARACTERS && !/\p{C}/u.test(value);
}
