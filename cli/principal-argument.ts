/** The principal that a verb asks for, as a verified token of it would make it. */
import type { Config } from '../core/config/config.ts';
import { namedPrincipal } from '../core/judging/run-cases.ts';
import type { Principal } from '../core/principal.ts';
import { UsageError } from './verb.ts';

/**
 * Names may leave the issuer out when there is one. Groups default to those the agent is configured with, and are bounded
 * by them as those of a token are.
 */
export function principalFor(
  config: Pick<Config, 'issuers' | 'agents'>,
  principal: string | undefined,
  groups: readonly string[] | undefined,
  human: string | undefined,
): Principal {
  if (principal === undefined) throw new UsageError('--principal is missing: issuer/agent');
  const name = withIssuer(config, principal);
  const asked = groups?.map((group) => withIssuer(config, group));
  return namedPrincipal(config, {
    principal: name,
    ...(asked === undefined ? {} : { groups: asked }),
    ...(human === undefined ? {} : { human }),
  });
}

function withIssuer(config: Pick<Config, 'issuers'>, name: string): string {
  const slash = name.indexOf('/');
  if (slash > 0 && config.issuers.some((issuer) => issuer.name === name.slice(0, slash))) return name;
  const [only, ...others] = config.issuers;
  if (slash === -1 && name !== '' && only !== undefined && others.length === 0) return `${only.name}/${name}`;
  throw new UsageError(
    `"${name}" names no configured issuer: start it with one of ${config.issuers.map((issuer) => `${issuer.name}/`).join(', ')}`,
  );
}
