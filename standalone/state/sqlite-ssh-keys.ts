/** Registered keys and one-time codes in `state.db`: written by the API, read at logins by SSH. */
import type { SshLoginStore } from '../../console/ports.ts';
import type { StoredLogin } from '../../core/ssh/login.ts';
import type { SshLogins } from '../../proxy-task/ports.ts';
import { numberColumn, textColumn, type StateDatabase } from './state-database.ts';

/** Logins in all; a flood of them pushes out the oldest instead of filling the disk. */
const MAX_ROWS = 10_000;
/** Logins of one principal: it pushes out its own oldest, and nobody else's. */
const MAX_OF_ONE = 64;

export class SqliteSshLogins implements SshLogins, SshLoginStore {
  readonly #db: StateDatabase;
  readonly #clock: { now(): number };

  constructor(db: StateDatabase, clock: { now(): number }) {
    this.#db = db;
    this.#clock = clock;
  }

  async keep(id: string, { principal, expiresAtMs, sealed }: StoredLogin): Promise<boolean> {
    return this.#db
      .transaction(() => {
        this.#db.prepare('DELETE FROM ssh_login WHERE expires_at <= ?').run(this.#clock.now());
        const held = this.#find(id);
        if (held !== undefined && held.principal !== principal) return false;
        this.#drop(id);
        this.#db
          .prepare(
            'DELETE FROM ssh_login WHERE id IN (SELECT id FROM ssh_login WHERE principal = ? ORDER BY expires_at DESC LIMIT -1 OFFSET ?)',
          )
          .run(principal, MAX_OF_ONE - 1);
        this.#db
          .prepare('DELETE FROM ssh_login WHERE id IN (SELECT id FROM ssh_login ORDER BY expires_at DESC LIMIT -1 OFFSET ?)')
          .run(MAX_ROWS - 1);
        this.#db
          .prepare('INSERT INTO ssh_login (id, principal, expires_at, sealed) VALUES (?, ?, ?, ?)')
          .run(id, principal, expiresAtMs, sealed);
        return true;
      })
      .immediate();
  }

  async readKey(id: string): Promise<StoredLogin | undefined> {
    return this.#find(id);
  }

  async takeCode(id: string): Promise<StoredLogin | undefined> {
    // A stranger's guess must not take the lock for writing.
    if (this.#find(id) === undefined) return undefined;
    return this.#db
      .transaction(() => {
        const found = this.#find(id);
        this.#drop(id);
        return found;
      })
      .immediate();
  }

  #find(id: string): StoredLogin | undefined {
    const row: unknown = this.#db
      .prepare('SELECT principal, expires_at, sealed FROM ssh_login WHERE id = ? AND expires_at > ?')
      .get(id, this.#clock.now());
    if (row === undefined) return undefined;
    return { principal: textColumn(row, 'principal'), expiresAtMs: numberColumn(row, 'expires_at'), sealed: textColumn(row, 'sealed') };
  }

  #drop(id: string): void {
    this.#db.prepare('DELETE FROM ssh_login WHERE id = ?').run(id);
  }
}
