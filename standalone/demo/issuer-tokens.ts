/** The demo issuer's signing key, and the access tokens it gives to agents. */
import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, SignJWT, type JWK } from 'jose';

/** What an agent's token says. Groups without the issuer's name. */
export type AgentToken = {
  readonly principal: string;
  readonly groups: readonly string[];
  /** The person the agent acts for: then `sub` is the person and `act.sub` the agent (RFC 8693 §4.1). */
  readonly onBehalfOf?: string;
  readonly ttlSeconds: number;
};

export const AGENT_AUDIENCE = 'sallyport';
const ALGORITHM = 'ES256';
const FILE = 'issuer-key.json';

/** The private key of this data directory as a JWK; made on first use, so that tokens outlive a restart. */
export async function issuerKey(dataDir: string): Promise<JWK> {
  const path = join(dataDir, FILE);
  try {
    const kept: unknown = JSON.parse(readFileSync(path, 'utf8'));
    // Written below from a JWK; one that is damaged fails when it is imported.
    return kept as JWK;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  }
  const { privateKey } = await generateKeyPair(ALGORITHM, { extractable: true });
  const jwk = await exportJWK(privateKey);
  const key = { ...jwk, alg: ALGORITHM, use: 'sig', kid: await calculateJwkThumbprint(jwk) };
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  writeFileSync(path, `${JSON.stringify(key)}\n`, { mode: 0o600, flag: 'wx' });
  return key;
}

/** An access token for the gateway (RFC 9068), signed by the demo issuer. */
export async function signAgentToken(key: JWK, issuer: string, token: AgentToken, nowMs: number): Promise<string> {
  const delegated = token.onBehalfOf !== undefined;
  return new SignJWT({
    groups: [...token.groups],
    ...(delegated ? { email: token.onBehalfOf, act: { sub: token.principal } } : {}),
    client_id: token.principal,
  })
    .setProtectedHeader({ alg: ALGORITHM, typ: 'at+jwt', ...(key.kid === undefined ? {} : { kid: key.kid }) })
    .setIssuer(issuer)
    .setSubject(token.onBehalfOf ?? token.principal)
    .setAudience(AGENT_AUDIENCE)
    .setIssuedAt(Math.floor(nowMs / 1000))
    .setExpirationTime(Math.floor(nowMs / 1000) + token.ttlSeconds)
    .setJti(randomUUID())
    .sign(await importJWK(key, ALGORITHM));
}
