// Standard output and standard error of one command, both larger than any window, read by somebody slow: each whole, once, in order.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startSshLab, type SshLab } from '../support/ssh-lab.ts';

let lab: SshLab;
beforeAll(async () => {
  lab = await startSshLab();
}, 60_000);
afterAll(() => lab.stop());

const COMMAND = `for i in $(seq 1 60); do head -c 300000 /dev/zero | tr '\\0' o; head -c 300000 /dev/zero | tr '\\0' e >&2; echo $i; echo $i >&2; done`;

function read(host: 'all' | 'direct'): Promise<string> {
  return new Promise((resolve) => {
    const child = spawn('ssh', ['-F', lab.home.path('ssh_config'), host, COMMAND]);
    const [out, err] = [createHash('sha256'), createHash('sha256')];
    let bytes = 0;
    child.stdout.on('data', (chunk: Buffer) => {
      out.update(chunk);
      bytes += chunk.length;
      child.stdout.pause();
      setImmediate(() => child.stdout.resume());
    });
    child.stderr.on('data', (chunk: Buffer) => void err.update(chunk));
    child.on('close', (status) => resolve(`${String(status)} ${bytes} ${out.digest('hex')} ${err.digest('hex')}`));
  });
}

test('much on both streams comes through as the host sent it', async () => {
  const direct = await read('direct');
  expect(direct).toMatch(/^0 18000171 /);
  expect(await read('all')).toBe(direct);
}, 60_000);
