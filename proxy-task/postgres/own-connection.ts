/** The gateway's own connection to a target: one statement at a time, all columns as text. For catalogs, never for clients' SQL. */
import { FrameSplitter, upstreamFrameLimits } from './frames.ts';
import { encodeTerminate } from './messages/bodiless.ts';
import { decodeDataRow } from './messages/data-row.ts';
import { decodeErrorFields, errorField } from './messages/error-response.ts';
import { encodeQuery } from './messages/query.ts';
import type { Upstream } from './upstream.ts';

type Rows = readonly (readonly (string | null)[])[];
type Pending = {
  readonly rows: (string | null)[][];
  error: Error | undefined;
  readonly resolve: (rows: Rows) => void;
  readonly reject: (error: Error) => void;
};

const DATA_ROW = 0x44;
const ERROR = 0x45;
const READY = 0x5a;

export class OwnConnection {
  readonly #upstream: Upstream;
  #pending: Pending | undefined;
  #closed = false;

  constructor(upstream: Upstream) {
    this.#upstream = upstream;
    const splitter = new FrameSplitter({
      limits: upstreamFrameLimits(),
      onFrame: (type, buffer, start, end) => this.#take(type, buffer, start, end),
    });
    upstream.socket.on('close', () => this.#lose(new Error('the target closed the connection')));
    upstream.read((buffer, start, end) => {
      try {
        splitter.push(buffer, start, end);
      } catch (cause) {
        this.#lose(cause instanceof Error ? cause : new Error('the target sent something malformed'));
        upstream.socket.destroy();
      }
    });
  }

  /** Rejects when the statement fails or the connection is lost. One at a time. */
  query(sql: string): Promise<Rows> {
    if (this.#closed) return Promise.reject(new Error('the connection is closed'));
    if (this.#pending !== undefined) return Promise.reject(new Error('one statement at a time'));
    return new Promise((resolve, reject) => {
      this.#pending = { rows: [], error: undefined, resolve, reject };
      this.#upstream.socket.write(encodeQuery(sql));
    });
  }

  close(): Promise<void> {
    this.#closed = true;
    if (!this.#upstream.socket.destroyed) this.#upstream.socket.end(encodeTerminate());
    return Promise.resolve();
  }

  #take(type: number, buffer: Buffer, start: number, end: number): void {
    const pending = this.#pending;
    if (pending === undefined) return;
    if (type === DATA_ROW) {
      pending.rows.push(decodeDataRow(buffer, start, end).map((cell) => cell?.toString('utf8') ?? null));
    } else if (type === ERROR) {
      const fields = decodeErrorFields(buffer, start, end);
      pending.error = new Error(`${errorField(fields, 'C') ?? ''} ${errorField(fields, 'M') ?? ''}`);
    } else if (type === READY) {
      this.#pending = undefined;
      if (pending.error === undefined) pending.resolve(pending.rows);
      else pending.reject(pending.error);
    }
  }

  #lose(error: Error): void {
    this.#closed = true;
    const pending = this.#pending;
    this.#pending = undefined;
    pending?.reject(error);
  }
}
