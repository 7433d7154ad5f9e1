// One simple Query on a `pg` connection, with what `pg` itself drops: results before an error, whole command tags, COPY OUT.
import type { Client, Connection, Submittable } from 'pg';
import type { ResultColumn } from './sql-table.ts';

/** What a target or the gateway says about a failure or in a notice, in the fields of the protocol. */
export type Complaint = {
  readonly severity: string;
  readonly code: string;
  readonly message: string;
  readonly detail: string | undefined;
  readonly hint: string | undefined;
  readonly position: string | undefined;
};

export type RunEvents = {
  columns(columns: readonly ResultColumn[]): void;
  row(values: readonly (string | null)[]): void;
  /** A statement is done: its command tag, `SELECT 2`; absent for an empty statement. */
  done(tag: string | undefined): void;
  copied(chunk: Buffer): void;
};

/** Sends the text as one simple Query. Resolves with the complaint that ended it, or undefined; rejects when the connection is gone. */
export function runStatement(client: Client, text: string, events: RunEvents): Promise<Complaint | undefined> {
  return new Promise((resolve, reject) => {
    client.query(new SimpleQuery(text, events, resolve, reject));
  });
}

/** The fields of an ErrorResponse or NoticeResponse, or undefined for anything else that `pg` throws. */
export function complaint(from: unknown): Complaint | undefined {
  if (typeof from !== 'object' || from === null || !('severity' in from) || !('code' in from) || !('message' in from)) return undefined;
  const { severity, code, message } = from;
  if (typeof severity !== 'string' || typeof code !== 'string' || typeof message !== 'string') return undefined;
  const text = (field: string): string | undefined => {
    const value: unknown = Object.getOwnPropertyDescriptor(from, field)?.value;
    return typeof value === 'string' && value !== '' ? value : undefined;
  };
  return { severity, code, message, detail: text('detail'), hint: text('hint'), position: text('position') };
}

// The handlers are the ones that pg's Client calls on the query in hand (its README names pg-cursor as the model).
class SimpleQuery implements Submittable {
  readonly #text: string;
  readonly #events: RunEvents;
  readonly #resolve: (failure: Complaint | undefined) => void;
  readonly #reject: (error: unknown) => void;
  /** `pg` sets one of its own where there is none. */
  callback = (): void => {};

  constructor(text: string, events: RunEvents, resolve: (failure: Complaint | undefined) => void, reject: (error: unknown) => void) {
    this.#text = text;
    this.#events = events;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  submit(connection: Connection): void {
    connection.query(this.#text);
  }

  handleRowDescription(message: { readonly fields: readonly { readonly name: string; readonly dataTypeID: number }[] }): void {
    this.#events.columns(message.fields.map((field) => ({ name: field.name, typeOid: field.dataTypeID })));
  }

  handleDataRow(message: { readonly fields: readonly (string | null)[] }): void {
    this.#events.row(message.fields);
  }

  handleCommandComplete(message: { readonly text: string }): void {
    this.#events.done(message.text);
  }

  handleEmptyQuery(): void {
    this.#events.done(undefined);
  }

  handleCopyInResponse(connection: Connection & { sendCopyFail(reason: string): void }): void {
    connection.sendCopyFail('sallyport sql sends no COPY data: use psql');
  }

  handleCopyData(message: { readonly chunk: Buffer }): void {
    this.#events.copied(message.chunk);
  }

  handleError(error: unknown): void {
    const failure = complaint(error);
    if (failure === undefined) this.#reject(error);
    else this.#resolve(failure);
  }

  handleReadyForQuery(): void {
    this.#resolve(undefined);
  }
}
