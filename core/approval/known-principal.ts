import type { Config } from '../config/config.ts';
import { principalName, type Principal } from '../principal.ts';

/**
 * Why this principal cannot be one of this configuration's, or undefined. Its token is not at hand where requests are stored, but who
 * owns an agent and how far its groups reach is configured: who asks in its name cannot leave out the person that may not answer.
 */
export function notConfigured(principal: Principal, { issuers, agents }: Pick<Config, 'issuers' | 'agents'>): string | undefined {
  if (!issuers.some(({ name }) => name === principal.issuer)) return `no issuer is called ${principal.issuer}`;
  const name = principalName(principal);
  const known = agents.find((agent) => agent.name === name);
  if (principal.owner !== known?.owner) return `${name} has another owner in the configuration`;
  const beyond = principal.groups.find((group) => !group.startsWith(`${principal.issuer}/`) || known?.groups?.includes(group) === false);
  return beyond === undefined ? undefined : `${name} cannot be in ${beyond}`;
}
