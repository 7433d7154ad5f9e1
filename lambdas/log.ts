/**
 * Structured logs of a deployed function: one line of JSON an entry. Callers give names, counts, ids and reasons; never a token,
 * a secret, a statement or a row.
 */
export type LogFields = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

export type Log = {
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A count or a duration for CloudWatch, in its embedded metric format (namespace `Sallyport`). */
  metric(name: string, value: number, unit?: 'Count' | 'Milliseconds' | 'Seconds', dimensions?: Readonly<Record<string, string>>): void;
};

/** Entries carry the function's purpose, such as `issue-credential`. */
export function logOf(purpose: string, write: (line: string) => void = toStdout, now: () => number = Date.now): Log {
  const entry = (level: string, message: string, fields: LogFields = {}): void =>
    write(JSON.stringify({ ...fields, level, purpose, message }));
  return {
    info: (message, fields) => entry('info', message, fields),
    warn: (message, fields) => entry('warn', message, fields),
    error: (message, fields) => entry('error', message, fields),
    metric: (name, value, unit = 'Count', dimensions = {}) => {
      const named: Readonly<Record<string, string>> = { ...dimensions, purpose };
      const directive = { Namespace: 'Sallyport', Dimensions: [Object.keys(named)], Metrics: [{ Name: name, Unit: unit }] };
      write(JSON.stringify({ ...named, [name]: value, _aws: { Timestamp: now(), CloudWatchMetrics: [directive] } }));
    },
  };
}

/** Code and message of an error of ours; of any other only its kind, since its words may repeat what it was given. */
export function errorFields(error: unknown): LogFields {
  if (!(error instanceof Error)) return { error: typeof error };
  const code = 'code' in error && typeof error.code === 'string' ? { code: error.code } : {};
  return { error: error.name, ...code, ...(isOurs(error) ? { reason: error.message } : {}) };
}

function isOurs(error: Error): boolean {
  return 'code' in error && typeof error.code === 'string' && /^[a-z]+(?:-[a-z]+)*$/u.test(error.code);
}

function toStdout(line: string): void {
  process.stdout.write(`${line}\n`);
}
