/** What issuing a credential needs from outside. */
import type { Config } from '../../core/config/config.ts';
import type { RoleSession } from '../../core/credential/role-session.ts';
import type { Bundle } from '../../core/policy/bundle.ts';
import type { Principal } from '../../core/principal.ts';
import type { LockList } from '../../core/state/control.ts';

/** Keys of an assumed role; they live as long as one request. */
export type RoleKeys = {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
};

export type CredentialPorts = {
  /** Rejects where nothing trustworthy is in force. */
  readonly inForce: () => Promise<{ readonly config: Config; readonly bundle: Bundle }>;
  /** Verifies an agent's token under that configuration. Throws TokenRefused. */
  readonly verify: (config: Config, token: string) => Promise<Principal>;
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
  readonly now: () => number;
};
