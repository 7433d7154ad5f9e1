/** The benchmark's own PostgreSQL, with pgbench's tables and one wide table of a million rows with personal data. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { startPostgres, type TestPostgres } from '../test/support/postgres.ts';

const SETTINGS = { log_statement: 'none', shared_buffers: '512MB', max_connections: '400', max_wal_size: '2GB' };

/** Six columns of about 190 bytes a row: two that are masked by rule, one of free text for the detectors. */
const WIDE_TABLE = (rows: number): string => `
CREATE TABLE bench_rows (id int8, name text, email text, ssn text, balance numeric, note text);
INSERT INTO bench_rows
SELECT g, 'Customer Number ' || g, 'customer.' || g || '@example.com', '123-45-' || lpad((g % 10000)::text, 4, '0'), g % 10000 + 0.42,
  'The customer asked for a new statement to be sent by mail, and was told it takes three days; ref ' || g || ' as agreed'
FROM generate_series(1, ${rows}) g;
VACUUM (ANALYZE, FREEZE) bench_rows;`;

/** Starts and fills it. */
export async function startDatabase(rows: number): Promise<TestPostgres> {
  const postgres = await startPostgres({ settings: SETTINGS });
  const env = { ...process.env, PGPASSWORD: postgres.password };
  const where = ['-h', postgres.host, '-p', String(postgres.port), '-U', postgres.superuser];
  await promisify(execFile)('pgbench', [...where, '-i', '-s', '1', '-q', postgres.database], { env });
  for (const statement of WIDE_TABLE(rows).split(';\n')) await postgres.script(statement);
  return postgres;
}
