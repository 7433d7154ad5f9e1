/** What issuing a credential needs from outside. */
import type { Config } from '../../core/config/config.ts';
import type { RoleSession } from '../../core/credential/role-session.ts';
import type { Bundle } from '../../core/policy/bundle.ts';
import type { LockList } from '../../core/state/control.ts';
import type { VerifyingPorts } from '../evaluate-policy/who-asks.ts';

/** Keys of an assumed role; they live as long as one request. */
export type RoleKeys = {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
};

/** The authority that hosts trust; its key is where nobody reads it. */
export type HostAuthority = {
  /** Its public key's blob. */
  readonly publicKey: Buffer;
  /** A signature blob of SSH over these bytes. Throws CredentialUnavailable. */
  sign(bytes: Uint8Array): Promise<Buffer>;
};

/** A public key for one account of one instance. */
export type KeyPush = {
  readonly instanceId: string;
  readonly account: string;
  /** `ssh-ed25519 AAAA…` */
  readonly publicKey: string;
  readonly region: string;
};

export type CredentialPorts = VerifyingPorts & {
  /** Rejects where nothing trustworthy is in force. */
  readonly inForce: () => Promise<{ readonly config: Config; readonly bundle: Bundle }>;
  readonly locks: () => Promise<LockList>;
  /** Throws CredentialUnavailable. */
  readonly assume: (session: RoleSession) => Promise<RoleKeys>;
  /** The secret and its version, read with these keys. Throws CredentialUnavailable. */
  readonly secret: (arn: string, region: string, keys: RoleKeys) => Promise<{ readonly value: string; readonly version: string }>;
  /** A token with which RDS lets this role log in for 15 minutes. */
  readonly rdsToken: (
    login: { readonly host: string; readonly port: number; readonly user: string; readonly region: string },
    keys: RoleKeys,
  ) => Promise<string>;
  /** The authority of certificates. Throws CredentialUnavailable, also where this deployment has none. */
  readonly authority: () => Promise<HostAuthority>;
  /** Pushes the key, which the instance takes for 60 s; the request's id, which CloudTrail has too. Throws CredentialUnavailable. */
  readonly pushKey: (push: KeyPush, keys: RoleKeys) => Promise<string>;
  readonly random: (bytes: number) => Buffer;
};
