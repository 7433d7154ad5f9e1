/** Whom a certificate lets in, and where: the rules that OpenSSH's server has, and those of tokens. */
import type { AgentConfig, SshUserCa } from '../config/config.ts';
import { nameClaim } from '../identity/claims.ts';
import { TokenRefused } from '../identity/token-refused.ts';
import { principalName, type Principal } from '../principal.ts';
import { comesFrom } from './address-range.ts';
import type { UserCertificate } from './user-certificate.ts';

export type CertificateLogin = {
  readonly authorities: readonly SshUserCa[];
  readonly agents: readonly AgentConfig[];
  readonly targetName: string;
  /** The account asked for, or the one that the target gives where none was; undefined where there is no such target. */
  readonly account: string | undefined;
  readonly remoteAddress: string;
  readonly nowMs: number;
};

/** `reason` is for the record only. */
export type CertificateAnswer =
  | { readonly kind: 'principal'; readonly principal: Principal }
  | { readonly kind: 'refused'; readonly reason: string };

/** Who comes with this certificate, whose holder has proved the key and whose authority's signature was checked. */
export function judgeCertificate(certificate: UserCertificate, login: CertificateLogin): CertificateAnswer {
  const { validAfterMs, validBeforeMs, principals, sourceAddresses } = certificate;
  const authority = login.authorities.find(({ publicKey }) => certificate.authority.equals(publicKey.blob));
  if (authority === undefined) return refused('the certificate is of an unknown authority');
  if (login.nowMs < validAfterMs) return refused('the certificate is not valid yet');
  // As with tokens: an identity that never ends could not be taken back by waiting.
  if (validBeforeMs === Infinity) return refused('the certificate never ends');
  if (login.nowMs >= validBeforeMs) return refused('the certificate has expired');
  const meant = [login.targetName, login.account].some((name) => name !== undefined && principals.includes(name));
  if (!meant) return refused('the certificate is for neither this target nor this account');
  if (sourceAddresses !== undefined && !comesFrom(login.remoteAddress, sourceAddresses))
    return refused('the certificate is not for this address');
  const agent = agentName(certificate, authority);
  if (agent === undefined) return refused('the certificate names no agent');
  const name = principalName({ issuer: authority.issuer, agent });
  const known = login.agents.find((one) => one.name === name);
  const principal: Principal = {
    issuer: authority.issuer,
    agent,
    ...(known?.owner === undefined ? {} : { owner: known.owner }),
    // A certificate speaks of no groups: those of the agent are in the configuration.
    groups: [...(known?.groups ?? [])].sort(),
    expiresAtMs: validBeforeMs,
    tokenId: `ssh-certificate:${certificate.serial}`,
  };
  return { kind: 'principal', principal };
}

/** With the same care as the name in a token: no control characters, no look-alikes by invisible ones. */
function agentName({ keyId, principals }: UserCertificate, { agentFrom }: SshUserCa): string | undefined {
  try {
    return nameClaim({ agent: agentFrom === 'keyId' ? keyId : principals[0] }, 'agent', 'subject');
  } catch (error) {
    if (error instanceof TokenRefused) return undefined;
    throw error;
  }
}

function refused(reason: string): CertificateAnswer {
  return { kind: 'refused', reason };
}
