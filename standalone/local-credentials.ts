/** Credentials of targets on one machine: named in the configuration, read from the environment or a file at each login. */
import { readFile } from 'node:fs/promises';
import { CredentialUnavailable } from '../core/credential/credential-unavailable.ts';
import type { PostgresTarget } from '../core/target.ts';
import type { CredentialIssuer, UpstreamCredential } from '../proxy-task/ports.ts';

export class LocalCredentials implements CredentialIssuer {
  readonly #env: Readonly<Record<string, string | undefined>>;

  constructor(env: Readonly<Record<string, string | undefined>>) {
    this.#env = env;
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
