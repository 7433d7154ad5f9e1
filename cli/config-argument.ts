/** How verbs find and read the configuration directory. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { formatConfigError, type ConfigError } from '../core/config/config-error.ts';
import type { Config } from '../core/config/config.ts';
import { SallyportError } from '../core/errors.ts';
import { readConfigDirectory } from '../standalone/config-directory.ts';
import { UsageError, type VerbIo } from './verb.ts';

/** The configuration has findings; the message lists them, one a line. */
export class ConfigFindings extends SallyportError {
  readonly code = 'config-findings';
}

/** The directory: `--config`, else SALLYPORT_CONFIG, else `config`. Throws UsageError when it is not there. */
export function configDirectory(flag: string | undefined, io: Pick<VerbIo, 'env'>): string {
  const directory = resolve(flag ?? io.env['SALLYPORT_CONFIG'] ?? 'config');
  if (!existsSync(directory)) throw new UsageError(`there is no configuration directory ${directory}: name it with --config`);
  return directory;
}

/** Reads the configuration for a verb that cannot work without it. Findings go to stderr. Throws ConfigFindings. */
export async function configOf(directory: string, io: Pick<VerbIo, 'env' | 'stderr'>): Promise<Config> {
  const reading = await readConfigDirectory(directory, io.env);
  if ('config' in reading) return reading.config;
  printFindings(reading.errors, io);
  throw new ConfigFindings(`${reading.errors.length} findings in ${directory}`);
}

export function printFindings(errors: readonly ConfigError[], io: Pick<VerbIo, 'stderr'>): void {
  for (const error of errors) io.stderr.write(`${formatConfigError(error)}\n`);
}
