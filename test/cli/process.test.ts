// The command as a process, and every verb used wrongly.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { dispatch, VERBS } from '../../cli/dispatch.ts';
import { keptIo } from '../support/verb-io.ts';

const COMMAND = fileURLToPath(new URL('../../cli/sallyport.mjs', import.meta.url));
const BANK = fileURLToPath(new URL('../../examples/bank/config', import.meta.url));
const root = mkdtempSync(join(tmpdir(), 'sallyport-process-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe('every verb', () => {
  const env = { SALLYPORT_DATA: join(root, 'none') };
  for (const verb of Object.keys(VERBS)) {
    test(`${verb} shows its help on stdout, and wrong usage on stderr with exit status 2`, async () => {
      const help = keptIo({ env });
      expect(await dispatch([verb, '--help'], help)).toBe(0);
      expect(help.written.stdout).toMatch(new RegExp(`^Usage: sallyport ${verb}`));
      for (const wrong of [['--no-such-flag'], ['a', 'stray', 'word', 'here'], ['--data'], ['\u001b[2J\u202e', 'x', 'y']]) {
        const io = keptIo({ env });
        expect([wrong, await dispatch([verb, ...wrong], io)]).toEqual([wrong, 2]);
        expect(io.written.stdout).toBe('');
        expect(io.written.stderr).toContain(`See sallyport ${verb} --help.`);
        expect(io.written.stderr).not.toMatch(/\p{Cf}|(?!\n)\p{Cc}/u);
      }
    });
  }
});

type Ended = { readonly status: number | null; readonly stderr: string };

/** Runs the command; its reader goes away after the first bytes. */
function withoutReader(args: readonly string[]): Promise<Ended> {
  const child = spawn(process.execPath, [COMMAND, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  child.stdout.once('data', () => child.stdout.destroy());
  return new Promise((resolve) => child.once('close', (status) => resolve({ status, stderr })));
}

describe('a reader that has seen enough', () => {
  test('is no failure', async () => {
    const { status, stderr } = await withoutReader(['config', 'schema', 'sallyport']);
    expect([status, stderr]).toEqual([0, '']);
  });

  test('of its log leaves a gateway serving, until a signal ends it in order', async () => {
    const data = join(root, 'serving');
    const child = spawn(process.execPath, [COMMAND, 'serve', '--json', '--config', BANK, '--data', data], {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { ...process.env, SALLYPORT_POSTGRES_PORT: '0', SALLYPORT_API_PORT: '0', SALLYPORT_SSH_PORT: '0', BANK_PASSWORD: 'x' },
    });
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
    try {
      const api = await new Promise<string>((resolve, reject) => {
        let told = '';
        child.stdout.on('data', (chunk: Buffer) => {
          told += chunk.toString();
          const ready = told.split('\n').find((line) => line.includes('"ready"'));
          // The line's own documented shape.
          if (ready !== undefined) resolve((JSON.parse(ready) as { api: string }).api);
        });
        child.once('close', () => reject(new Error(told)));
      });
      child.stdout.destroy();
      expect((await fetch(`${api}/healthz`)).status).toBe(200);
      child.kill('SIGTERM');
      expect(await ended).toBe(0);
    } finally {
      child.kill('SIGKILL');
    }
  });
});
