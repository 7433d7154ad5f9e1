// A verb's process in memory: what it reads is given, what it writes is kept.
import { Readable } from 'node:stream';
import type { VerbIo } from '../../cli/verb.ts';

export type KeptIo = VerbIo & {
  /** What was written to stdout and stderr so far. */
  readonly written: { stdout: string; stderr: string };
  /** Acts as a SIGINT would. */
  requestStop(): void;
};

/** Streams without a terminal; `stdin` is the whole input. */
export function keptIo(options: { stdin?: string; env?: Readonly<Record<string, string>> } = {}): KeptIo {
  const written = { stdout: '', stderr: '' };
  let stop: (signal: string) => void = () => {};
  const stopped = new Promise<string>((resolve) => {
    stop = resolve;
  });
  return {
    env: options.env ?? {},
    stdin: Readable.from([Buffer.from(options.stdin ?? '')]),
    stdout: { write: (text) => (written.stdout += text) },
    stderr: { write: (text) => (written.stderr += text) },
    stopRequested: () => stopped,
    written,
    requestStop: () => stop('SIGINT'),
  };
}
