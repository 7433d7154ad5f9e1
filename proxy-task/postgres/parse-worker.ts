/**
 * Parses long texts on a thread of its own (design §5): a statement of 100 KB takes 10 ms and more, in which no other
 * session would move. Answers leave as JSON, which costs the receiving thread half of what a structured clone does.
 */
import { parentPort } from 'node:worker_threads';
import { loadParser, type Parsed, type SqlParser } from '../../core/statement/sql/parse.ts';
import type { PostgresMajor } from '../../core/target.ts';

/** One text to parse; `number` comes back with the answer. */
export type ParseJob = { readonly number: number; readonly major: PostgresMajor; readonly text: string };
export type ParseAnswer = { readonly number: number; readonly json: string };

const parsers = new Map<PostgresMajor, SqlParser>();

async function answer({ number, major, text }: ParseJob): Promise<ParseAnswer> {
  const parser = parsers.get(major) ?? (await loadParser(major));
  parsers.set(major, parser);
  const parsed = parser.parse(text);
  try {
    return { number, json: JSON.stringify(parsed) };
  } catch {
    // A tree too deep to be written down is too deep to be judged.
    const refusal: Parsed = { kind: 'unjudgeable', reason: 'The statement is nested too deeply to be judged.' };
    return { number, json: JSON.stringify(refusal) };
  }
}

const port = parentPort;
if (port === null) throw new Error('parse-worker runs as a worker thread only');
// An error here ends the thread: the pool answers for it and starts another.
port.on('message', (job: ParseJob) => void answer(job).then((message) => port.postMessage(message)));
