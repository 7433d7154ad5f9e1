/** Signs a login to RDS with the keys of the target's role. Nothing is sent: RDS itself checks the signature. */
import { Signer } from '@aws-sdk/rds-signer';
import type { CredentialPorts } from '../issue-credential/ports.ts';

export function rdsLoginToken(): CredentialPorts['rdsToken'] {
  return ({ host, port, user, region }, keys) =>
    new Signer({ hostname: host, port, username: user, region, credentials: keys }).getAuthToken();
}
