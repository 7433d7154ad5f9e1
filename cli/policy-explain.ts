/** `sallyport policy explain`: one statement a line in, one explanation out. */
import { jsonLine } from './json-line.ts';
import { createInterface } from 'node:readline';
import { visibleText } from '../core/approval/visible.ts';
import type { Explanation } from '../core/judging/explain-statement.ts';
import { EXIT, type VerbIo } from './verb.ts';

type Line = { readonly id: unknown; readonly sql: string } | { readonly id: unknown; readonly problem: string };

/** Explains every line of stdin. Exit status 1 when a line could not be read as a statement. */
export async function explainLines(explain: (sql: string) => Explanation, json: boolean, io: VerbIo): Promise<number> {
  let status: number = EXIT.fine;
  let number = 0;
  for await (const text of createInterface({ input: io.stdin, crlfDelay: Infinity })) {
    number += 1;
    if (text.trim() === '') continue;
    const line = readLine(text, number);
    if ('problem' in line) {
      status = EXIT.findings;
      const refused = {
        id: line.id,
        decision: 'block',
        effects: [],
        facts: {},
        masked: [],
        policies: [],
        reason: line.problem,
        error: true,
      };
      io.stdout.write(json ? jsonLine(refused) : `line ${number}: ${line.problem}\n`);
      continue;
    }
    const explanation = explain(line.sql);
    io.stdout.write(json ? jsonLine({ id: line.id, ...explanation }) : readable(line.sql, explanation));
  }
  return status;
}

/** A line that begins with `{` is JSON; any other is a statement as it stands. */
function readLine(text: string, number: number): Line {
  if (!text.trimStart().startsWith('{')) return { id: number, sql: text };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The line is answered as one that cannot be read.
    return { id: number, problem: 'the line is not JSON' };
  }
  const fields: Readonly<Record<string, unknown>> = typeof value === 'object' && value !== null ? { ...value } : {};
  const id = fields['id'] ?? number;
  const { sql } = fields;
  return typeof sql === 'string' ? { id, sql } : { id, problem: 'the line has no "sql"' };
}

function readable(sql: string, explanation: Explanation): string {
  const effects = explanation.effects.map(
    ({ action, resource, via }) => `  ${action} ${resource}${via === undefined ? '' : ` (via ${via})`}\n`,
  );
  const masked = explanation.masked.length === 0 ? '' : `  masked: ${explanation.masked.join(', ')}\n`;
  const code = explanation.code === undefined ? '' : ` ${explanation.code}`;
  return `${explanation.decision.toUpperCase()}${code}  ${visibleText(sql)}\n  ${explanation.reason}\n${effects.join('')}${masked}\n`;
}
