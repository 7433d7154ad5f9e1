/** The public keys of one issuer: given, or fetched from its JWKS, which discovery may have to find first. */
import { createLocalJWKSet, createRemoteJWKSet, type CompactJWSHeaderParameters, type CryptoKey, type FlattenedJWSInput } from 'jose';
import type { IssuerConfig } from '../../core/config/config.ts';
import { isTrustworthyUrl } from '../../core/config/loopback.ts';
import { TokenRefused } from '../../core/identity/token-refused.ts';

/** Discovery and keys are two requests: together they stay below the 5 s that a login may wait. */
const REQUEST_TIMEOUT_MS = 2_400;
/** Tokens with made-up key ids must not make us ask the issuer again and again. */
const COOLDOWN_MS = 30_000;
/** Keys that an issuer has withdrawn are trusted no longer than this. */
const MAX_AGE_MS = 10 * 60_000;
/** After a failed discovery, logins are refused at once for a while instead of waiting in a row. */
const RETRY_AFTER_MS = 2_000;
const MAX_DISCOVERY_BYTES = 262_144;

export interface KeyLookup {
  /** Rejects with an error of jose, or TokenRefused. */
  find(header: CompactJWSHeaderParameters, input: FlattenedJWSInput): Promise<CryptoKey>;
}

type KeySet = (header: CompactJWSHeaderParameters, input: FlattenedJWSInput) => Promise<CryptoKey>;

export class IssuerKeys implements KeyLookup {
  readonly #issuer: IssuerConfig;
  readonly #now: () => number;
  #keySet: KeySet | undefined;
  #discovering: Promise<KeySet> | undefined;
  #retryAtMs = 0;

  constructor(issuer: IssuerConfig, now: () => number) {
    this.#issuer = issuer;
    this.#now = now;
    if (issuer.keys !== undefined) this.#keySet = localKeySet(issuer.keys);
    else if (issuer.jwksUri !== undefined) this.#keySet = remoteKeySet(issuer.jwksUri);
  }

  async find(header: CompactJWSHeaderParameters, input: FlattenedJWSInput): Promise<CryptoKey> {
    const keySet = this.#keySet ?? (await this.#discover());
    return keySet(header, input);
  }

  async #discover(): Promise<KeySet> {
    if (this.#discovering === undefined && this.#now() < this.#retryAtMs) throw new TokenRefused('keys-unavailable');
    this.#discovering ??= discover(this.#issuer.issuer);
    const discovering = this.#discovering;
    try {
      this.#keySet = await discovering;
      return this.#keySet;
    } catch (cause) {
      if (this.#discovering === discovering) {
        this.#discovering = undefined;
        this.#retryAtMs = this.#now() + RETRY_AFTER_MS;
      }
      throw new TokenRefused('keys-unavailable', { cause });
    }
  }
}

/** OpenID Connect Discovery §4. Redirects are not followed: the answer must come from the issuer itself. */
async function discover(issuer: string): Promise<KeySet> {
  const response = await fetch(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, {
    redirect: 'error',
    signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    headers: { accept: 'application/json' },
  });
  if (!response.ok) throw new Error(`discovery answered ${response.status}`);
  const document: unknown = JSON.parse(await boundedText(response));
  const { issuer: named, jwks_uri: jwksUri } = fieldsOf(document);
  // §4.3: another issuer's document would bring another issuer's keys.
  if (named !== issuer) throw new Error('discovery names another issuer');
  if (typeof jwksUri !== 'string' || !isTrustworthyUrl(jwksUri)) throw new Error('discovery names no trustworthy jwks_uri');
  return remoteKeySet(jwksUri);
}

async function boundedText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  // Node's streams of bytes are typed without their element.
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += chunk.byteLength;
    if (bytes > MAX_DISCOVERY_BYTES) throw new Error('the discovery document is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function remoteKeySet(uri: string): KeySet {
  return createRemoteJWKSet(new URL(uri), { timeoutDuration: REQUEST_TIMEOUT_MS, cooldownDuration: COOLDOWN_MS, cacheMaxAge: MAX_AGE_MS });
}

function localKeySet(keys: NonNullable<IssuerConfig['keys']>): KeySet {
  // The configuration's schema has checked `kty`; jose checks the rest when a key is used.
  return createLocalJWKSet({ keys: keys.map((key) => ({ ...key })) });
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}
