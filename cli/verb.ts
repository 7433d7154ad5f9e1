// What every verb of the command is: a file of its own that exports `verb`, loaded only when it is asked for.
import type { Readable } from 'node:stream';
import { parseArgs, type ParseArgsConfig } from 'node:util';
import { SallyportError } from '../core/errors.ts';

/** Exit status: 0 is fine, 1 means findings or a refusal, 2 wrong usage, 70 a bug of ours. */
export const EXIT = { fine: 0, findings: 1, usage: 2, bug: 70 } as const;

export type Output = { write(text: string): unknown; readonly isTTY?: boolean; readonly columns?: number };

/** Everything a verb may touch of the process, so that a test can hand it something else. */
export type VerbIo = {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: Readable & { readonly isTTY?: boolean };
  /** For what was asked for: tables, JSON lines. */
  readonly stdout: Output;
  /** For everything else: progress, notices, errors. */
  readonly stderr: Output;
  /** Resolves at the first SIGINT or SIGTERM; a second one ends the process. Until a verb calls it, signals end the process at once. */
  stopRequested(): Promise<string>;
};

export type Verb = {
  /** The text of `sallyport <verb> --help`; its first line begins with `Usage: sallyport <verb>`. */
  readonly usage: string;
  /** Runs with the arguments after the verb's name; its exit status. Throws UsageError for wrong usage, other SallyportErrors for refusals. */
  run(args: readonly string[], io: VerbIo): Promise<number>;
};

/** The command was written wrongly: exit status 2, with the way to its help. */
export class UsageError extends SallyportError {
  readonly code = 'usage';
}

/**
 * `parseArgs` of `node:util`, whose complaints become UsageErrors. Unknown flags are refused; `allowPositionals` and
 * `tokens` are as there.
 */
export function readArguments<const T extends ParseArgsConfig>(config: T): ReturnType<typeof parseArgs<T>> {
  try {
    return parseArgs(config);
  } catch (error) {
    if (!(error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS_'))) throw error;
    throw new UsageError(error.message, { cause: error });
  }
}

/** The word of `words` that was most likely meant by `typed`, or undefined when none is near. */
export function nearest(typed: string, words: readonly string[]): string | undefined {
  const near = words
    .map((word) => ({ word, distance: word.startsWith(typed) && typed.length > 1 ? 1 : editDistance(typed.toLowerCase(), word) }))
    .toSorted((a, b) => a.distance - b.distance)[0];
  return near !== undefined && near.distance <= Math.max(1, Math.floor(near.word.length / 3)) ? near.word : undefined;
}

// Swapped neighbours (`serev`) count as one edit: they are the usual slip.
function editDistance(a: string, b: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const same = a[row - 1] === b[column - 1];
      let cost = Math.min(at(previous, column) + 1, at(current, column - 1) + 1, at(previous, column - 1) + (same ? 0 : 1));
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        cost = Math.min(cost, at(beforePrevious, column - 2) + 1);
      }
      current.push(cost);
    }
    beforePrevious = previous;
    previous = current;
  }
  return at(previous, b.length);
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Number.POSITIVE_INFINITY;
}
