/** Reads a command as if the host had no links but the given ones, and writes what it can cause on one line. */
import { loadExecReader } from '../../core/statement/host/read-exec.ts';
import { FOLDER_ONLY } from '../../core/statement/host/command/reading.ts';
import { collapse } from '../../core/statement/host/command/folders.ts';
import type { Effect } from '../../core/statement/effect.ts';
import type { HostReading } from '../../core/statement/host/host-reading.ts';

export const HOME = '/home/deploy';

export const reader = await loadExecReader();

/** Files of a host, by the text of each pattern: what it lists, and what matches. */
export type Matches = Readonly<Record<string, readonly string[]>>;

/** `links`: what the host says of paths where that is not their text; undefined where it cannot say. */
export function readCommand(
  command: string,
  links: ReadonlyMap<string, string | undefined> = new Map(),
  matches: Matches = {},
): HostReading {
  const matched = new Map(
    Object.entries(matches).map(([pattern, names]) => [pattern, { folders: [pattern.replace(/\/[^/]*\/?$/u, '') || '/'], names }]),
  );
  const resolved = new Map<string, string>();
  for (const path of reader.pathsOf(command, HOME, matched)) {
    const real = links.has(path) ? links.get(path) : path.endsWith(FOLDER_ONLY) ? undefined : collapse(path);
    if (real !== undefined) resolved.set(path, real);
  }
  return reader.read({ kind: 'exec', command, account: 'deploy', home: HOME, resolved, matched });
}

/** `listFiles ~/x`, `run ls`, `removeFile /srv/x …`: the dots are all that is below it. */
export function effectText({ action, resource, via }: Effect): string {
  const name = resource.type === 'File' ? `/${resource.path.join('/')}` : (resource.path[0] ?? 'host');
  const below = via === 'everything below it' ? ' …' : '';
  if (action === 'runProgram') return `run ${name}`;
  if (action === 'elevate') return `elevate ${via ?? ''}`;
  return `${action} ${name.replace(/^\/home\/deploy(?=$|\/)/u, '~')}${below}`;
}

/** Everything that a reading says; `opaque` first where it is. */
export function readingText(reading: HostReading): string {
  const effects = reading.effects.filter(({ action }) => action !== 'unknown').map(effectText);
  return [...(reading.opaque ? ['opaque'] : []), ...effects].join(', ');
}
