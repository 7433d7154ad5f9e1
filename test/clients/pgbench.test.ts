// pgbench, unchanged: it makes its tables, runs its transactions in each protocol, and its sums come out right.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startClientBank, type ClientBank } from '../support/client-bank.ts';
import { runProgram, type Way } from './run-program.ts';

const PROTOCOLS = ['simple', 'extended', 'prepared'] as const;

let bank: ClientBank;
let folder: string;

beforeAll(async () => {
  bank = await startClientBank();
  folder = mkdtempSync(join(tmpdir(), 'sallyport-test-pgbench-'));
  const made = await runProgram(bank, 'all', 'pgbench', ['-i', '-s', '1']);
  if (made.status !== 0) throw new Error(`pgbench -i failed: ${made.stderr}`);
});

afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await bank.stop();
});

/** Runs it; how many transactions it says it has done. Every error of a transaction fails the test. */
async function bench(way: Way, args: readonly string[]): Promise<number> {
  const { status, stdout, stderr } = await runProgram(bank, way, 'pgbench', ['-n', ...args]);
  expect(stderr).not.toMatch(/ERROR|FATAL|aborted/u);
  expect(stdout).toContain('number of failed transactions: 0 ');
  expect(status).toBe(0);
  return Number(/number of transactions actually processed: (\d+)/u.exec(stdout)?.[1]);
}

const count = async (table: string): Promise<unknown> => (await bank.postgres.query(`SELECT count(*)::int AS n FROM ${table}`))[0]?.['n'];

describe('pgbench -i', () => {
  test('has filled its tables by COPY, and made their keys', async () => {
    expect(await count('pgbench_accounts')).toBe(100_000);
    expect(await count('pgbench_tellers')).toBe(10);
    expect(await bank.postgres.query(`SELECT count(*)::int AS n FROM pg_constraint WHERE conname LIKE 'pgbench%pkey'`)).toEqual([{ n: 3 }]);
  });

  test('can fill them on the server, with foreign keys', async () => {
    const { status, stderr } = await runProgram(bank, 'all', 'pgbench', ['-i', '-I', 'dtGvpf', '-s', '1']);
    expect(stderr).not.toContain('ERROR');
    expect(status).toBe(0);
    expect(await count('pgbench_accounts')).toBe(100_000);
  });
});

describe.each(PROTOCOLS)('transactions by the %s protocol', (protocol) => {
  test('of TPC-B are all there afterwards, and the balances agree', async () => {
    const before = Number(await count('pgbench_history'));
    const done = await bench('all', ['-M', protocol, '-c', '4', '-t', '50']);
    expect(done).toBe(200);
    expect(await count('pgbench_history')).toBe(before + 200);
    const [sums] = await bank.postgres.query(`SELECT
      (SELECT sum(abalance) FROM pgbench_accounts) = (SELECT sum(bbalance) FROM pgbench_branches) AS accounts,
      (SELECT sum(tbalance) FROM pgbench_tellers) = (SELECT sum(bbalance) FROM pgbench_branches) AS tellers`);
    expect(sums).toEqual({ accounts: true, tellers: true });
  });

  test('that only read are permitted to one who may only read', async () => {
    expect(await bench('analysts', ['-S', '-M', protocol, '-c', '4', '-t', '200'])).toBe(800);
  });
});

test.each(PROTOCOLS)('a script with variables on masked tables runs by the %s protocol', async (protocol) => {
  const script = join(folder, 'masked.sql');
  writeFileSync(
    script,
    String.raw`\set id random(1, 50)
SELECT id, ssn FROM customers WHERE id = :id;
SELECT id AS found FROM customers WHERE id = :id \gset
BEGIN;
SELECT count(ssn) FROM customers WHERE id = :found;
END;
`,
  );
  expect(await bench('analysts', ['-M', protocol, '-c', '2', '-t', '50', '-f', script])).toBe(100);
});

test('\\startpipeline sends a script’s statements at once', async () => {
  const script = join(folder, 'pipeline.sql');
  writeFileSync(
    script,
    '\\startpipeline\nSELECT id, ssn FROM customers WHERE id = 1;\nSELECT 2;\nSELECT name FROM customers WHERE id = 3;\n\\endpipeline\n',
  );
  expect(await bench('analysts', ['-M', 'extended', '-c', '2', '-t', '50', '-f', script])).toBe(100);
});

test('what needs an approval, such as VACUUM, ends it at once where the client asks for that', async () => {
  const failFast = { PGOPTIONS: '-c sallyport.approval=failfast' };
  const { status, stderr } = await runProgram(bank, 'analysts', 'pgbench', ['-t', '1'], '', failFast);
  expect(status).not.toBe(0);
  expect(stderr).toContain('approval required');
});
