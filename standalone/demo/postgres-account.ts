// PostgreSQL refuses to run as root: there it runs as the system account `postgres`, made when it is missing.
import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { SallyportError } from '../../core/errors.ts';

/** This machine cannot run the embedded PostgreSQL; the message says why and what would help. */
export class PostgresUnavailable extends SallyportError {
  readonly code = 'postgres_unavailable';
}

/** The account that PostgreSQL's processes run under; without ids they run as whoever started us. */
export type PostgresAccount = { readonly ids: { readonly uid: number; readonly gid: number } | undefined; readonly uid: number };

/** The account for PostgreSQL on this machine. As root it makes the system account `postgres` where there is none; throws where it cannot. */
export function postgresAccount(): PostgresAccount {
  const ours = process.getuid?.() ?? 0;
  if (process.platform === 'win32' || ours !== 0) return { ids: undefined, uid: ours };
  const ids = lookUp() ?? create();
  return { ids, uid: ids.uid };
}

/** Whether the account may walk through every folder above `path`: it could not even start a file that it may not reach. */
export function canReach(account: PostgresAccount, path: string): boolean {
  if (account.ids === undefined) return true;
  for (let folder = dirname(resolve(path)); ; folder = dirname(folder)) {
    const found = statSync(folder, { throwIfNoEntry: false });
    if (found !== undefined && !maySearch(account.ids, found)) return false;
    if (folder === dirname(folder)) return true;
  }
}

function maySearch(ids: { readonly uid: number; readonly gid: number }, folder: { uid: number; gid: number; mode: number }): boolean {
  if (folder.uid === ids.uid) return (folder.mode & 0o100) !== 0;
  if (folder.gid === ids.gid) return (folder.mode & 0o010) !== 0;
  return (folder.mode & 0o001) !== 0;
}

function lookUp(): { uid: number; gid: number } | undefined {
  try {
    const id = (flag: string): number =>
      Number.parseInt(execFileSync('id', [flag, 'postgres'], { stdio: ['ignore', 'pipe', 'ignore'] }).toString(), 10);
    return { uid: id('-u'), gid: id('-g') };
  } catch {
    // No such account: the caller makes one.
    return undefined;
  }
}

function create(): { uid: number; gid: number } {
  try {
    execFileSync('groupadd', ['--force', '--system', 'postgres'], { stdio: 'ignore' });
    execFileSync('useradd', ['--system', '--gid', 'postgres', '--no-create-home', '--shell', '/usr/sbin/nologin', 'postgres'], {
      stdio: 'ignore',
    });
  } catch {
    // Two processes may make it at the same time, so only the look-up tells whether it is there.
  }
  const ids = lookUp();
  if (ids === undefined)
    throw new PostgresUnavailable('PostgreSQL cannot run as root, and an account named "postgres" could not be made: run as another user');
  return ids;
}
