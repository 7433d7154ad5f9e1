// The demo's target: a PostgreSQL in the data directory that keeps its rows between starts.
import { createHash, randomBytes, randomInt } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, realpathSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { BANK_DATABASE, BANK_ROLE, ensureBank } from './bank.ts';
import { canReach, postgresAccount, PostgresUnavailable, type PostgresAccount } from './postgres-account.ts';
import { createCluster, PostgresNotStarted, runPostgres, type PostgresProcess } from './postgres-process.ts';

const SUPERUSER = 'postgres';
const PORT_ATTEMPTS = 20;
const STOPPING_ATTEMPTS = 6;
const STOPPING_PAUSE_MS = 500;
const MAX_LOG_BYTES = 32 * 1024 * 1024;

// Where the account `postgres` may keep the rows of a data directory that only root can enter.
const ROOT_CLUSTERS = '/var/lib/sallyport-demo';

export type DemoPostgres = {
  readonly host: '127.0.0.1';
  readonly port: number;
  readonly database: typeof BANK_DATABASE;
  /** The role that the gateway logs in with. */
  readonly role: typeof BANK_ROLE;
  /** Its password, alone in a file of mode 0600: a target's `credential: file:<path>`. */
  readonly rolePasswordFile: string;
  readonly superuser: string;
  readonly superuserPasswordFile: string;
  /** The target's own log, with every statement that reached it. */
  readonly logFile: string;
  /** True when this start filled the bank. */
  readonly seeded: boolean;
  /** Ends sessions, writes what is in memory, and resolves when PostgreSQL is gone. */
  stop(): Promise<void>;
};

/**
 * Starts PostgreSQL 17 on loopback with the database `bank`, in `<dataDir>/demo-postgres`. Without a port, or with 0, it takes a free
 * one. It ends with this process. Throws PostgresNotStarted and PostgresUnavailable.
 */
export async function startDemoPostgres(options: { readonly dataDir: string; readonly port?: number }): Promise<DemoPostgres> {
  const account = postgresAccount();
  const folder = resolve(options.dataDir, 'demo-postgres');
  mkdirSync(folder, { recursive: true, mode: 0o711 });
  const superuserPasswordFile = join(folder, 'superuser-password');
  const rolePasswordFile = join(folder, 'agent-password');
  const logFile = join(folder, 'server.log');
  const cluster = await ensureCluster(account, folder, superuserPasswordFile);
  if (existsSync(logFile) && statSync(logFile).size > MAX_LOG_BYTES) renameSync(logFile, `${logFile}.1`);

  const settings = {
    log_statement: 'all',
    log_destination: 'stderr',
    log_line_prefix: '%m [%p] %q%u@%d %a ',
    shared_buffers: '64MB',
    max_connections: '100',
  };
  const started = await startPatiently(options.port ?? 0, (port) =>
    runPostgres({ dataDir: cluster, port, logFile, settings, shutdown: 'fast' }),
  );
  try {
    const { seeded } = await ensureBank({
      host: '127.0.0.1',
      port: started.port,
      superuser: SUPERUSER,
      superuserPassword: readFileSync(superuserPasswordFile, 'utf8'),
      rolePassword: secretIn(rolePasswordFile),
    });
    return {
      host: '127.0.0.1',
      port: started.port,
      database: BANK_DATABASE,
      role: BANK_ROLE,
      rolePasswordFile,
      superuser: SUPERUSER,
      superuserPasswordFile,
      logFile,
      seeded,
      stop: () => started.stop(),
    };
  } catch (error) {
    await started.stop();
    throw error;
  }
}

async function ensureCluster(account: PostgresAccount, folder: string, passwordFile: string): Promise<string> {
  const cluster = join(folder, 'cluster');
  if (existsSync(cluster)) {
    if (!existsSync(passwordFile)) throw new PostgresUnavailable(`${passwordFile} is missing: remove ${folder} to begin anew`);
    return realpathSync(cluster);
  }
  const home = canReach(account, cluster) ? folder : rootCluster(folder);
  // An initdb that was cut short leaves this behind; it is never a cluster until it has its final name.
  const making = join(home, 'cluster.making');
  rmSync(making, { recursive: true, force: true });
  await createCluster({ dataDir: making, superuser: SUPERUSER, password: secretIn(passwordFile) });
  const made = join(home, 'cluster');
  rmSync(made, { recursive: true, force: true });
  renameSync(making, made);
  if (home !== folder) {
    // A link to a cluster that somebody removed may still be there.
    rmSync(cluster, { force: true });
    symlinkSync(made, cluster);
  }
  return made;
}

function rootCluster(folder: string): string {
  const home = join(ROOT_CLUSTERS, createHash('sha256').update(folder).digest('hex').slice(0, 16));
  mkdirSync(home, { recursive: true, mode: 0o711 });
  return home;
}

/** The secret in a file that only its owner can read; made when the file is not there. */
function secretIn(path: string): string {
  if (!existsSync(path)) writeFileSync(path, randomBytes(24).toString('base64url'), { mode: 0o600, flag: 'wx' });
  return readFileSync(path, 'utf8');
}

async function startPatiently(port: number, start: (port: number) => Promise<PostgresProcess>): Promise<PostgresProcess> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await start(port === 0 ? randomInt(20_000, 32_000) : port);
    } catch (error) {
      if (!(error instanceof PostgresNotStarted)) throw error;
      // A demo that was killed a moment ago leaves a PostgreSQL that is just shutting down.
      if (error.obstacle === 'folder' && attempt < STOPPING_ATTEMPTS) await pause(STOPPING_PAUSE_MS);
      else if (error.obstacle !== 'port' || port !== 0 || attempt === PORT_ATTEMPTS) throw error;
    }
  }
}
