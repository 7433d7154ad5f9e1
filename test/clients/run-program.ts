// Programs of PostgreSQL's own client package, run to their end against the gateway or straight against the target.
import { spawn } from 'node:child_process';
import type { ClientBank } from '../support/client-bank.ts';

export type Finished = { readonly status: number | null; readonly stdout: string; readonly stderr: string };

/** Whom a program connects as: straight to PostgreSQL, or through the gateway as an agent of that group. */
export type Way = 'direct' | 'all' | 'analysts';

const PACKAGES = { psql: 'postgresql-client', pgbench: 'postgresql' } as const;

/** Runs `psql` or `pgbench`; rejects when it is not installed, and when it takes longer than a minute. */
export async function runProgram(
  bank: ClientBank,
  way: Way,
  program: 'psql' | 'pgbench',
  args: readonly string[],
  input = '',
  environment: Readonly<Record<string, string>> = {},
): Promise<Finished> {
  const { postgres, gateway } = bank;
  const connection =
    way === 'direct'
      ? { PGPORT: String(postgres.port), PGDATABASE: postgres.database, PGUSER: postgres.superuser, PGPASSWORD: postgres.password }
      : { PGPORT: String(gateway.port), PGDATABASE: 'db', PGUSER: 'agent', PGPASSWORD: await gateway.token('agent-7', [way]) };
  const child = spawn(program, args, {
    // Nothing of the person who runs the suite: no PGSERVICE, no .psqlrc, one language.
    env: {
      PATH: process.env['PATH'],
      PGHOST: '127.0.0.1',
      ...connection,
      LC_ALL: 'C',
      TZ: 'UTC',
      PAGER: 'cat',
      HOME: '/nonexistent',
      ...environment,
    },
    timeout: 60_000,
    killSignal: 'SIGKILL',
  });
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (piece: string) => (output.stdout += piece));
  child.stderr.setEncoding('utf8').on('data', (piece: string) => (output.stderr += piece));
  return new Promise((resolve, reject) => {
    child.on('error', (cause) => reject(new Error(`${program} does not start: it is in Debian's package ${PACKAGES[program]}`, { cause })));
    child.on('close', (status, signal) => {
      if (signal === null) resolve({ status, ...output });
      else reject(new Error(`${program} was ended by ${signal}: ${output.stderr}`));
    });
  });
}
