import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { lockDataDirectory } from '../../../standalone/state/data-lock.ts';

const MODULE = new URL('../../../standalone/state/data-lock.ts', import.meta.url).href;

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sallyport-lock-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** A process that takes the lock, says so and stays. */
async function holder(): Promise<{ readonly pid: number; kill(): Promise<void> }> {
  const script = `import { lockDataDirectory } from ${JSON.stringify(MODULE)};
    lockDataDirectory(${JSON.stringify(directory)}, process.pid); console.log('held'); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  const { pid } = child;
  if (pid === undefined) throw new Error('no process');
  return {
    pid,
    kill: async () => {
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    },
  };
}

test('a second gateway on the same directory fails and names the directory and the process, and kill -9 frees it', async () => {
  const first = await holder();
  try {
    expect(() => lockDataDirectory(directory, process.pid)).toThrow(`${directory} is in use by another gateway (process ${first.pid})`);
  } finally {
    await first.kill();
  }
  lockDataDirectory(directory, process.pid).release();
});

test('the lock can be taken again after its release, and not before', () => {
  const lock = lockDataDirectory(directory, 1);
  expect(() => lockDataDirectory(directory, 2)).toThrow('process 1');
  lock.release();
  lockDataDirectory(directory, 2).release();
});
