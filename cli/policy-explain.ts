/** `sallyport policy explain`: one statement a line in, one explanation out. */
import { jsonLine } from './json-line.ts';
import { createInterface } from 'node:readline';
import { visibleText } from '../core/approval/visible.ts';
import type { Explanation } from '../core/judging/explain-statement.ts';
import { EXIT, type VerbIo } from './verb.ts';

/** Of a command: who runs it, and where; what is not given is as usual. */
export type LineMore = { readonly account?: string; readonly home?: string };

type Line = { readonly id: unknown; readonly text: string; readonly more: LineMore } | { readonly id: unknown; readonly problem: string };

/** Explains every line of stdin, whose statement is in `field`. Exit status 1 when a line could not be read as a statement. */
export async function explainLines(
  field: 'sql' | 'command',
  explain: (text: string, more: LineMore) => Explanation,
  json: boolean,
  io: VerbIo,
): Promise<number> {
  let status: number = EXIT.fine;
  let number = 0;
  for await (const text of createInterface({ input: io.stdin, crlfDelay: Infinity })) {
    number += 1;
    if (text.trim() === '') continue;
    const line = readLine(text, number, field);
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
    const explanation = explain(line.text, line.more);
    io.stdout.write(json ? jsonLine({ id: line.id, ...explanation }) : readable(line.text, explanation));
  }
  return status;
}

/** A line that begins with `{` is JSON; any other is a statement as it stands. */
function readLine(text: string, number: number, field: 'sql' | 'command'): Line {
  // A shell's own `{` begins a group: a command that does is written as JSON.
  if (!text.trimStart().startsWith('{')) return { id: number, text, more: {} };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The line is answered as one that cannot be read.
    return { id: number, problem: 'the line is not JSON' };
  }
  const fields: Readonly<Record<string, unknown>> = typeof value === 'object' && value !== null ? { ...value } : {};
  const id = fields['id'] ?? number;
  const { [field]: statement, account, home } = fields;
  if (typeof statement !== 'string') return { id, problem: `the line has no "${field}"` };
  const isText = (value: unknown): value is string | undefined => value === undefined || typeof value === 'string';
  if (!isText(account) || !isText(home)) return { id, problem: '"account" and "home" are texts' };
  const more = field === 'sql' ? {} : { ...(account === undefined ? {} : { account }), ...(home === undefined ? {} : { home }) };
  return { id, text: statement, more };
}

function readable(sql: string, explanation: Explanation): string {
  const effects = explanation.effects.map(
    ({ action, resource, via }) => `  ${action} ${resource}${via === undefined ? '' : ` (via ${via})`}\n`,
  );
  const masked = explanation.masked.length === 0 ? '' : `  masked: ${explanation.masked.join(', ')}\n`;
  const code = explanation.code === undefined ? '' : ` ${explanation.code}`;
  return `${explanation.decision.toUpperCase()}${code}  ${visibleText(sql)}\n  ${explanation.reason}\n${effects.join('')}${masked}\n`;
}
