/** A credential of a target for one session: given to whoever shows the agent's own token, and to no one for another reason. */
import { CredentialUnavailable } from '../../core/credential/credential-unavailable.ts';
import { regionOf, roleSession, shortNameOf, type Purpose } from '../../core/credential/role-session.ts';
import { passwordIn } from '../../core/credential/secret-value.ts';
import { TokenRefused } from '../../core/identity/token-refused.ts';
import { principalName, type Principal } from '../../core/principal.ts';
import { lockOf } from '../../core/state/locks.ts';
import { findDatabase, findHost, type PostgresTarget, type SshTarget } from '../../core/target.ts';
import type { CredentialPorts, RoleKeys } from './ports.ts';

export type CredentialRequest =
  | { readonly purpose: 'session'; readonly target: string; readonly session: string; readonly token: string }
  /** For the gateway's own reading of the target's catalog: who may invoke this function is IAM's to say. */
  | { readonly purpose: 'catalog'; readonly target: string };

export type CredentialAnswer =
  | {
      readonly kind: 'issued';
      /** Names the credential in evidence; never the secret. */
      readonly id: string;
      readonly password: string;
      /** No login may begin with it afterwards. */
      readonly expiresAtMs: number;
      /** The bundle under which it was issued. */
      readonly bundle: string;
    }
  | {
      readonly kind: 'refused';
      readonly code: 'token-refused' | 'not-permitted' | 'locked' | 'unknown-target' | 'credential-unavailable';
      readonly reason: string;
    };

/** What the log says of an answer: whom it was for, never what was given. */
export type Issuance = { readonly principal?: string; readonly sourceIdentity?: string; readonly role?: string };

/** An hour, or less where the token or the credential ends before. */
const LONGEST_MS = 3_600_000;
/** How long RDS takes an authentication token. */
const RDS_TOKEN_MS = 15 * 60_000;

/** Every refusal is a value; throws only what makes a retry worth while. */
export async function issueCredential(
  ports: CredentialPorts,
  request: CredentialRequest,
): Promise<{ readonly answer: CredentialAnswer; readonly issuance: Issuance }> {
  const { config, bundle } = await ports.inForce();
  let purpose: Purpose = { kind: 'catalog' };
  let known: Issuance = {};
  if (request.purpose === 'session') {
    let principal: Principal;
    try {
      principal = await ports.verify(config, request.token);
    } catch (error) {
      // An issuer that does not answer says nothing about the token: whoever asks may ask again.
      if (!(error instanceof TokenRefused) || error.refusal === 'keys-unavailable') throw error;
      return { answer: refused('token-refused', error.refusal), issuance: known };
    }
    known = { principal: principalName(principal) };
    if (principal.expiresAtMs <= ports.now()) return { answer: refused('token-refused', 'the token has expired'), issuance: known };
    const lock = lockOf(await ports.locks(), principal);
    if (lock !== undefined) return { answer: refused('locked', lock), issuance: known };
    const decision = bundle.policies.mayConnect(principal, request.target);
    if (decision.kind !== 'permit') return { answer: refused('not-permitted', decision.reason), issuance: known };
    const shortName = shortNameOf(config.agents, principal);
    purpose = { kind: 'session', session: request.session, principal, ...(shortName === undefined ? {} : { shortName }) };
  }
  // The gateway itself reads no host: what it asks there, it asks for a session.
  const target =
    findDatabase(config.targets, request.target) ?? (request.purpose === 'session' ? findHost(config.targets, request.target) : undefined);
  if (target === undefined) return { answer: refused('unknown-target', `no target is called "${request.target}"`), issuance: known };
  try {
    const session = roleSession(target, purpose);
    known = { ...known, sourceIdentity: session.sourceIdentity, role: session.roleArn };
    const keys = await ports.assume(session);
    const given = await (target.kind === 'ssh' ? hostCredentialOf(ports, target, keys) : credentialOf(ports, target, keys));
    const endsMs = purpose.kind === 'session' ? purpose.principal.expiresAtMs : Infinity;
    const expiresAtMs = Math.min(given.expiresAtMs, endsMs, ports.now() + LONGEST_MS);
    return { answer: { kind: 'issued', ...given, expiresAtMs, bundle: bundle.version }, issuance: known };
  } catch (error) {
    if (!(error instanceof CredentialUnavailable)) throw error;
    return { answer: refused('credential-unavailable', error.message), issuance: known };
  }
}

async function credentialOf(
  ports: CredentialPorts,
  target: PostgresTarget,
  keys: RoleKeys,
): Promise<{ readonly id: string; readonly password: string; readonly expiresAtMs: number }> {
  const { credential, host, port, user, name } = target;
  switch (credential.kind) {
    case 'secretsManager': {
      const { value, version } = await ports.secret(credential.arn, regionOf(target), keys);
      return { id: `secretsManager:${version}`, password: passwordIn(value, target), expiresAtMs: ports.now() + LONGEST_MS };
    }
    case 'rdsIam': {
      const signedAtMs = ports.now();
      const password = await ports.rdsToken({ host, port, user, region: regionOf(target) }, keys);
      // The key's id stands in CloudTrail beside the session's tags.
      return { id: `rdsIam:${keys.accessKeyId}`, password, expiresAtMs: signedAtMs + RDS_TOKEN_MS };
    }
    case 'env':
    case 'file':
      throw new CredentialUnavailable(`target "${name}": ${credential.kind} is of one machine; in AWS use secretsManager or rdsIam`);
  }
}

/** The private key of a host: the whole text of its secret. */
async function hostCredentialOf(ports: CredentialPorts, target: SshTarget, keys: RoleKeys): ReturnType<typeof credentialOf> {
  const { credential, name } = target;
  if (credential.kind !== 'secretsManager')
    throw new CredentialUnavailable(`target "${name}": ${credential.kind} is not issued here; in AWS use secretsManager`);
  const { value, version } = await ports.secret(credential.arn, regionOf(target), keys);
  if (value.trim() === '') throw new CredentialUnavailable(`target "${name}": its secret is empty`);
  return { id: `secretsManager:${version}`, password: value, expiresAtMs: ports.now() + LONGEST_MS };
}

function refused(code: (CredentialAnswer & { kind: 'refused' })['code'], reason: string): CredentialAnswer {
  return { kind: 'refused', code, reason };
}
