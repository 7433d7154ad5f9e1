/** Sign-ins under way, and people who have signed in to answer one approval. */
import { createHash } from 'node:crypto';
import type { SignedIn, SignInFlow, SignInStore } from '../../console/ports.ts';
import { textColumn, type StateDatabase } from './state-database.ts';

/** Sign-ins that may be under way at once; a flood of them pushes out the oldest instead of filling the disk. */
const MAX_ROWS = 10_000;

type Table = 'console_flow' | 'console_session';

/** Keeps them in `state.db`, so that a restart does not lose a sign-in at the issuer. */
export class SqliteSignInStore implements SignInStore {
  readonly #db: StateDatabase;
  readonly #clock: { now(): number };

  constructor(db: StateDatabase, clock: { now(): number }) {
    this.#db = db;
    this.#clock = clock;
  }

  async putFlow(state: string, flow: SignInFlow, expiresAtMs: number): Promise<void> {
    this.#put('console_flow', state, flow, expiresAtMs);
  }

  async takeFlow(state: string): Promise<SignInFlow | undefined> {
    const body = this.#db
      .transaction(() => {
        const found = this.#body('console_flow', state);
        this.#drop('console_flow', state);
        return found;
      })
      .immediate();
    // Written by `putFlow` from the same type.
    return body === undefined ? undefined : (JSON.parse(body) as SignInFlow);
  }

  async putSession(id: string, session: SignedIn, expiresAtMs: number): Promise<void> {
    this.#put('console_session', id, session, expiresAtMs);
  }

  async readSession(id: string): Promise<SignedIn | undefined> {
    const body = this.#body('console_session', id);
    // Written by `putSession` from the same type.
    return body === undefined ? undefined : (JSON.parse(body) as SignedIn);
  }

  async dropSession(id: string): Promise<void> {
    this.#drop('console_session', id);
  }

  #put(table: Table, id: string, value: SignInFlow | SignedIn, expiresAtMs: number): void {
    this.#db
      .transaction(() => {
        this.#db.prepare(`DELETE FROM ${table} WHERE expires_at <= ?`).run(this.#clock.now());
        this.#db
          .prepare(`DELETE FROM ${table} WHERE id IN (SELECT id FROM ${table} ORDER BY expires_at DESC LIMIT -1 OFFSET ?)`)
          .run(MAX_ROWS);
        this.#db.prepare(`INSERT INTO ${table} (id, expires_at, body) VALUES (?, ?, ?)`).run(keyOf(id), expiresAtMs, JSON.stringify(value));
      })
      .immediate();
  }

  #body(table: Table, id: string): string | undefined {
    const row: unknown = this.#db.prepare(`SELECT body FROM ${table} WHERE id = ? AND expires_at > ?`).get(keyOf(id), this.#clock.now());
    return row === undefined ? undefined : textColumn(row, 'body');
  }

  #drop(table: Table, id: string): void {
    this.#db.prepare(`DELETE FROM ${table} WHERE id = ?`).run(keyOf(id));
  }
}

function keyOf(id: string): string {
  return createHash('sha256').update(id).digest('base64url');
}
