// A real PostgreSQL for one suite, on loopback, gone when the suite or its process ends.
import { execFileSync } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { chownSync, existsSync, lstatSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, escapeIdentifier } from 'pg';
import { postgresAccount, type PostgresAccount } from '../../standalone/demo/postgres-account.ts';
import { postgresBinaries } from '../../standalone/demo/postgres-binaries.ts';
import { createCluster, PostgresNotStarted, runPostgres, type PostgresProcess } from '../../standalone/demo/postgres-process.ts';

const SUPERUSER = 'postgres';
const PORT_ATTEMPTS = 20;

// Nothing here outlives its suite, so nothing waits for a disk; `settings` turns any of it back on.
const FAST_AND_LOGGED = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  autovacuum: 'off',
  max_wal_size: '256MB',
  shared_buffers: '32MB',
  log_statement: 'all',
  log_destination: 'stderr',
  log_line_prefix: '%p %d %u %a ',
} as const;

export type TestPostgres = {
  readonly host: '127.0.0.1';
  readonly port: number;
  readonly superuser: string;
  readonly password: string;
  /** The database that `query` uses. */
  readonly database: 'postgres';
  /** For files that settings name; PostgreSQL may run under another account, so write them with `addFile`. */
  readonly dataDir: string;
  /** Runs one statement as the superuser, on the database `postgres` or the one named; a new connection each time. */
  query(sql: string, parameters?: readonly unknown[], database?: string): Promise<Record<string, unknown>[]>;
  /** Runs a script of several statements as the superuser, on the database `postgres` or the one named. */
  script(sql: string, database?: string): Promise<void>;
  createDatabase(name: string): Promise<void>;
  /** Puts a file that PostgreSQL can read (`server.key`, `pg_hba.conf`) into `dataDir`; its path. */
  addFile(name: string, content: string): string;
  /** What PostgreSQL wrote to its log until now: every statement that reached it, each line with pid, database, role, application. */
  log(): string;
  stop(): Promise<void>;
};

/** The major version that suites run on: the embedded one, unless another is named. */
export function postgresMajor(): number {
  return Number.parseInt(postgresBinaries(postgresAccount()).version, 10);
}

/** Starts a PostgreSQL of its own for the caller: a copy of one empty cluster, on a free port below 32768. */
export async function startPostgres(options: { settings?: Readonly<Record<string, string>> } = {}): Promise<TestPostgres> {
  const account = postgresAccount();
  const template = await ensureTemplate(account);
  const password = readFileSync(join(template, 'password'), 'utf8');
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-test-postgres-'));
  give(account, folder);
  const dataDir = join(folder, 'data');
  execFileSync('cp', ['-Rp', join(template, 'data'), dataDir], { ...account.ids, cwd: folder });
  const logFile = join(folder, 'log');
  const settings = { ...FAST_AND_LOGGED, ...options.settings };
  const started = await startOnFreePort((port) =>
    runPostgres({ dataDir, port, logFile, settings, shutdown: 'immediate', removeAfter: folder }),
  ).catch((error: unknown) => {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  });

  const withClient = async <T>(database: string, run: (client: Client) => Promise<T>): Promise<T> => {
    const client = new Client({
      host: '127.0.0.1',
      port: started.port,
      user: SUPERUSER,
      password,
      database,
      application_name: 'test-support',
    });
    await client.connect();
    try {
      return await run(client);
    } finally {
      await client.end();
    }
  };
  let finalLog: string | undefined;
  const log = (): string => finalLog ?? readFileSync(logFile, 'utf8');
  return {
    host: '127.0.0.1',
    port: started.port,
    superuser: SUPERUSER,
    password,
    database: 'postgres',
    dataDir,
    query: (sql, parameters, database) =>
      withClient(
        database ?? 'postgres',
        async (client) => (await client.query<Record<string, unknown>>(sql, parameters === undefined ? undefined : [...parameters])).rows,
      ),
    script: (sql, database) =>
      withClient(database ?? 'postgres', async (client) => {
        await client.query(sql);
      }),
    createDatabase: (name) =>
      withClient('postgres', async (client) => {
        await client.query(`create database ${escapeIdentifier(name)}`);
      }),
    addFile: (name, content) => {
      const path = join(dataDir, name);
      writeFileSync(path, content, { mode: 0o600 });
      give(account, path);
      return path;
    },
    log,
    stop: async () => {
      finalLog ??= log();
      await started.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function startOnFreePort(start: (port: number) => Promise<PostgresProcess>): Promise<PostgresProcess> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      // Below the ephemeral ports: one that a client's own end could take would fail now and then.
      return await start(randomInt(20_000, 32_000));
    } catch (error) {
      if (!(error instanceof PostgresNotStarted && error.obstacle === 'port') || attempt === PORT_ATTEMPTS) throw error;
    }
  }
}

// initdb takes seconds, a copy of its work a tenth of one: the first suite on this machine makes it, by version and account.
async function ensureTemplate(account: PostgresAccount): Promise<string> {
  const template = join(tmpdir(), `sallyport-test-template-${postgresBinaries(account).version}-${account.uid}`);
  const found = lstatSync(template, { throwIfNoEntry: false });
  if (found !== undefined) {
    if (found.uid !== account.uid || (found.mode & 0o077) !== 0) throw new Error(`${template} belongs to somebody else: remove it`);
    // What cleans the temporary folder may have taken old files out of it.
    if (existsSync(join(template, 'password')) && existsSync(join(template, 'data', 'global', 'pg_control'))) return template;
    rmSync(template, { recursive: true, force: true });
  }
  const making = mkdtempSync(`${template}-`);
  give(account, making);
  const password = randomBytes(12).toString('hex');
  await createCluster({ dataDir: join(making, 'data'), superuser: SUPERUSER, password, flags: ['--no-sync', '--wal-segsize=1'] });
  writeFileSync(join(making, 'password'), password, { mode: 0o600 });
  try {
    renameSync(making, template);
  } catch {
    // Another worker was first: its cluster is as good as ours, and the look at its owner above holds for it too.
    rmSync(making, { recursive: true, force: true });
    return ensureTemplate(account);
  }
  return template;
}

function give(account: PostgresAccount, path: string): void {
  if (account.ids !== undefined) chownSync(path, account.ids.uid, account.ids.gid);
}
