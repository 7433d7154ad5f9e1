/** A credential of a target for one session: given to whoever shows what the agent itself has, and to no one for another reason. */
import { CredentialUnavailable } from '../../core/credential/credential-unavailable.ts';
import { regionOf, roleSession, shortNameOf, type Purpose } from '../../core/credential/role-session.ts';
import { passwordIn } from '../../core/credential/secret-value.ts';
import type { Shown } from '../../core/identity/shown.ts';
import { principalName } from '../../core/principal.ts';
import { lockOf } from '../../core/state/locks.ts';
import { findDatabase, findHost, type PostgresTarget } from '../../core/target.ts';
import { whoAsks, type WhoAsks } from '../evaluate-policy/who-asks.ts';
import { hostCredential, type HostGiven } from './host-credential.ts';
import type { CredentialPorts, RoleKeys } from './ports.ts';

export type CredentialRequest =
  | { readonly purpose: 'session'; readonly target: string; readonly session: string; readonly shown: Shown }
  | {
      readonly purpose: 'host';
      readonly target: string;
      readonly session: string;
      readonly shown: Shown;
      readonly account: string;
      /** Of the key that the task has made for this login, where it has. */
      readonly publicKey?: Buffer;
    }
  /** For the gateway's own reading of the target's catalog: who may invoke this function is IAM's to say. */
  | { readonly purpose: 'catalog'; readonly target: string };

type DatabaseGiven = { readonly id: string; readonly password: string; readonly expiresAtMs: number };

export type CredentialAnswer =
  /** `bundle`: under which it was issued. */
  | ({ readonly kind: 'issued'; readonly bundle: string } & (DatabaseGiven | HostGiven))
  | {
      readonly kind: 'refused';
      readonly code: 'token-refused' | 'not-permitted' | 'locked' | 'unknown-target' | 'credential-unavailable';
      readonly reason: string;
    };

/** What the log says of an answer: whom it was for, never what was given. */
export type Issuance = { readonly principal?: string; readonly sourceIdentity?: string; readonly role?: string };
type Answered = { readonly answer: CredentialAnswer; readonly issuance: Issuance };

/** An hour, or less where the token or the credential ends before. */
const LONGEST_MS = 3_600_000;
/** How long RDS takes an authentication token. */
const RDS_TOKEN_MS = 15 * 60_000;

/** Every refusal is a value; throws only what makes a retry worth while. */
export async function issueCredential(ports: CredentialPorts, request: CredentialRequest): Promise<Answered> {
  const { config, bundle } = await ports.inForce();
  let known: Issuance = {};
  const refuse = (code: (CredentialAnswer & { kind: 'refused' })['code'], reason: string): Answered => ({
    answer: { kind: 'refused', code, reason },
    issuance: known,
  });
  const give = (given: DatabaseGiven | HostGiven, endsMs: number): Answered => {
    const expiresAtMs = Math.min(given.expiresAtMs, endsMs, ports.now() + LONGEST_MS);
    return { answer: { ...given, kind: 'issued', expiresAtMs, bundle: bundle.version }, issuance: known };
  };
  let purpose: Purpose = { kind: 'catalog' };
  let asks: (WhoAsks & { kind: 'known' }) | undefined;
  if (request.purpose !== 'catalog') {
    const answer = await whoAsks(ports, config, request.shown, request.target);
    if (answer.kind === 'refused') return refuse('token-refused', answer.reason);
    asks = answer;
    const { principal } = asks;
    known = { principal: principalName(principal) };
    if (principal.expiresAtMs <= ports.now()) return refuse('token-refused', `the ${request.shown.kind} has expired`);
    const lock = lockOf(await ports.locks(), principal);
    if (lock !== undefined) return refuse('locked', lock);
    const decision = bundle.policies.mayConnect(principal, request.target);
    if (decision.kind !== 'permit') return refuse('not-permitted', decision.reason);
    const shortName = shortNameOf(config.agents, principal);
    purpose = { kind: 'session', session: request.session, principal, ...(shortName === undefined ? {} : { shortName }) };
  }
  try {
    // The gateway itself reads no host: what it asks there, it asks for a session.
    if (request.purpose === 'host' && purpose.kind === 'session' && asks !== undefined) {
      const host = findHost(config.targets, request.target);
      if (host === undefined) return refuse('unknown-target', `no host is called "${request.target}"`);
      const { account, publicKey } = request;
      if (!host.accounts.includes(account)) return refuse('not-permitted', `"${account}" is none of the accounts of "${host.name}"`);
      if (asks.account !== undefined && asks.account !== account) return refuse('not-permitted', 'the login is for another account');
      const { given, ...more } = await hostCredential(ports, host, purpose, { account, publicKey, without: asks.without });
      known = { ...known, ...more };
      return give(given, purpose.principal.expiresAtMs);
    }
    const database = findDatabase(config.targets, request.target);
    if (database === undefined) return refuse('unknown-target', `no database is called "${request.target}"`);
    // The account of a host is nothing to a database, and neither is a login there.
    const session = roleSession(database, purpose);
    known = { ...known, sourceIdentity: session.sourceIdentity, role: session.roleArn };
    const given = await credentialOf(ports, database, await ports.assume(session));
    return give(given, purpose.kind === 'session' ? purpose.principal.expiresAtMs : Infinity);
  } catch (error) {
    if (!(error instanceof CredentialUnavailable)) throw error;
    return refuse('credential-unavailable', error.message);
  }
}

async function credentialOf(ports: CredentialPorts, target: PostgresTarget, keys: RoleKeys): Promise<DatabaseGiven> {
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
