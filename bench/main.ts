/**
 * `npm run bench`: what the gateway costs, against a bare relay, PgBouncer and OpenSSH. `-- --quick` takes three rounds of
 * less work and writes nothing. `-- --only ssh` measures SSH alone. Exit status: 0 fine, 1 a ratio of CPU is above what it must be, 2 something is missing here.
 */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startDatabase } from './database.ts';
import { targetOf } from './gateway.ts';
import { measureJudging } from './judging.ts';
import { readAll, runPgbench } from './load.ts';
import { measureSsh } from './ssh.ts';
import { measureIdle } from './memory.ts';
import { page, points, type Results } from './report.ts';
import { sshPage } from './ssh-report.ts';
import { measure, startSubjects } from './subjects.ts';

const FULL = { rounds: 7, transactionsOne: 6_000, transactionsSixteen: 24_000, rows: 1_000_000, sshBytes: 1024 ** 3 };
const QUICK = { rounds: 3, transactionsOne: 2_000, transactionsSixteen: 8_000, rows: 300_000, sshBytes: 256 * 1024 ** 2 };

const ROOT = fileURLToPath(new URL('..', import.meta.url));

const { values } = parseArgs({ options: { quick: { type: 'boolean', default: false }, only: { type: 'string' } } });
const chosen = values.quick ? QUICK : FULL;
process.exitCode = values.only === 'ssh' ? await runSsh(chosen, values.quick) : await run(chosen, values.quick);

async function runSsh(size: typeof FULL, quick: boolean): Promise<number> {
  const [loadBefore = Number.NaN] = loadavg();
  console.error('one large output over SSH …');
  const written = sshPage(await measureSsh(ROOT, size.rounds, size.sshBytes), { rounds: size.rounds, bytes: size.sshBytes, loadBefore });
  console.log(written);
  if (!quick) writeFileSync(new URL('../docs/benchmarks-ssh.md', import.meta.url), written);
  return 0;
}

async function run(size: typeof FULL, quick: boolean): Promise<number> {
  const pgbench = pgbenchVersion();
  if (pgbench === undefined) {
    console.error('pgbench is missing: install PostgreSQL with its client programs (Debian: postgresql-15 or postgresql-contrib)');
    return 2;
  }
  const [loadBefore = Number.NaN] = loadavg();
  console.error('starting PostgreSQL, PgBouncer, the relay and the gateway …');
  let missed = false;
  const postgres = await startDatabase(size.rows);
  try {
    const subjects = await startSubjects(postgres);
    try {
      const { all, gateway, gatewayPlace } = subjects;
      const small = (clients: number, transactions: number) =>
        measure(all, size.rounds, async (place) => ({ units: transactions, perSecond: await runPgbench(place, clients, transactions) }));
      const idle = await measureIdle(gateway.pid, gatewayPlace('full'));
      console.error('pgbench, 1 client …');
      const one = await small(1, size.transactionsOne);
      console.error('pgbench, 16 clients …');
      const sixteen = await small(16, size.transactionsSixteen);
      console.error('one large result …');
      const bulk = await measure(all, size.rounds, async (place) => {
        const { seconds } = await readAll(place, 'SELECT * FROM bench_rows');
        return { units: size.rows, perSecond: size.rows / seconds };
      });
      const judging = await measureJudging(gateway.configDir, targetOf('full'), { BENCH_PASSWORD: postgres.password });
      const [{ server_version: version = '' } = {}] = await postgres.query('SHOW server_version');
      const versions = { postgres: String(version), pgbench, pgbouncer: subjects.pgbouncer };
      const results: Results = { rounds: size.rounds, loadBefore, versions, one, sixteen, bulk, judging, idle };
      console.log(page(results));
      if (!quick) writeFileSync(new URL('../docs/benchmarks.md', import.meta.url), page(results));
      missed = points(results).some(({ decides, met }) => decides && !met);
    } finally {
      await subjects.stop();
    }
  } finally {
    await postgres.stop();
  }
  await runSsh(size, quick);
  return missed ? 1 : 0;
}

function pgbenchVersion(): string | undefined {
  try {
    return /\d+(?:\.\d+)?/u.exec(execFileSync('pgbench', ['--version']).toString())?.[0];
  } catch {
    // Not installed: the caller says so.
    return undefined;
  }
}
