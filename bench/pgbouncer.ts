/** PgBouncer in session mode, where it is installed: what people put before a PostgreSQL today. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { chownSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { postgresAccount } from '../standalone/demo/postgres-account.ts';
import type { TestPostgres } from '../test/support/postgres.ts';
import { freePort, startChild, type Child } from './child.ts';

const PLACES = ['/usr/sbin/pgbouncer', '/usr/bin/pgbouncer', '/usr/local/bin/pgbouncer', '/opt/homebrew/bin/pgbouncer'];

export type PgBouncer = Child & { readonly port: number; readonly version: string };

/** Undefined where it is not installed. */
export async function startPgBouncer(postgres: TestPostgres): Promise<PgBouncer | undefined> {
  const program = PLACES.find((place) => existsSync(place));
  if (program === undefined) return undefined;
  const version = /\d+\.\d+(?:\.\d+)?/u.exec(execFileSync(program, ['--version']).toString())?.[0] ?? '';
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-bench-pgbouncer-'));
  const port = await freePort();
  const config = join(folder, 'pgbouncer.ini');
  writeFileSync(
    config,
    `[databases]
${postgres.database} = host=127.0.0.1 port=${postgres.port} dbname=${postgres.database} user=${postgres.superuser} password=${postgres.password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = session
max_client_conn = 200
default_pool_size = 100
log_connections = 0
log_disconnections = 0
`,
    { mode: 0o600 },
  );
  const { ids } = postgresAccount();
  if (ids !== undefined) for (const path of [folder, config]) chownSync(path, ids.uid, ids.gid);
  const child = await startChild(program, [config], { port, ids, cwd: folder });
  return {
    ...child,
    port,
    version,
    stop: async () => {
      await child.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
