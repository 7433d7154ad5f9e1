/**
 * The task's log: one line of JSON an entry, on standard output, which ECS hands to CloudWatch. Callers give names, counts, ids and
 * reasons; never a token, a secret, a statement or a row.
 */
import { SallyportError } from '../core/errors.ts';

export type LogFields = Readonly<Record<string, string | number | boolean | object | undefined>>;

export type TaskLog = {
  /** Something that was expected happened. */
  event(name: string, fields?: LogFields): void;
  info(message: string): void;
  /** What went wrong, for an operator. */
  problem(error: unknown): void;
  /** Problems since the last call. */
  takeProblems(): number;
  /** One point of each metric for CloudWatch, in its embedded metric format (namespace `Sallyport`). */
  metrics(instance: string, values: readonly MetricValue[]): void;
};

export type MetricValue = { readonly name: string; readonly unit: 'Count' | 'Milliseconds'; readonly value: number };

/** A storm of problems must not become a storm of lines: so many a second, the rest is counted. */
const MAX_PROBLEMS_A_SECOND = 20;

export function taskLog(write: (line: string) => void, nowMs: () => number): TaskLog {
  const entry = (fields: LogFields): void => write(`${JSON.stringify(fields)}\n`);
  const at = (): string => new Date(nowMs()).toISOString();
  let problems = 0;
  let second = { startMs: 0, told: 0 };
  return {
    event: (event, fields = {}) => entry({ event, at: at(), ...fields }),
    info: (message) => entry({ level: 'info', at: at(), message }),
    problem: (error) => {
      problems += 1;
      if (nowMs() - second.startMs >= 1_000) second = { startMs: nowMs(), told: 0 };
      second.told += 1;
      if (second.told <= MAX_PROBLEMS_A_SECOND) entry({ level: 'error', at: at(), ...errorFields(error) });
    },
    takeProblems: () => {
      const since = problems;
      problems = 0;
      return since;
    },
    metrics: (instance, values) => {
      const directive = {
        Namespace: 'Sallyport',
        Dimensions: [['instance']],
        Metrics: values.map(({ name, unit }) => ({ Name: name, Unit: unit })),
      };
      const points = Object.fromEntries(values.map(({ name, value }) => [name, value]));
      entry({ instance, ...points, _aws: { Timestamp: nowMs(), CloudWatchMetrics: [directive] } });
    },
  };
}

/** The words of our own errors; of any other only its kind and where it comes from, since its words may repeat what it was given. */
export function errorFields(error: unknown): LogFields {
  if (!(error instanceof Error)) return { error: typeof error };
  const code = 'code' in error && typeof error.code === 'string' ? { code: error.code } : {};
  const cause = error.cause === undefined ? {} : { cause: errorFields(error.cause) };
  if (error instanceof SallyportError) return { error: error.name, ...code, message: error.message, ...cause };
  return { error: error.name, ...code, from: placesOf(error), ...cause };
}

function placesOf(error: Error): string {
  const lines = (error.stack ?? '').split('\n').filter((line) => /^\s+at /u.test(line));
  return lines
    .slice(0, 4)
    .map((line) => line.trim())
    .join(' ');
}
