/** One gateway per data directory: two writers of the same state would each believe themselves alone. */
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'libsql';
import { SallyportError } from '../../core/errors.ts';

/** Another process serves this data directory. */
export class DataDirectoryInUse extends SallyportError {
  readonly code = 'data-directory-in-use';
}

/** The data directory cannot be made or written. */
export class DataDirectoryUnusable extends SallyportError {
  readonly code = 'data-directory-unusable';
}

const LOCK = 'lock.db';
const HOLDER = 'lock.pid';

/**
 * Holds the data directory until `release` or the death of the process, however it dies: the lock is SQLite's own on a
 * database of its own, which the operating system drops with the process. Throws DataDirectoryInUse,
 * DataDirectoryUnusable.
 */
export function lockDataDirectory(dataDir: string, pid: number): { release(): void } {
  const db = opened(dataDir);
  try {
    // In exclusive locking mode the first write takes the lock and the connection keeps it.
    db.exec('PRAGMA locking_mode = EXCLUSIVE');
    db.exec('CREATE TABLE IF NOT EXISTS held (pid INTEGER NOT NULL)');
    db.exec('BEGIN EXCLUSIVE');
    // No prepared statements here: one that is not yet collected would keep the file open, and locked, after `close`.
    db.exec(`DELETE FROM held; INSERT INTO held VALUES (${Math.trunc(pid)})`);
    db.exec('COMMIT');
  } catch (cause) {
    db.close();
    throw new DataDirectoryInUse(
      `${dataDir} is in use by another gateway${holder(dataDir)}: stop that one, or give this one its own directory with --data`,
      { cause },
    );
  }
  writeFileSync(join(dataDir, HOLDER), `${pid}\n`, { mode: 0o600 });
  return {
    release: () => {
      // The lock is given back at the first access after leaving exclusive mode.
      db.exec('PRAGMA locking_mode = NORMAL; SELECT count(*) FROM held');
      db.close();
    },
  };
}

function opened(dataDir: string): Database.Database {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    // SQLite opens what it cannot write, too, and says so only later.
    writeFileSync(join(dataDir, HOLDER), '', { mode: 0o600, flag: 'a' });
    const db = new Database(join(dataDir, LOCK), { timeout: 0 });
    // Whoever may open it may lock it, and keep a gateway from starting.
    chmodSync(join(dataDir, LOCK), 0o600);
    return db;
  } catch (cause) {
    const why = cause instanceof Error ? `: ${cause.message}` : '';
    throw new DataDirectoryUnusable(`the data directory ${dataDir} cannot be used${why}`, { cause });
  }
}

function holder(dataDir: string): string {
  try {
    // The lock's own database cannot be read while it is held, so the pid stands beside it.
    return ` (process ${Number.parseInt(readFileSync(join(dataDir, HOLDER), 'utf8'), 10)})`;
  } catch {
    // Only the wording of the error depends on it.
    return '';
  }
}
