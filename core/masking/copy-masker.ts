import type { ByteSink } from './byte-sink.ts';

/** COPY TO STDOUT of one format on its way to the client. */
export interface CopyMasker {
  /** Rows released so far; header lines do not count. */
  readonly rows: number;
  /**
   * Masks `source[start, end)`, a whole number of complete CopyData messages, appending messages to `sink`; returns how
   * many pattern matches were replaced. A row that is not complete yet is held back. Throws MalformedRow.
   */
  maskMessages(source: Buffer, start: number, end: number, sink: ByteSink): number;
  /** At CopyDone. Throws MalformedRow when a row, or the binary trailer, is missing. Returns matches replaced: none. */
  finish(sink: ByteSink): number;
}
