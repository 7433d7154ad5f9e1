import { spawn } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { postgresAccount } from '../../../standalone/demo/postgres-account.ts';
import { createCluster, runPostgres } from '../../../standalone/demo/postgres-process.ts';
import { startPostgres } from '../../support/postgres.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-process-'));
  const { ids } = postgresAccount();
  if (ids !== undefined) chownSync(folder, ids.uid, ids.gid);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('a taken port is told apart, harms nothing, and another port does', async () => {
  const dataDir = join(folder, 'data');
  await createCluster({ dataDir, superuser: 'postgres', password: 'secret', flags: ['--no-sync', '--wal-segsize=1'] });
  const squatter = createServer().listen(0, '127.0.0.1');
  await once(squatter, 'listening');
  const address = squatter.address();
  const taken = typeof address === 'object' && address !== null ? address.port : 0;
  const run = { dataDir, logFile: join(folder, 'log'), settings: { fsync: 'off' }, shutdown: 'immediate', removeAfter: folder } as const;
  await expect(runPostgres({ ...run, port: taken })).rejects.toMatchObject({ code: 'postgres_not_started', obstacle: 'port' });
  squatter.close();
  await once(squatter, 'close');
  const started = await runPostgres({ ...run, port: taken });
  await expect(runPostgres({ ...run, port: taken })).rejects.toMatchObject({ obstacle: 'folder' });
  await started.stop();
  expect(existsSync(folder)).toBe(false);
});

test('a setting that PostgreSQL refuses is named', async () => {
  await expect(startPostgres({ settings: { no_such_setting: '1' } })).rejects.toThrow('no_such_setting');
});

test.each(['exit', 'kill', 'throw'])('a process that ends by %s leaves neither server nor files', async (end) => {
  const script = join(import.meta.dirname, '../../fixtures/abandon-postgres.ts');
  const child = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), script, end], { stdio: ['ignore', 'pipe', 'ignore'] });
  const closed = once(child, 'close');
  const said: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => said.push(chunk));
  await closed;
  const dataDir = Buffer.concat(said).toString().trim();
  expect(dataDir).toContain('sallyport-test-postgres-');
  await expect.poll(() => existsSync(dirname(dataDir)), { timeout: 20_000 }).toBe(false);
});
