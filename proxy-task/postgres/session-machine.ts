/**
 * What the target still owes us, in order: one entry per message that went upstream. Every message of the target is held
 * against the head of the list, so that an answer is never taken for another's, a name is believed only when confirmed,
 * and after an error exactly those messages count as skipped that PostgreSQL skips (protocol-flow "Extended Query",
 * postgres.c `ignore_till_sync`). No sockets, no promises: the relay runs the reactions.
 */
import type { NameChange } from './prepared.ts';

export type TransactionStatus = 'I' | 'T' | 'E';

/** One execution of one statement, as far as this file needs to know it. */
export interface Run {
  /** Changes of names that the statement's own success brings about: PREPARE, DEALLOCATE, DECLARE, CLOSE. */
  readonly changes: readonly BookChange[];
  /** Its end may change the transaction status: transaction control, and code that cannot be read. */
  readonly movesTransaction: boolean;
}

/** A pending change and the book it belongs to, closed over so that this file needs no type of bodies. */
export interface BookChange {
  confirm(): void;
  drop(): void;
}

export function bookChange<Body>(
  book: { confirm(change: NameChange<Body>): void; drop(change: NameChange<Body>): void },
  change: NameChange<Body>,
): BookChange {
  return new PendingChange(book, change);
}

/** A class, since two closures for every message of a client cost more than all else that is done about it here. */
class PendingChange<Body> implements BookChange {
  readonly #book: { confirm(change: NameChange<Body>): void; drop(change: NameChange<Body>): void };
  readonly #change: NameChange<Body>;

  constructor(book: { confirm(change: NameChange<Body>): void; drop(change: NameChange<Body>): void }, change: NameChange<Body>) {
    this.#book = book;
    this.#change = change;
  }

  confirm(): void {
    this.#book.confirm(this.#change);
  }

  drop(): void {
    this.#book.drop(this.#change);
  }
}

export type Owed<R extends Run, Refusal, Subject> =
  | { readonly kind: 'parse'; readonly change: BookChange }
  | { readonly kind: 'bind'; readonly change: BookChange; readonly run: R }
  | { readonly kind: 'describe'; readonly own: boolean; readonly subject: Subject; readonly statement: boolean; parameters?: boolean }
  | { readonly kind: 'execute'; readonly run: R }
  | { readonly kind: 'close'; readonly change: BookChange }
  | { readonly kind: 'sync'; readonly own: boolean }
  | { readonly kind: 'query'; readonly runs: readonly R[]; at: number; failed: boolean; readonly change: BookChange }
  /** The Bind on a statement that does not exist, sent in place of a refused message; without a refusal the client has been told already. */
  | { readonly kind: 'refusedBind'; readonly refusal: Refusal | undefined }
  /** The query that cannot succeed, sent in place of a refused simple Query. */
  | { readonly kind: 'refusedQuery'; readonly refusal: Refusal | undefined; failed: boolean }
  /** Our own Parse, Bind, Execute and Close, by which the session's state is read, or on behalf of a run. */
  | { readonly kind: 'own'; readonly step: 'parse' | 'bind' | 'execute' | 'close'; readonly run?: R };

export type Reaction<R extends Run, Refusal, Subject> =
  | { readonly do: 'forward' }
  | { readonly do: 'swallow' }
  | { readonly do: 'ownRow' }
  | { readonly do: 'ownDone' }
  | { readonly do: 'described'; readonly own: boolean; readonly subject: Subject; readonly statement: boolean; readonly rows: boolean }
  | { readonly do: 'runDescribed'; readonly run: R }
  | { readonly do: 'rows'; readonly run: R }
  | { readonly do: 'completed'; readonly run: R | undefined; readonly how: 'done' | 'suspended' | 'empty' }
  | { readonly do: 'copyIn' | 'copyOut'; readonly run: R }
  | { readonly do: 'failed'; readonly run: R | undefined; readonly own: boolean }
  | { readonly do: 'refused'; readonly refusal: Refusal | undefined }
  | { readonly do: 'ready'; readonly own: boolean }
  | { readonly do: 'violation'; readonly what: string };

const FORWARD = { do: 'forward' } as const;
const SWALLOW = { do: 'swallow' } as const;
const OWN_ROW = { do: 'ownRow' } as const;
const OWN_DONE = { do: 'ownDone' } as const;

export class SessionMachine<R extends Run, Refusal, Subject> {
  /** As the last ReadyForQuery said; `T` once something has succeeded in a failed transaction, which only its end can. */
  status: TransactionStatus = 'I';
  /** Counts implicit transactions: a Sync or a simple Query ends one. */
  segment = 0;
  /** The server ignores everything up to the client's next Sync, and so do we. */
  skipping = false;
  /** Extended messages went upstream since the last Sync. */
  open = false;
  /** The statement that reads CopyData from the client now. */
  copyIn: R | undefined;

