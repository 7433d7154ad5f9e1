/**
 * What patterns of names stand for on a host, found out as a shell finds it out: by listing folders, over the gateway's own sftp.
 * What is listed here a moment before the shell does may have changed by then, as what a path leads to may have.
 */
import { matchName, type PathPattern } from '../../core/statement/host/command/pattern.ts';
import type { PatternMatches } from '../../core/statement/host/host-operation.ts';
import type { FolderEntry, PathResolver } from './path-resolver.ts';

type Host = Pick<PathResolver, 'list' | 'kindOf' | 'isThere'>;

/** Names of one command's patterns together. More is no list that people look through, and an approval holds no more. */
const MAX_NAMES = 256;
/** Names that are looked at for one command. */
const MAX_ENTRIES = 10_000;

/** The answers by the text of each pattern; one that cannot be told is left out. Never rejects. */
export async function matchPatterns(patterns: readonly PathPattern[], host: Host): Promise<ReadonlyMap<string, PatternMatches>> {
  const found = new Map<string, PatternMatches>();
  const left: Left = { entries: MAX_ENTRIES, names: MAX_NAMES };
  for (const pattern of patterns) {
    const matches = await matchPattern(pattern, host, left);
    if (matches !== undefined) found.set(pattern.text, matches);
  }
  return found;
}

type Left = { entries: number; names: number };

async function matchPattern({ parts, foldersOnly }: PathPattern, host: Host, left: Left): Promise<PatternMatches | undefined> {
  const listed: string[] = [];
  let paths: readonly string[] = [''];
  let certain = true;
  for (const [index, part] of parts.entries()) {
    const isLast = index === parts.length - 1;
    if (part.kind === 'name') {
      paths = paths.map((path) => `${path}/${part.name}`);
      // What was matched in part may lack the rest; without a pattern before it the name is taken as it is.
      if (!isLast || listed.length === 0) continue;
      const there = await Promise.all(paths.map((path) => (foldersOnly ? isFolder(path, host) : host.isThere(path))));
      if (there.includes(undefined)) certain = false;
      paths = paths.filter((_, each) => there[each] === true);
      continue;
    }
    const next: string[] = [];
    for (const path of paths) {
      const entries = await host.list(path || '/', left.entries);
      if (entries === undefined) return undefined;
      if (entries === 'closed') continue;
      listed.push(path || '/');
      left.entries -= entries.length;
      for (const entry of entries) {
        const match = matchName(part.items, entry.name);
        // A name that is no text could be another.
        if (match === 'unsure' || (match === 'yes' && entry.name.includes('\uFFFD'))) return undefined;
        if (match === 'no') continue;
        const counts = isLast && !foldersOnly ? true : await leadsToFolder(entry, `${path}/${entry.name}`, host);
        if (counts === undefined) return undefined;
        if (counts) next.push(`${path}/${entry.name}`);
        if (next.length > left.names) return undefined;
      }
    }
    paths = next;
  }
  left.names -= paths.length;
  if (!certain || left.names < 0) return undefined;
  const names = paths.map((path) => (foldersOnly ? `${path}/` : path)).sort();
  return { folders: listed, names };
}

async function leadsToFolder({ kind }: FolderEntry, path: string, host: Host): Promise<boolean | undefined> {
  return kind === 'link' ? isFolder(path, host) : kind === 'folder';
}

async function isFolder(path: string, host: Host): Promise<boolean | undefined> {
  const kind = await host.kindOf(path);
  return kind === 'unknown' ? undefined : kind === 'folder';
}
