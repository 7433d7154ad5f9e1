/**
 * `config-environment.json` in a data directory: which configuration the gateway of this directory runs, and what its `${NAME}`s
 * stand for, so that the command line beside it reads the same. Holds no secret.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export type ConfigEnvironment = {
  readonly directory: string;
  readonly variables: Readonly<Record<string, string>>;
};

const FILE = 'config-environment.json';

export function writeConfigEnvironment(dataDir: string, environment: ConfigEnvironment): void {
  writeFileSync(join(dataDir, FILE), `${JSON.stringify(environment)}\n`, { mode: 0o600 });
}

/** Undefined where there is none, or none that is understood. */
export function readConfigEnvironment(dataDir: string): ConfigEnvironment | undefined {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(join(dataDir, FILE), 'utf8'));
  } catch {
    // The command then asks for its own --config, as without a demo.
    return undefined;
  }
  if (typeof content !== 'object' || content === null || !('directory' in content) || !('variables' in content)) return undefined;
  const { directory, variables } = content;
  if (typeof directory !== 'string' || typeof variables !== 'object' || variables === null) return undefined;
  const texts = Object.entries(variables).filter((entry): entry is [string, string] => typeof entry[1] === 'string');
  return { directory, variables: Object.fromEntries(texts) };
}
