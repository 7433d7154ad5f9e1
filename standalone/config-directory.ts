/** Reads a configuration directory from the disk of one machine. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readConfig, type ConfigReading } from '../core/config/read-config.ts';
import { SallyportError } from '../core/errors.ts';

/** Configurations are written by people; more than this is the wrong directory. */
const MAX_FILES = 1_000;
const MAX_FILE_BYTES = 4 * 1024 * 1024;

/** The directory cannot be read at all; findings in its files are values, not errors. */
export class ConfigUnreadable extends SallyportError {
  readonly code = 'config-unreadable';
}

/** Every file below a directory: its path with forward slashes → its text. Hidden files and directories are left out. */
export async function readConfigFiles(directory: string): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>();
  try {
    await readInto(files, directory, '');
  } catch (cause) {
    if (cause instanceof SallyportError) throw cause;
    const why = cause instanceof Error && 'code' in cause ? ` (${String(cause.code)})` : '';
    throw new ConfigUnreadable(`The configuration directory ${directory} cannot be read${why}`, { cause });
  }
  return files;
}

/** Reads and checks the configuration in a directory. Throws ConfigUnreadable. */
export async function readConfigDirectory(
  directory: string,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<ConfigReading> {
  return readConfig(await readConfigFiles(directory), environment);
}

async function readInto(files: Map<string, string>, directory: string, below: string): Promise<void> {
  const entries = await readdir(join(directory, below), { withFileTypes: true });
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (entry.name.startsWith('.')) continue;
    const path = below === '' ? entry.name : `${below}/${entry.name}`;
    if (entry.isDirectory()) await readInto(files, directory, path);
    else {
      const bytes = await readFile(join(directory, path));
      if (bytes.length > MAX_FILE_BYTES || files.size >= MAX_FILES)
        throw new ConfigUnreadable(`${directory} holds more than a configuration (${path})`);
      // Undecodable bytes would become replacement characters, and rules would not say what their author wrote.
      files.set(path, decodeUtf8(bytes, path));
    }
  }
}

function decodeUtf8(bytes: Buffer, path: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new ConfigUnreadable(`${path} is not UTF-8`, { cause });
  }
}
