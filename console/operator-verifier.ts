/** Operators without a shared secret: a person whose own token says that they are in the operators' group. */
import { decodeJwt } from 'jose';
import type { Config, IssuerConfig } from '../core/config/config.ts';
import { checkValidity, groupsClaim, ownClaim, personClaim, type Claims } from '../core/identity/claims.ts';
import { operatorNonce } from '../core/identity/operator-nonce.ts';
import { principalName, type PersonKey } from '../core/principal.ts';
import { approverIssuers, idTokenVerifier } from './id-token-verifier.ts';
import { ASYMMETRIC, issuerKeySets, MAX_TOKEN_CHARACTERS, verifySigned } from './issuer-key-sets.ts';

/** The name under `approverGroups` whose group may list and end sessions, and lock. Without it, nobody may. */
export const OPERATORS = 'operators';

/** A working day's sign-in would outlive a person's leave; a fresh one costs a click. */
const MAX_SIGN_IN_AGE_MS = 60 * 60_000;

export type OperatorVerifierOptions = {
  readonly config: Pick<Config, 'issuers' | 'agents' | 'approverGroups'>;
  /** Base URL of the console, without a slash at the end. */
  readonly publicUrl: string;
  readonly now: () => number;
};

/**
 * Who the operator behind a bearer token is, or undefined. Two kinds count: an ID token of a sign-in for this console
 * (`operatorNonce`), at most an hour old; and an access token for the gateway's audience that speaks of a person: with the
 * issuer's person claim, no agent that acts in it, and not the token of a configured agent. Keys that cannot be had are no keys.
 */
export function operatorVerifier({ config, publicUrl, now }: OperatorVerifierOptions): (token: string) => Promise<PersonKey | undefined> {
  const group = config.approverGroups.get(OPERATORS);
  const agents = new Set(config.agents.map(({ name }) => name));
  const nonce = operatorNonce(publicUrl);
  const verifyIdToken = idTokenVerifier(approverIssuers(config.issuers));
  const keysOf = issuerKeySets();

  const fromSignIn = async (token: string, nowMs: number): Promise<PersonKey | undefined> => {
    const { person, groups, issuedAtMs } = await verifyIdToken(token, { nonce, atMs: nowMs });
    return group !== undefined && groups.includes(group) && nowMs - issuedAtMs <= MAX_SIGN_IN_AGE_MS ? person : undefined;
  };

  const fromAccessToken = async (token: string, issuer: IssuerConfig, nowMs: number): Promise<PersonKey | undefined> => {
    const keys = await keysOf({ ...issuer, url: issuer.issuer });
    const { payload } = await verifySigned(token, keys, {
      issuer: issuer.issuer,
      algorithms: ASYMMETRIC.filter((algorithm) => issuer.algorithms.includes(algorithm)),
      requiredClaims: ['sub', 'exp'],
      // The times are judged below, with the issuer's configured skew.
      clockTolerance: issuer.clockSkewMs / 1_000,
      currentDate: new Date(nowMs),
    });
    const claims: Claims = payload;
    checkValidity(claims, issuer, nowMs);
    // A token bound to a key (RFC 7800) proves nothing in the hands of someone who shows no key.
    if (ownClaim(claims, 'act') !== undefined || ownClaim(claims, 'cnf') !== undefined) return undefined;
    if (agents.has(principalName({ issuer: issuer.name, agent: String(payload.sub) }))) return undefined;
    const person = personClaim(claims, issuer.personClaim);
    return group !== undefined && groupsClaim(claims, issuer.groupsClaim, issuer.name).includes(group) ? person : undefined;
  };

  return async (token) => {
    if (group === undefined || token.length > MAX_TOKEN_CHARACTERS) return undefined;
    try {
      const { iss, aud = [] } = decodeJwt(token);
      const issuer = config.issuers.find((one) => one.issuer === iss);
      if (issuer === undefined) return undefined;
      const signsIn = [aud].flat().some((audience) => issuer.approverClientIds.includes(audience));
      return signsIn ? await fromSignIn(token, now()) : await fromAccessToken(token, issuer, now());
    } catch {
      // Not a token, a bad signature, another nonce, an issuer that cannot be reached: in each case nobody is proved.
      return undefined;
    }
  };
}
