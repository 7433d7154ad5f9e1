/** From a parsed text to what it can cause: the entry of the analyzer (design §5, §7). */
import type { Environment } from './context.ts';
import { TooDeep } from './context.ts';
import type { Parsed, ParsedStatement } from './parse.ts';
import type { SqlReading, StatementReading, Unjudgeable } from './reading.ts';
import { readWithNames } from './statement.ts';

export type ReadInput = Environment & {
  /** The same text, parsed by the same parser: on this thread or another. */
  readonly parsed: Parsed;
};

/**
 * Reads a text against a catalog and a session's state. Pure, and never throws for anything a client can send: what is
 * not understood is an `unknown` effect or Unjudgeable.
 */
export function readSql(input: ReadInput): SqlReading | Unjudgeable {
  if (input.parsed.kind === 'unjudgeable') return input.parsed;
  const statements: StatementReading[] = [];
  let changedBy: StatementReading | undefined;
  let renamedBy: StatementReading | undefined;
  for (const parsed of input.parsed.statements) {
    const read = readOne(input, parsed);
    if ('kind' in read) return read;
    const { reading, changesNames } = read;
    if (changedBy !== undefined && reading.control.transaction === undefined) {
      return {
        kind: 'unjudgeable',
        reason: `The ${changedBy.kind} before it changes what this statement's names mean: send it alone.`,
        atByte: reading.startByte,
      };
    }
    if (renamedBy !== undefined && runsByName(reading)) {
      return {
        kind: 'unjudgeable',
        reason: `The ${renamedBy.kind} before it changes what this ${reading.kind} runs: send it alone.`,
        atByte: reading.startByte,
      };
    }
    if (changesNames) changedBy ??= reading;
    if (renames(reading)) renamedBy ??= reading;
    statements.push(reading);
  }
  return { kind: 'read', statements };
}

/** Prepared statements and cursors made, replaced or closed: known by name only once the server has confirmed it. */
function renames({ control }: StatementReading): boolean {
  return (
    control.prepare !== undefined ||
    control.deallocate !== undefined ||
    control.declareCursor !== undefined ||
    control.closeCursor !== undefined
  );
}

/** Its rows are those of another statement, looked up by name. */
function runsByName({ control, rowsFrom, kind }: StatementReading): boolean {
  return control.execute !== undefined || rowsFrom !== undefined || kind === 'move';
}

function readOne(input: ReadInput, parsed: ParsedStatement): ReturnType<typeof readWithNames> | Unjudgeable {
  try {
    return readWithNames(input, parsed);
  } catch (error) {
    // Both mean that the statement nests too deeply; nothing of it was forwarded or kept.
    if (error instanceof TooDeep || error instanceof RangeError) {
      return { kind: 'unjudgeable', reason: 'The statement is nested too deeply to be judged.', atByte: parsed.startByte };
    }
    throw error;
  }
}
