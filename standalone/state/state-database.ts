/** `state.db`: what must outlive the process. Tables are separate by who writes them: requests and claims by the data path, votes by people, controls by operators. */
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'libsql';
import { SallyportError } from '../../core/errors.ts';

export type StateDatabase = Database.Database;

/** The state on disk was written by a newer version, or cannot be used. */
export class StateUnusable extends SallyportError {
  readonly code = 'state-unusable';
}

/** Each entry takes the schema one version further and is never edited once released. */
const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE approval_request (
    id TEXT PRIMARY KEY NOT NULL, digest TEXT NOT NULL, principal TEXT NOT NULL, requested_at INTEGER NOT NULL, body TEXT NOT NULL
  ) STRICT;
  CREATE INDEX approval_request_digest ON approval_request (digest);
  CREATE TABLE approval_vote (
    approval TEXT NOT NULL REFERENCES approval_request (id), seq INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (approval, seq)
  ) STRICT;
  CREATE TABLE approval_state (
    approval TEXT PRIMARY KEY NOT NULL REFERENCES approval_request (id), version INTEGER NOT NULL, state TEXT NOT NULL,
    deadline INTEGER, decided_at INTEGER, withdrawal TEXT, claim TEXT
  ) STRICT;
  CREATE INDEX approval_state_deadline ON approval_state (deadline) WHERE deadline IS NOT NULL;
  CREATE TRIGGER approval_request_is_final BEFORE UPDATE ON approval_request BEGIN SELECT RAISE(ABORT, 'a request is never changed'); END;
  CREATE TRIGGER approval_request_is_kept BEFORE DELETE ON approval_request BEGIN SELECT RAISE(ABORT, 'a request is never deleted'); END;
  CREATE TRIGGER approval_vote_is_final BEFORE UPDATE ON approval_vote BEGIN SELECT RAISE(ABORT, 'a vote is never changed'); END;
  CREATE TRIGGER approval_vote_is_kept BEFORE DELETE ON approval_vote BEGIN SELECT RAISE(ABORT, 'a vote is never deleted'); END;
  CREATE TABLE control_lock (subject TEXT PRIMARY KEY NOT NULL, locked_by TEXT NOT NULL, reason TEXT NOT NULL, locked_at INTEGER NOT NULL) STRICT;
  CREATE TABLE control_budget (
    principal TEXT NOT NULL, target TEXT NOT NULL, measure TEXT NOT NULL, per TEXT NOT NULL, window_start INTEGER NOT NULL, used INTEGER NOT NULL,
    PRIMARY KEY (principal, target, measure, per)
  ) STRICT;
  CREATE TABLE console_flow (id TEXT PRIMARY KEY NOT NULL, expires_at INTEGER NOT NULL, body TEXT NOT NULL) STRICT;
  CREATE TABLE console_session (id TEXT PRIMARY KEY NOT NULL, expires_at INTEGER NOT NULL, body TEXT NOT NULL) STRICT;
  `,
  `
  CREATE TABLE ssh_login (id TEXT PRIMARY KEY NOT NULL, principal TEXT NOT NULL, expires_at INTEGER NOT NULL, sealed TEXT NOT NULL) STRICT;
  CREATE INDEX ssh_login_principal ON ssh_login (principal, expires_at);
  `,
];

/** Opens `state.db` in the data directory, and brings its schema up to date. Throws StateUnusable. */
export function openState(dataDir: string): StateDatabase {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const path = join(dataDir, 'state.db');
  const db = new Database(path, { timeout: 5_000 });
  // Statements and sign-ins: for this account only. SQLite gives its log files the mode of the database.
  chmodSync(path, 0o600);
  db.exec('PRAGMA journal_mode = WAL');
  // A decision or claim that was acknowledged must survive the death of the machine.
  db.exec('PRAGMA synchronous = FULL');
  db.exec('PRAGMA foreign_keys = ON');
  const version = numberColumn(db.prepare('PRAGMA user_version').get(), 'user_version');
  if (version > MIGRATIONS.length) {
    db.close();
    throw new StateUnusable(`${dataDir} was written by a newer version of Sallyport: run that version, or give this one its own directory`);
  }
  for (const [index, migration] of MIGRATIONS.entries()) {
    if (index < version) continue;
    db.transaction(() => {
      db.exec(migration);
      db.exec(`PRAGMA user_version = ${index + 1}`);
    }).immediate();
  }
  return db;
}

/** A number in a row; a row that lacks it is a bug or damage, and never silently zero. */
export function numberColumn(row: unknown, column: string): number {
  const value = columnOf(row, column);
  if (typeof value !== 'number') throw new StateUnusable(`state.db: ${column} is not a number`);
  return value;
}

export function textColumn(row: unknown, column: string): string {
  const value = columnOf(row, column);
  if (typeof value !== 'string') throw new StateUnusable(`state.db: ${column} is not a text`);
  return value;
}

/** NULL becomes undefined. */
export function optionalTextColumn(row: unknown, column: string): string | undefined {
  return columnOf(row, column) === null ? undefined : textColumn(row, column);
}

export function optionalNumberColumn(row: unknown, column: string): number | undefined {
  return columnOf(row, column) === null ? undefined : numberColumn(row, column);
}

function columnOf(row: unknown, column: string): unknown {
  if (typeof row !== 'object' || row === null) throw new StateUnusable('state.db: a row is missing');
  return Object.getOwnPropertyDescriptor(row, column)?.value;
}
