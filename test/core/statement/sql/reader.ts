/** Reads texts against the hand-made bank, and says what came out in short words. */
import type { Catalog } from '../../../../core/statement/sql/catalog.ts';
import { loadParser } from '../../../../core/statement/sql/parse.ts';
import { readSql } from '../../../../core/statement/sql/read-sql.ts';
import type { SqlReading, StatementReading, Unjudgeable } from '../../../../core/statement/sql/reading.ts';
import type { SessionState } from '../../../../core/statement/sql/session-state.ts';
import { catalog, isSafe, sensitive, state } from './hand-catalog.ts';

export const parsers = {
  15: await loadParser(15),
  16: await loadParser(16),
  17: await loadParser(17),
  18: await loadParser(18),
} as const;

type Options = {
  readonly major?: 15 | 16 | 17 | 18;
  readonly catalog?: Catalog;
  readonly state?: SessionState;
  readonly sensitive?: typeof sensitive;
};

export function read(text: string, options: Options = {}): SqlReading | Unjudgeable {
  const parser = parsers[options.major ?? 17];
  return readSql({
    text,
    parsed: parser.parse(text),
    parser,
    catalog: options.catalog ?? catalog,
    state: options.state ?? state,
    sensitive: options.sensitive ?? sensitive,
    isSafe,
    fullExportRows: 100_000,
  });
}

/** The only statement of a text that must be readable. */
export function readOne(text: string, options: Options = {}): StatementReading {
  const reading = read(text, options);
  if (reading.kind !== 'read') throw new Error(`${text}: ${reading.reason}`);
  const [statement] = reading.statements;
  if (statement === undefined || reading.statements.length !== 1) throw new Error(`${text}: ${reading.statements.length} statements`);
  return statement;
}

/** `delete public.orders`, `execute public.purge`, `unknown`: without duplicates, sorted. */
export function effectsOf(statement: StatementReading): readonly string[] {
  return statement.effects.map((effect) => [effect.action, effect.resource.path.join('.')].join(' ').trim()).toSorted();
}

/** `ssn: operand of =`, with `(lookup)` where policy may permit it. */
export function usesOf(statement: StatementReading): readonly string[] {
  return statement.uses.map((use) => `${use.columnName.split('.').at(-1) ?? ''}: ${use.use}${use.lookup ? ' (lookup)' : ''}`);
}

/** `ssn=1001.3`: output columns with what they carry. */
export function outputOf(statement: StatementReading): readonly string[] | undefined {
  return statement.output?.map((column) => (column.sensitive.length === 0 ? column.name : `${column.name}=${column.sensitive.join('+')}`));
}
