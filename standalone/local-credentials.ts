/** Credentials of targets on one machine: named in the configuration, read from the environment or a file at each login. */
import { readFile } from 'node:fs/promises';
import { CredentialUnavailable } from '../core/credential/credential-unavailable.ts';
import type { PostgresTarget } from '../core/target.ts';
import type { Clock, CredentialIssuer, UpstreamCredential } from '../proxy-task/ports.ts';
import type { HostCredential, HostCredentialIssuer, HostLogin } from '../proxy-task/ports.ts';
import type { SshAuthority } from './ssh-authority.ts';

export class LocalCredentials implements CredentialIssuer, HostCredentialIssuer {
  readonly #env: Readonly<Record<string, string | undefined>>;

  readonly #hosts: { readonly clock: Pick<Clock, 'now'>; readonly authority: () => SshAuthority } | undefined;

  /** `hosts`: where certificates for hosts come from; the authority's key is made at its first use. */
  constructor(
    env: Readonly<Record<string, string | undefined>>,
    hosts?: { readonly clock: Pick<Clock, 'now'>; readonly authority: () => SshAuthority },
  ) {
    this.#env = env;
    this.#hosts = hosts;
  }

  async issueForHost(login: HostLogin): Promise<HostCredential> {
    const { credential, name } = login.target;
    switch (credential.kind) {
      case 'env': {
        const privateKey = this.#env[credential.name];
        if (privateKey === undefined || privateKey === '')
          throw new CredentialUnavailable(`target "${name}": the environment variable ${credential.name} is not set`);
        return { id: `env:${credential.name}`, privateKey };
      }
      case 'file':
        return { id: `file:${credential.path}`, privateKey: await readSecret(credential.path, name) };
      case 'sshCa': {
        if (this.#hosts === undefined) throw new CredentialUnavailable(`target "${name}": there is no authority for certificates here`);
        return this.#hosts.authority().credential(login, this.#hosts.clock.now());
      }
      case 'secretsManager':
      case 'instanceConnect':
        throw new CredentialUnavailable(`target "${name}": ${credential.kind} needs AWS; on one machine use env, file or sshCa`);
    }
  }

  async issue(target: PostgresTarget): Promise<UpstreamCredential> {
    const { credential, name } = target;
    switch (credential.kind) {
      case 'env': {
        const password = this.#env[credential.name];
        if (password === undefined || password === '')
          throw new CredentialUnavailable(`target "${name}": the environment variable ${credential.name} is not set`);
        return { id: `env:${credential.name}`, password };
      }
      case 'file': {
        const password = (await readSecret(credential.path, name)).replace(/\r?\n$/u, '');
        if (password === '') throw new CredentialUnavailable(`target "${name}": ${credential.path} is empty`);
        return { id: `file:${credential.path}`, password };
      }
      case 'secretsManager':
      case 'rdsIam':
        throw new CredentialUnavailable(`target "${name}": ${credential.kind} needs AWS; on one machine use env or file`);
    }
  }
}

async function readSecret(path: string, target: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new CredentialUnavailable(`target "${target}": ${path} cannot be read`, { cause });
  }
}
