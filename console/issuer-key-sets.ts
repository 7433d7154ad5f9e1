/** The published keys of issuers, and what they have signed. */
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  errors,
  jwtVerify,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
  type JWTVerifyResult,
} from 'jose';
import { discover, trustedUrl } from './oidc-discovery.ts';

export type KeyedIssuer = {
  /** Exactly as `iss`. */
  readonly url: string;
  /** Where the keys are, when not where discovery says. */
  readonly jwksUri?: string;
  /** The public keys themselves, for issuers that cannot be reached. */
  readonly keys?: readonly Readonly<Record<string, unknown>>[];
};

/** Neither `none` nor a secret that others share (RFC 8725 §3.1). */
export const ASYMMETRIC: readonly string[] = [
  'ES256',
  'ES384',
  'ES512',
  'PS256',
  'PS384',
  'PS512',
  'RS256',
  'RS384',
  'RS512',
  'EdDSA',
  'Ed25519',
];
/** Real tokens have a few hundred to a few thousand bytes; more is not worth the hashing. */
export const MAX_TOKEN_CHARACTERS = 16_384;
const KEYS_TIMEOUT_MS = 5_000;

/** Keys are fetched when needed and kept, by the issuer's address. */
export function issuerKeySets(): (issuer: KeyedIssuer) => Promise<JWTVerifyGetKey> {
  const known = new Map<string, Promise<JWTVerifyGetKey>>();
  return (issuer) => {
    const { url } = issuer;
    const kept = known.get(url);
    if (kept !== undefined) return kept;
    const fetched = keySet(issuer);
    known.set(url, fetched);
    // An issuer that was down is asked again by the next token.
    fetched.catch(() => known.delete(url));
    return fetched;
  };
}

/** `jwtVerify`, where keys without an id are told apart by trying. Rejects for what none of them has signed. */
export async function verifySigned(token: string, keys: JWTVerifyGetKey, options: JWTVerifyOptions): Promise<JWTVerifyResult> {
  try {
    return await jwtVerify(token, keys, options);
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
    let last: unknown = error;
    for await (const key of error) {
      try {
        return await jwtVerify(token, key, options);
      } catch (cause) {
        // The next key may fit; when none does, the last refusal stands.
        last = cause;
      }
    }
    throw last;
  }
}

async function keySet({ url, keys, jwksUri }: KeyedIssuer): Promise<JWTVerifyGetKey> {
  if (keys !== undefined) return createLocalJWKSet({ keys: keys.map((key) => ({ ...key })) });
  return createRemoteJWKSet(trustedUrl(jwksUri ?? (await discover(url)).jwksUri), { timeoutDuration: KEYS_TIMEOUT_MS });
}
