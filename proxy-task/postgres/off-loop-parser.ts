/** A small pool of threads that parse long texts, so that one long statement stalls nobody else's session. */
import { Worker } from 'node:worker_threads';
import type { Unjudgeable } from '../../core/statement/sql/reading.ts';
import type { Parsed } from '../../core/statement/sql/parse.ts';
import type { PostgresMajor } from '../../core/target.ts';
import type { Clock } from '../ports.ts';
import type { ParseAnswer, ParseJob } from './parse-worker.ts';

export type OffLoopParserOptions = {
  readonly clock: Pick<Clock, 'after'>;
  /** Threads at most; they start when first needed. */
  readonly threads?: number;
  /** A text that takes longer is refused, and its thread replaced. */
  readonly timeLimitMs?: number;
  /** JavaScript heap of one thread; a text that needs more is refused, and its thread replaced. */
  readonly heapMiB?: number;
  /** The thread's program; only tests name another. */
  readonly entry?: URL;
};

/** Two threads keep one long text from delaying all other long texts, and cost 40 MB at most. */
const DEFAULTS = { threads: 2, timeLimitMs: 5_000, heapMiB: 512 } as const;
/** The grammar's own memory never shrinks: after a text this long its thread is replaced. */
const RETIRE_TEXT_LENGTH = 1024 * 1024;

type Task = Omit<ParseJob, 'number'> & { readonly settle: (parsed: Parsed) => void };

export class OffLoopParser {
  readonly #options: Required<OffLoopParserOptions>;
  readonly #queue: Task[] = [];
  readonly #threads = new Set<ParserThread>();
  #closed = false;

  constructor(options: OffLoopParserOptions) {
    this.#options = { ...DEFAULTS, entry: entryOf(import.meta.url), ...options };
  }

  /** Parses with the grammar of this major version. Never rejects: time, memory and crashes are Unjudgeable. */
  parse(major: PostgresMajor, text: string): Promise<Parsed> {
    if (this.#closed) return Promise.resolve(unjudgeable('The parser is closed.'));
    return new Promise((settle) => {
      this.#queue.push({ major, text, settle });
      this.#pump();
    });
  }

  /** Ends all threads; what they were parsing is Unjudgeable. */
  close(): void {
    this.#closed = true;
    for (const { settle } of this.#queue.splice(0)) settle(unjudgeable('The parser is closed.'));
    for (const thread of this.#threads) thread.end('The parser is closed.');
  }

  #pump(): void {
    while (this.#queue.length > 0) {
      const thread = [...this.#threads].find((candidate) => candidate.isIdle) ?? this.#start();
      if (thread === undefined) return;
      const task = this.#queue.shift();
      if (task !== undefined) thread.run(task);
    }
  }

  #start(): ParserThread | undefined {
    if (this.#threads.size >= this.#options.threads) return undefined;
    const thread = new ParserThread(this.#options, {
      idle: () => this.#pump(),
      gone: () => {
        this.#threads.delete(thread);
        this.#pump();
      },
    });
    this.#threads.add(thread);
    return thread;
  }
}

type ThreadEvents = { idle(): void; gone(): void };

class ParserThread {
  readonly #worker: Worker;
  readonly #events: ThreadEvents;
  readonly #clock: Pick<Clock, 'after'>;
  readonly #timeLimitMs: number;
  #task: Task | undefined;
  #number = 0;
  #limit: { cancel(): void } | undefined;
  #gone = false;

  constructor(options: Required<OffLoopParserOptions>, events: ThreadEvents) {
    this.#events = events;
    this.#clock = options.clock;
    this.#timeLimitMs = options.timeLimitMs;
    // The thread sees no environment: credentials of a one-machine set-up are in it.
    this.#worker = new Worker(options.entry, {
      env: {},
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: options.heapMiB, stackSizeMb: 4 },
    });
    this.#worker.unref();
    this.#worker.on('message', (answer: ParseAnswer) => this.#answered(answer));
    this.#worker.on('messageerror', () => this.end('The parsed statement could not be read.'));
    this.#worker.on('error', (error: Error) => this.end(reasonOf(error)));
    this.#worker.on('exit', () => this.end('The parser ended.'));
  }

  get isIdle(): boolean {
    return !this.#gone && this.#task === undefined;
  }

  run(task: Task): void {
    this.#task = task;
    this.#number += 1;
    this.#worker.ref();
    this.#limit = this.#clock.after(this.#timeLimitMs, () => this.end(`The statement takes longer than ${this.#timeLimitMs} ms to parse.`));
    const job: ParseJob = { number: this.#number, major: task.major, text: task.text };
    this.#worker.postMessage(job, []);
  }

  /** Ends the thread; the text it was parsing is Unjudgeable for this reason. */
  end(reason: string): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#limit?.cancel();
    const task = this.#task;
    this.#task = undefined;
    void this.#worker.terminate();
    task?.settle(unjudgeable(reason));
    this.#events.gone();
  }

  #answered({ number, json }: ParseAnswer): void {
    const task = this.#task;
    if (this.#gone || task === undefined || number !== this.#number) return;
    this.#limit?.cancel();
    this.#task = undefined;
    this.#worker.unref();
    // The thread is our own code: the JSON is what loadParser's parser returned.
    const parsed = JSON.parse(json) as Parsed;
    task.settle(parsed);
    // An error without a position is not the grammar's: the grammar's memory may be damaged.
    const isDoubtful = parsed.kind === 'unjudgeable' && parsed.atByte === undefined;
    if (isDoubtful || task.text.length > RETIRE_TEXT_LENGTH) this.end('The parser is replaced.');
    else this.#events.idle();
  }
}

/** Run from sources the entry registers a loader first; a bundle carries `parse-worker.js` beside this file. */
function entryOf(here: string): URL {
  return new URL(here.endsWith('.ts') ? './parse-worker.mjs' : './parse-worker.js', here);
}

function reasonOf(error: Error): string {
  const code = 'code' in error ? error.code : undefined;
  return code === 'ERR_WORKER_OUT_OF_MEMORY' ? 'The statement takes more memory to parse than it may.' : 'The parser failed on this text.';
}

function unjudgeable(reason: string): Unjudgeable {
  return { kind: 'unjudgeable', reason };
}
