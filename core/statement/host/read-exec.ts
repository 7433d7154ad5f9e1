/** From a command line to everything that it can cause (design §11). */
import type { Effect } from '../effect.ts';
import { collapse } from './command/folders.ts';
import { loadCommandParser, type CommandParser } from './command/parse-command.ts';
import { protocolOf } from './command/protocols.ts';
import { Reading, type Place, type Resolve } from './command/reading.ts';
import { runList } from './command/run-list.ts';
import type { HostPath, PatternMatches } from './host-operation.ts';
import type { ExecOperation, ExecReader, HostReading } from './host-reading.ts';

type Matched = ReadonlyMap<string, PatternMatches>;
const NONE: Matched = new Map();

/** Loads what reads commands of hosts whose shell is `posix`. What it gives is pure, and throws nothing. */
export async function loadExecReader(): Promise<ExecReader> {
  const parser = await loadCommandParser();
  return {
    read: (operation) => readExec(parser, operation),
    pathsOf: (command, home, matched) => [
      // What is not understood by its names may be by its folders.
      ...new Set([...gather(parser, command, home, collapse, matched).paths, ...gather(parser, command, home, collapse, NONE).paths]),
    ],
    patternsOf: (command, home) => [...gather(parser, command, home, collapse, NONE).patterns.values()],
    protocolOf: (command, home) => protocolOf(parser, command, home),
  };
}

function readExec(parser: CommandParser, { command, home, resolved, matched = NONE }: ExecOperation): HostReading {
  const resolve: Resolve = (path) => resolved.get(path);
  let reading = gather(parser, command, home, resolve, matched);
  if (reading.reason !== undefined && matched.size > 0) {
    const byFolders = gather(parser, command, home, resolve, NONE);
    if (byFolders.reason === undefined) reading = byFolders;
  }
  const { effects: found, reason, unbounded } = reading;
  const effects: Effect[] = [...found.values()];
  if (reason === undefined) return { effects, opaque: false, unbounded };
  effects.push({ action: 'unknown', resource: { type: 'Target', path: [] }, via: reason });
  return { effects, opaque: true, unbounded: true, reason };
}

function gather(parser: CommandParser, command: string, home: HostPath, resolve: Resolve, matched: Matched): Reading {
  const reading = new Reading(resolve, home, matched);
  const parsed = parser.parse(command);
  if (parsed.kind === 'opaque') {
    reading.opaque(parsed.reason);
    return reading;
  }
  // A host that does not say where the account begins leaves every relative path unknown.
  const known = home.startsWith('/');
  const place: Place = { folders: known ? [home] : [], home: known ? home : undefined, elevated: false, piped: false, redirected: false };
  runList(parsed.list, place, { reading, parser, depth: 0 });
  reading.settle();
  // A line of nothing but comments would have no effects, and no effects would be permitted.
  if (reading.effects.size === 0) reading.opaque('it runs nothing that is understood');
  return reading;
}
