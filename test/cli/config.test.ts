import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { verb } from '../../cli/config.ts';
import { UsageError } from '../../cli/verb.ts';
import { ConfigUnreadable } from '../../standalone/config-directory.ts';
import { keptIo, type KeptIo } from '../support/verb-io.ts';

const BANK = join(import.meta.dirname, '../../examples/bank/config');

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sallyport-config-'));
  cpSync(BANK, directory, { recursive: true });
});
afterEach(() => rmSync(directory, { recursive: true }));

async function run(args: readonly string[], env: Record<string, string> = {}): Promise<KeptIo['written'] & { status: number }> {
  const io = keptIo({ env });
  return { status: await verb.run(args, io), ...io.written };
}

function edit(file: string, from: string, to: string): void {
  const path = join(directory, file);
  writeFileSync(path, readFileSync(path, 'utf8').replace(from, to));
}

test('the bank’s configuration is fine, without any variable set', async () => {
  expect(await run(['check', '--config', directory])).toMatchObject({
    status: 0,
    stdout: expect.stringMatching(/^b-[0-9a-f]{16} is fine: 2 targets, 1 issuer, /),
  });
});

test('the bank’s configuration is of one machine: for AWS it lacks what is said, with line and fix', async () => {
  const { status, stderr } = await run(['check', '--config', directory, '--aws']);
  expect(status).toBe(1);
  expect(stderr).toMatch(/^sallyport\.yaml:\d+:\d+: file: names something of one machine.* Fix: use secretsManager:ARN or rdsIam\.$/m);
});

test('findings are printed with file, line and fix, and the status is 1', async () => {
  edit('policies/bank.cedar', '@approvers("dba")', '@approvers("dab")');
  edit('masking.yaml', 'method: tokenize', 'method: tokenise');
  const { status, stdout, stderr } = await run(['check', '--config', directory]);
  expect(status).toBe(1);
  expect(stderr).toMatch(
    /^masking\.yaml:5:\d+: .*\npolicies\/bank\.cedar:20:1: unknown approver group `dab`\. Fix: add it to approverGroups/,
  );
  expect(stdout).toContain('2 findings');
});

test('findings for machines are one object a line, and the last says how many', async () => {
  edit('sallyport.yaml', 'name: bank', 'nmae: bank');
  const { stdout } = await run(['check', '--config', directory, '--json']);
  const lines = stdout
    .trim()
    .split('\n')
    .map((line): unknown => JSON.parse(line));
  expect(lines[0]).toMatchObject({ event: 'finding', file: 'sallyport.yaml', message: expect.any(String), fix: expect.any(String) });
  expect(lines.at(-1)).toEqual({ event: 'checked', ok: false, findings: lines.length - 1 });
});

test('the directory comes from the environment when no flag names it', async () => {
  expect((await run(['check'], { SALLYPORT_CONFIG: directory })).status).toBe(0);
});

test('a directory that is not there, and words that mean nothing, are wrong usage', async () => {
  await expect(run(['check', '--config', join(directory, 'nope')])).rejects.toThrow(UsageError);
  await expect(run([])).rejects.toThrow(UsageError);
  await expect(run(['chekc'])).rejects.toThrow(UsageError);
  await expect(run(['schema', '__proto__'])).rejects.toThrow(UsageError);
});

test('a file that is not UTF-8 is refused instead of being read as something else', async () => {
  writeFileSync(join(directory, 'policies/x.cedar'), Buffer.from([0x2f, 0x2f, 0xff, 0x0a]));
  await expect(run(['check', '--config', directory])).rejects.toThrow(ConfigUnreadable);
});

test('a policy below another directory is a finding, and hidden files are none', async () => {
  cpSync(join(BANK, 'policies'), join(directory, 'policies/more'), { recursive: true });
  cpSync(join(directory, 'policies/bank.cedar'), join(directory, 'policies/.bank.cedar.swp'));
  const { stderr } = await run(['check', '--config', directory]);
  expect(stderr.trim().split('\n')).toHaveLength(4);
  expect(stderr).toContain('policies/more/bank.cedar:1:1: the file has no place');
});

test('every schema is printed', async () => {
  for (const name of ['sallyport', 'masking', 'tests']) expect(JSON.parse((await run(['schema', name])).stdout)).toHaveProperty('$schema');
  expect((await run(['schema', 'policies'])).stdout).toContain('entity Agent in [Group]');
});