  /** Messages sent so far. */
  sentCount = 0;

  #owed: Owed<R, Refusal, Subject>[] = [];
  #head = 0;

  get drained(): boolean {
    return this.#head === this.#owed.length;
  }

  get outstanding(): number {
    return this.#owed.length - this.#head;
  }

  /** The first execution that the target has not finished: what a CancelRequest means. */
  get running(): R | undefined {
    for (let at = this.#head; at < this.#owed.length; at += 1) {
      const owed = this.#owed[at];
      if (owed?.kind === 'execute' || owed?.kind === 'bind') return owed.run;
      if (owed?.kind === 'query') return owed.runs[owed.at];
    }
    return undefined;
  }

  /** Whether the transaction status may be another when all that is owed has been answered. */
  get transactionPending(): boolean {
    for (let at = this.#head; at < this.#owed.length; at += 1) {
      const owed = this.#owed[at];
      if ((owed?.kind === 'execute' || owed?.kind === 'bind') && owed.run.movesTransaction) return true;
      if (owed?.kind === 'query' && owed.runs.some((run) => run.movesTransaction)) return true;
    }
    return false;
  }

  /** Executions that went upstream and whose end is not known. */
  unfinished(): R[] {
    const runs = new Set<R>();
    for (let at = this.#head; at < this.#owed.length; at += 1) {
      const owed = this.#owed[at];
      if (owed?.kind === 'execute' || owed?.kind === 'bind') runs.add(owed.run);
      if (owed?.kind === 'query' && !owed.failed) for (const run of owed.runs.slice(owed.at)) runs.add(run);
    }
    return [...runs];
  }

  /** A message went upstream. */
  sent(owed: Owed<R, Refusal, Subject>): void {
    this.sentCount += 1;
    this.#owed.push(owed);
    switch (owed.kind) {
      case 'sync':
      case 'query':
      case 'refusedQuery':
        this.segment += 1;
        this.open = false;
        return;
      case 'refusedBind':
        this.open = true;
        this.skipping = true;
        return;
      case 'parse':
      case 'bind':
      case 'describe':
      case 'execute':
      case 'close':
      case 'own':
        this.open = true;
    }
  }

  /** The client's Sync arrived: what it skipped is over. Call before `sent({kind: 'sync'})`. */
  synced(): void {
    this.skipping = false;
  }

  /** A message of the target, by its type byte; `status` is ReadyForQuery's. */
  receive(type: number, status?: TransactionStatus): Reaction<R, Refusal, Subject> {
    switch (type) {
      case 0x53: // ParameterStatus
      case 0x4e: // NoticeResponse
      case 0x41: // NotificationResponse
        return FORWARD;
      case 0x45:
        return this.#failed();
      case 0x5a:
        return this.#ready(status);
      default:
    }
    const owed = this.#owed[this.#head];
    if (owed === undefined) return violation(type, 'nothing');
    switch (owed.kind) {
      case 'parse':
      case 'bind':
      case 'close':
        if (type !== CONFIRMATION[owed.kind]) return violation(type, owed.kind);
        owed.change.confirm();
        this.#pop();
        return FORWARD;
      case 'describe':
        return this.#described(owed, type);
      case 'execute':
        return this.#executing(owed.run, type, true);
      case 'query': {
        const run = owed.runs[owed.at];
        if (run === undefined) return type === 0x49 ? { do: 'completed', run: undefined, how: 'empty' } : violation(type, 'ReadyForQuery');
        if (owed.failed) return violation(type, 'ReadyForQuery');
        const reaction = this.#executing(run, type, false);
        if (reaction.do === 'completed') owed.at += 1;
        return reaction;
      }
      case 'own':
        if (owed.step === 'execute') {
          if (type === 0x44) return OWN_ROW;
          if (type !== 0x43) return violation(type, 'own');
        } else if (type !== CONFIRMATION[owed.step]) return violation(type, 'own');
        this.#pop();
        return owed.step === 'execute' ? OWN_DONE : SWALLOW;
      case 'sync':
      case 'refusedBind':
      case 'refusedQuery':
        return violation(type, owed.kind);
    }
  }

