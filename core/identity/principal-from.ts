/** From verified claims to the principal: who acts, for whom, with which rights (design §2). */
import type { AgentConfig, IssuerConfig } from '../config/config.ts';
import { principalName, type Principal } from '../principal.ts';
import { checkValidity, groupsClaim, nameClaim, ownClaim, personClaim, type Claims } from './claims.ts';
import { TokenRefused } from './token-refused.ts';

/**
 * The principal of an access token whose signature has been checked with this issuer's keys.
 *
 * A delegated token (RFC 8693 §4.1) has the agent in its outermost `act.sub`; an `act` within is history and gives no
 * right. Its human is named by the issuer's person claim. Groups:
 *
 * - not delegated: those of the token, which are the agent's own;
 * - delegated, `groupsAre: human`: those of the token that the agent is configured with too. An agent without configured
 *   groups has none: the intersection with nothing known is empty;
 * - delegated, `groupsAre: delegated`: those of the token, since the issuer has intersected already.
 *
 * Configured groups always bound an agent from above. Throws TokenRefused.
 */
export function principalFrom(claims: Claims, issuer: IssuerConfig, agents: readonly AgentConfig[], nowMs: number): Principal {
  if (ownClaim(claims, 'iss') !== issuer.issuer) throw new TokenRefused('issuer');
  const expiresAtMs = checkValidity(claims, issuer, nowMs);
  const subject = nameClaim(claims, 'sub', 'subject');
  const actor = ownClaim(claims, 'act');
  const agent = actor === undefined ? subject : actorOf(actor, issuer);
  const name = principalName({ issuer: issuer.name, agent });
  const known = agents.find((one) => one.name === name);
  const held = groupsClaim(claims, issuer.groupsClaim, issuer.name);
  const bound = known?.groups ?? (actor !== undefined && issuer.groupsAre === 'human' ? [] : undefined);
  const tokenId = ownClaim(claims, 'jti') === undefined ? undefined : nameClaim(claims, 'jti', 'malformed');
  return {
    issuer: issuer.name,
    agent,
    ...(actor === undefined ? {} : { human: personClaim(claims, issuer.personClaim) }),
    ...(known?.owner === undefined ? {} : { owner: known.owner }),
    groups: bound === undefined ? held : held.filter((group) => bound.includes(group)),
    expiresAtMs,
    ...(tokenId === undefined ? {} : { tokenId }),
  };
}

function actorOf(actor: unknown, issuer: IssuerConfig): string {
  if (typeof actor !== 'object' || actor === null || Array.isArray(actor)) throw new TokenRefused('actor');
  const claims: Claims = { ...actor };
  // An actor of another issuer would be another agent under a name of this one.
  const from = ownClaim(claims, 'iss');
  if (from !== undefined && from !== issuer.issuer) throw new TokenRefused('actor');
  return nameClaim(claims, 'sub', 'actor');
}
