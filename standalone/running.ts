/** `running.json` in the data directory: where the gateway of this directory listens, for the command line beside it. */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export type Running = {
  readonly pid: number;
  /** Base URL of API and console, without a slash at the end. */
  readonly api: string;
  /** URL of the demo issuer; absent where people sign in elsewhere. */
  readonly issuer?: string;
  readonly postgres: { readonly host: string; readonly port: number };
  /** Absent where the gateway speaks no SSH. `hostKey` as `ssh-ed25519 AAAA…`. */
  readonly ssh?: { readonly host: string; readonly port: number; readonly hostKey: string };
};

const FILE = 'running.json';

/** Replaces the file as a whole: a reader sees the old or the new one. */
export function writeRunning(dataDir: string, running: Running): void {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const path = join(dataDir, FILE);
  writeFileSync(`${path}.new`, `${JSON.stringify(running)}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

/** Called at the end of a serving process. */
export function removeRunning(dataDir: string): void {
  rmSync(join(dataDir, FILE), { force: true });
}

/** What the file says, or undefined where it is missing or not understood. A killed gateway leaves its file: the address may be dead. */
export function readRunning(dataDir: string): Running | undefined {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(join(dataDir, FILE), 'utf8'));
  } catch {
    // Not there, or not ours: the caller says that no gateway was found.
    return undefined;
  }
  return isRunning(content) ? content : undefined;
}

function isRunning(value: unknown): value is Running {
  if (typeof value !== 'object' || value === null || !('pid' in value) || !('api' in value) || !('postgres' in value)) return false;
  const { pid, api, postgres } = value;
  if (typeof pid !== 'number' || typeof api !== 'string' || typeof postgres !== 'object' || postgres === null) return false;
  if ('issuer' in value && typeof value.issuer !== 'string') return false;
  if ('ssh' in value && !(isAddress(value.ssh) && 'hostKey' in value.ssh && typeof value.ssh.hostKey === 'string')) return false;
  return isAddress(postgres);
}

function isAddress(value: unknown): value is { readonly host: string; readonly port: number } {
  if (typeof value !== 'object' || value === null) return false;
  return 'host' in value && typeof value.host === 'string' && 'port' in value && typeof value.port === 'number';
}
