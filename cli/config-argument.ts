/** How verbs find and read the configuration directory. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { formatConfigError, type ConfigError } from '../core/config/config-error.ts';
import type { Config } from '../core/config/config.ts';
import { SallyportError } from '../core/errors.ts';
import { readConfigDirectory } from '../standalone/config-directory.ts';
import { readConfigEnvironment } from '../standalone/config-environment.ts';
import { dataDirectory } from '../standalone/data-directory.ts';
import { UsageError, type VerbIo } from './verb.ts';

/** The configuration has findings; the message lists them, one a line. */
export class ConfigFindings extends SallyportError {
  readonly code = 'config-findings';
}

/** A configuration directory, and what `${NAME}` stands for in it. */
export type ConfigArgument = { readonly directory: string; readonly env: VerbIo['env'] };

/**
 * The directory: `--config`, else SALLYPORT_CONFIG, else `config`, else that of the demo on the data directory, with the
 * demo's variables. Throws UsageError when there is none.
 */
export function configArgument(flag: string | undefined, io: Pick<VerbIo, 'env'>): ConfigArgument {
  const demo = readConfigEnvironment(dataDirectory(undefined, io.env));
  const named = flag ?? io.env['SALLYPORT_CONFIG'];
  const directory = resolve(named ?? 'config');
  const isDemo = demo !== undefined && (resolve(demo.directory) === directory || (named === undefined && !existsSync(directory)));
  if (isDemo) return { directory: demo.directory, env: { ...demo.variables, ...io.env } };
  if (!existsSync(directory)) throw new UsageError(`there is no configuration directory ${directory}: name it with --config`);
  return { directory, env: io.env };
}

/** Reads the configuration for a verb that cannot work without it. Findings go to stderr. Throws ConfigFindings. */
export async function configOf({ directory, env }: ConfigArgument, io: Pick<VerbIo, 'stderr'>): Promise<Config> {
  const reading = await readConfigDirectory(directory, env);
  if ('config' in reading) return reading.config;
  printFindings(reading.errors, io);
  throw new ConfigFindings(`${reading.errors.length} findings in ${directory}`);
}

export function printFindings(errors: readonly ConfigError[], io: Pick<VerbIo, 'stderr'>): void {
  for (const error of errors) io.stderr.write(`${formatConfigError(error)}\n`);
}
