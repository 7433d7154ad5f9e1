/** What a configuration must say besides being right before tasks in AWS can serve it. */
import type { ConfigError } from './config-error.ts';
import type { Config } from './config.ts';
import { MAIN_FILE } from './read-config.ts';
import { databaseRegion } from './database-region.ts';
import { readYaml } from './yaml-file.ts';

/** Findings about a configuration that has been read without errors; none when it can be published. */
export function unfitForAws(files: Readonly<Record<string, string>>, { targets }: Pick<Config, 'targets'>): readonly ConfigError[] {
  const yaml = readYaml(MAIN_FILE, (files[MAIN_FILE] ?? '').replaceAll('\r\n', '\n'), () => [], {});
  targets.forEach((target, i) => {
    const { credential, assume, host } = target;
    const tls = target.kind === 'postgres' ? target.tls : undefined;
    if (tls?.mode === 'verify-full' && tls.caFile !== undefined && !tls.caFile.startsWith('/')) {
      const path = ['targets', i, 'tls', 'caFile'];
      yaml.refuse(path, 'a bundle carries no such file', 'put the certificates into `ca`, or name a file of the image by its whole path');
    }
    const refuse = (message: string, fix: string): void => yaml.refuse(['targets', i, 'credential'], message, fix);
    if (credential.kind === 'env' || credential.kind === 'file') {
      const instead = target.kind === 'ssh' ? 'sshCa or instanceConnect' : 'rdsIam';
      refuse(`${credential.kind}: names something of one machine, which no task in AWS has`, `use secretsManager:ARN or ${instead}`);
    } else if (assume === undefined) {
      // The gateway's own authority signs for hosts; no role is in between.
      if (credential.kind === 'sshCa') return;
      refuse(
        `${credential.kind} is had through a role of the target's account, and none is named`,
        'add `assume` with the `role` of this target',
      );
    } else if (credential.kind === 'rdsIam' && databaseRegion(host, assume) === undefined) {
      refuse(`the region of \`${host}\` is not known`, 'add `region` to `assume`');
    } else if (credential.kind === 'instanceConnect' && assume.region === undefined) {
      refuse(`the region of \`${target.name}\` is not known`, 'add `region` to `assume`');
    }
    if (target.kind === 'ssh' && credential.kind === 'instanceConnect') {
      target.accounts.forEach((account, at) => {
        if (!isInstanceUser(account))
          yaml.refuse(
            ['targets', i, 'accounts', at],
            `EC2 Instance Connect takes no user name like \`${account}\``,
            'begin it with a letter or _',
          );
      });
    }
  });
  return yaml.errors;
}

/** As the API of EC2 Instance Connect has them (`InstanceOSUser`). */
function isInstanceUser(account: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9@._-]{0,30}[A-Za-z0-9$_-]?$/.test(account);
}
