/** A command line as an operation: which paths it is about, as the host itself says, so that it can be judged. */
import { FOLDER_ONLY } from '../../core/statement/host/command/reading.ts';
import type { HostOperation } from '../../core/statement/host/host-operation.ts';
import type { LiveHostSession } from './live-session.ts';
import { matchPatterns } from './path-patterns.ts';
import { unjudgeable, type HostRefusal } from './refusal.ts';

const MAX_COMMAND_BYTES = 64 * 1024;
/** A command that names more is opaque in the rest. */
const MAX_PATHS = 256;

/** Why it cannot be judged at all; undefined where it can. */
export function refuseCommand(command: string, maxBytes: number): HostRefusal | undefined {
  const most = Math.min(maxBytes, MAX_COMMAND_BYTES);
  if (Buffer.byteLength(command) > most) return unjudgeable(`it is longer than ${most} bytes`);
  if (command.includes('\0')) return unjudgeable('it contains a NUL');
  // What was not UTF-8 has been read as this; a command that says it itself is refused with it.
  if (command.includes('\uFFFD')) return unjudgeable('it is not UTF-8');
  return undefined;
}

/** The command with what the host says of its paths and patterns now. */
export async function execOperation(
  command: string,
  { account, paths, commands }: Pick<LiveHostSession, 'account' | 'paths' | 'commands'>,
): Promise<HostOperation> {
  const home = await paths.home();
  const resolved = new Map<string, string>();
  // A host that does not say where commands start says nothing about their paths either.
  if (home === undefined) return { kind: 'exec', command, account, home: '', resolved };
  const matched = await matchPatterns(commands.patternsOf(command, home), paths);
  const asked = [...new Set(commands.pathsOf(command, home, matched))].slice(0, MAX_PATHS);
  const answers = await Promise.all(asked.map((path) => (path.endsWith(FOLDER_ONLY) ? folderAt(path, paths) : paths.resolve(path))));
  for (const [index, path] of asked.entries()) {
    const real = answers[index];
    if (real !== undefined) resolved.set(path, real);
  }
  return { kind: 'exec', command, account, home, resolved, ...(matched.size === 0 ? {} : { matched }) };
}

/** OpenSSH's server takes a dot behind a file for the file. What cannot be told may be a folder. */
async function folderAt(path: string, paths: LiveHostSession['paths']): Promise<string | undefined> {
  const kind = await paths.kindOf(path.slice(0, -FOLDER_ONLY.length) || '/');
  return kind === 'file' || kind === 'nothing' ? undefined : '/';
}
