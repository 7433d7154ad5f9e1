/** Checks signatures of tokens with the keys of their issuers; what the claims mean is read in `core/identity`. */
import { compactVerify, decodeJwt, errors, type CompactVerifyGetKey, type CryptoKey } from 'jose';
import type { AgentConfig, IssuerConfig } from '../../core/config/config.ts';
import { ownClaim, type Claims } from '../../core/identity/claims.ts';
import { principalFrom } from '../../core/identity/principal-from.ts';
import { TokenRefused } from '../../core/identity/token-refused.ts';
import type { Principal } from '../../core/principal.ts';
import type { TokenVerifier } from '../ports.ts';
import { IssuerKeys, type KeyLookup } from './issuer-keys.ts';

/** Real access tokens have a few hundred to a few thousand bytes; more is not worth the hashing. */
const MAX_TOKEN_CHARACTERS = 16_384;

export type JoseTokenVerifierOptions = {
  readonly issuers: readonly IssuerConfig[];
  readonly agents: readonly AgentConfig[];
  /** Milliseconds since the epoch. */
  readonly now: () => number;
};

/** Verifies agents' access tokens of several issuers. Approvers' ID tokens are verified in `console/id-token-verifier.ts`. */
export class JoseTokenVerifier implements TokenVerifier {
  readonly #options: JoseTokenVerifierOptions;
  readonly #byIssuer: ReadonlyMap<string, { readonly config: IssuerConfig; readonly keys: KeyLookup }>;

  constructor(options: JoseTokenVerifierOptions) {
    this.#options = options;
    this.#byIssuer = new Map(options.issuers.map((config) => [config.issuer, { config, keys: new IssuerKeys(config, options.now) }]));
  }

  async verify(token: string): Promise<Principal> {
    const { claims, issuer } = await this.#verified(token);
    // A token bound to a key (RFC 7800) proves nothing in the hands of someone who shows no key.
    if (ownClaim(claims, 'cnf') !== undefined) throw new TokenRefused('sender-constrained');
    return principalFrom(claims, issuer, this.#options.agents, this.#options.now());
  }

  async #verified(token: string): Promise<{ claims: Claims; issuer: IssuerConfig }> {
    if (token.length > MAX_TOKEN_CHARACTERS) throw new TokenRefused('too-long');
    const issuer = this.#byIssuer.get(claimedIssuer(token));
    if (issuer === undefined) throw new TokenRefused('issuer');
    const payload = await verifySignature(token, issuer.keys, issuer.config.algorithms);
    const claims: unknown = parseJson(payload);
    if (typeof claims !== 'object' || claims === null || Array.isArray(claims)) throw new TokenRefused('malformed');
    return { claims: { ...claims }, issuer: issuer.config };
  }
}

/** Only chooses whose keys are tried; the claim is believed when one of them fits. */
function claimedIssuer(token: string): string {
  try {
    return decodeJwt(token).iss ?? '';
  } catch (cause) {
    throw new TokenRefused('malformed', { cause });
  }
}

async function verifySignature(token: string, keys: KeyLookup, algorithms: readonly string[]): Promise<Uint8Array> {
  const options = { algorithms: [...algorithms] };
  const findKey: CompactVerifyGetKey = (header, input) => keys.find(header, input);
  try {
    return (await compactVerify(token, findKey, options)).payload;
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw refusalOf(error);
    return verifyWithAny(token, error, options);
  }
}

/** Keys without an id are told apart by trying. */
async function verifyWithAny(token: string, keys: AsyncIterable<CryptoKey>, options: { algorithms: string[] }): Promise<Uint8Array> {
  let last: unknown = new TokenRefused('signature');
  for await (const key of keys) {
    try {
      return (await compactVerify(token, key, options)).payload;
    } catch (error) {
      // The next key may fit; when none does, the last refusal is thrown.
      last = error;
    }
  }
  throw refusalOf(last);
}

function refusalOf(error: unknown): TokenRefused {
  if (error instanceof TokenRefused) return error;
  if (error instanceof errors.JOSEAlgNotAllowed) return new TokenRefused('algorithm', { cause: error });
  if (error instanceof errors.JWSSignatureVerificationFailed || error instanceof errors.JWKSNoMatchingKey) {
    return new TokenRefused('signature', { cause: error });
  }
  if (error instanceof errors.JWSInvalid) return new TokenRefused('malformed', { cause: error });
  if (error instanceof errors.JOSENotSupported) return new TokenRefused('algorithm', { cause: error });
  // A time-out, a refused connection, an answer that is no key set: no keys, no trust.
  return new TokenRefused('keys-unavailable', { cause: error });
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new TokenRefused('malformed', { cause });
  }
}
