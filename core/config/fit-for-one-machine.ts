/** What a configuration says that no gateway on one machine can do. */
import type { ConfigError } from './config-error.ts';
import type { Config } from './config.ts';
import { MAIN_FILE } from './read-config.ts';
import { readYaml } from './yaml-file.ts';

/**
 * Findings about a configuration that has been read without errors. One without an SSH listener is for AWS, or serves no host: tasks
 * there are told where to listen by their deployment.
 */
export function unfitForOneMachine(
  files: Readonly<Record<string, string>>,
  { listeners, targets }: Pick<Config, 'listeners' | 'targets'>,
): readonly ConfigError[] {
  if (listeners.ssh === undefined) return [];
  const yaml = readYaml(MAIN_FILE, (files[MAIN_FILE] ?? '').replaceAll('\r\n', '\n'), () => [], {});
  targets.forEach(({ kind, credential }, i) => {
    if (kind !== 'ssh' || (credential.kind !== 'instanceConnect' && credential.kind !== 'secretsManager')) return;
    const why = 'is had through a role that a function beside the gateway assumes, and there is none on one machine';
    yaml.refuse(['targets', i, 'credential'], `${credential.kind} ${why}`, 'use sshCa, env:NAME or file:PATH; or check it with --aws');
  });
  return yaml.errors;
}