  #executing(run: R, type: number, extended: boolean): Reaction<R, Refusal, Subject> {
    switch (type) {
      case 0x44: // DataRow
      case 0x64: // CopyData
      case 0x63: // CopyDone
        return { do: 'rows', run };
      case 0x54: // RowDescription
        return extended ? violation(type, 'execute') : { do: 'runDescribed', run };
      case 0x47: // CopyInResponse
        this.copyIn = run;
        return { do: 'copyIn', run };
      case 0x48: // CopyOutResponse
        return { do: 'copyOut', run };
      case 0x43: // CommandComplete
        this.copyIn = undefined;
        // Before the next ReadyForQuery, what follows in the pipeline runs in no failed transaction any longer.
        if (this.status === 'E') this.status = 'T';
        for (const change of run.changes) change.confirm();
        if (extended) this.#pop();
        return { do: 'completed', run, how: 'done' };
      case 0x73: // PortalSuspended
        if (!extended) return violation(type, 'query');
        this.#pop();
        return { do: 'completed', run, how: 'suspended' };
      case 0x49: // EmptyQueryResponse
        if (extended) this.#pop();
        return { do: 'completed', run, how: 'empty' };
      default:
        return violation(type, extended ? 'execute' : 'query');
    }
  }

  #described(owed: Owed<R, Refusal, Subject> & { kind: 'describe' }, type: number): Reaction<R, Refusal, Subject> {
    if (type === 0x74 && owed.statement && owed.parameters !== true) {
      owed.parameters = true;
      return owed.own ? SWALLOW : FORWARD;
    }
    if ((type !== 0x54 && type !== 0x6e) || (owed.statement && owed.parameters !== true)) return violation(type, 'describe');
    this.#pop();
    return { do: 'described', own: owed.own, subject: owed.subject, statement: owed.statement, rows: type === 0x54 };
  }

  /** An ErrorResponse: the head failed, and with it all that the server skips. */
  #failed(): Reaction<R, Refusal, Subject> {
    this.copyIn = undefined;
    const owed = this.#owed[this.#head];
    if (owed === undefined || owed.kind === 'sync') {
      // At Sync a deferred constraint can fail; without anything owed the server says why it closes the connection.
      return { do: 'failed', run: undefined, own: owed?.kind === 'sync' && owed.own };
    }
    if (owed.kind === 'query') {
      const run = owed.runs[owed.at];
      owed.failed = true;
      for (const left of owed.runs.slice(owed.at)) dropAll(left.changes);
      return { do: 'failed', run, own: false };
    }
    if (owed.kind === 'refusedQuery') {
      owed.failed = true;
      return { do: 'refused', refusal: owed.refusal };
    }
    this.#skipToSync();
    if (owed.kind === 'refusedBind') return { do: 'refused', refusal: owed.refusal };
    if (owed.kind === 'own') return { do: 'failed', run: owed.run, own: owed.run === undefined };
    return {
      do: 'failed',
      run: owed.kind === 'execute' || owed.kind === 'bind' ? owed.run : undefined,
      own: owed.kind === 'describe' && owed.own,
    };
  }

  #skipToSync(): void {
    while (this.#head < this.#owed.length) {
      const owed = this.#owed[this.#head];
      if (owed === undefined || owed.kind === 'sync') return;
      // The server also ignores a simple Query up to the next Sync (postgres.c), refused ones included.
      switch (owed.kind) {
        case 'parse':
        case 'close':
          owed.change.drop();
          break;
        case 'bind':
          owed.change.drop();
          dropAll(owed.run.changes);
          break;
        case 'execute':
          dropAll(owed.run.changes);
          break;
        case 'query':
          owed.change.drop();
          for (const run of owed.runs) dropAll(run.changes);
          break;
        case 'describe':
        case 'refusedBind':
        case 'refusedQuery':
        case 'own':
      }
      this.#pop();
    }
    // No Sync on its way yet: whatever the client sends before it is ignored.
    this.skipping = true;
  }

  #ready(status: TransactionStatus | undefined): Reaction<R, Refusal, Subject> {
    const owed = this.#owed[this.#head];
    if (status === undefined) return { do: 'violation', what: 'ReadyForQuery without a status' };
    if (owed === undefined) return violation(0x5a, 'nothing');
    switch (owed.kind) {
      case 'query':
        if (!owed.failed && owed.at < owed.runs.length) return violation(0x5a, 'query');
        owed.change.confirm();
        break;
      case 'refusedQuery':
        if (!owed.failed) return violation(0x5a, 'refusedQuery');
        break;
      case 'sync':
        break;
      case 'parse':
      case 'bind':
      case 'describe':
      case 'execute':
      case 'close':
      case 'own':
      case 'refusedBind':
        return violation(0x5a, owed.kind);
    }
    this.#pop();
    this.status = status;
    return { do: 'ready', own: owed.kind === 'sync' && owed.own };
  }

  #pop(): void {
    this.#head += 1;
    if (this.#head === this.#owed.length) {
      this.#owed.length = 0;
      this.#head = 0;
    } else if (this.#head > 1024) {
      this.#owed = this.#owed.slice(this.#head);
      this.#head = 0;
    }
  }
}

const CONFIRMATION = { parse: 0x31, bind: 0x32, close: 0x33 } as const;

function dropAll(changes: readonly BookChange[]): void {
  for (const change of changes) change.drop();
}

function violation(type: number, awaited: string): { readonly do: 'violation'; readonly what: string } {
  return { do: 'violation', what: `the target sent '${String.fromCharCode(type)}' where ${awaited} was due` };
}
