// The task as a process that cannot start, or is told to go before it has.
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { expect, test } from 'vitest';

const MAIN = join(import.meta.dirname, '../../proxy-task/main.ts');

type Task = { readonly child: ChildProcessByStdio<null, Readable, Readable>; readonly output: () => string };

function start(environment: Readonly<Record<string, string>>): Task {
  const child = spawn(process.execPath, ['--import', 'tsx', MAIN], {
    env: { PATH: process.env['PATH'], AWS_EC2_METADATA_DISABLED: 'true', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const pieces: string[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (piece: string) => pieces.push(piece));
  return { child, output: () => pieces.join('') };
}

async function status({ child }: Task): Promise<number | null> {
  if (child.exitCode === null) await once(child, 'exit');
  return child.exitCode;
}

test('a task without its variables names them all in one line and exits with 1', async () => {
  const task = start({});
  expect(await status(task)).toBe(1);
  const line = task
    .output()
    .split('\n')
    .find((each) => each.includes('proxy-config-invalid'));
  const { level, message }: { level: unknown; message: unknown } = JSON.parse(line ?? '{}');
  expect(level).toBe('error');
  expect(message).toContain('SALLYPORT_INSTANCE is not set');
  expect(message).toContain('SALLYPORT_FN_REQUEST_APPROVAL is not set');
});

test('a task that waits for AWS goes at once when it is told to', async () => {
  let asked: () => void = () => undefined;
  const waiting = new Promise<void>((resolve) => {
    asked = resolve;
  });
  const silent = createServer(() => asked());
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  // A TCP server that listens has an address with a port.
  const { port } = silent.address() as AddressInfo;
  const names = ['INSTANCE', 'BUNDLE_KEY_ARN', 'SECRETS_ARN', 'PUBLIC_URL'];
  for (const table of ['JOURNAL', 'WRITERS', 'SESSIONS', 'CONTROL', 'CANCELS', 'REQUESTS', 'DECISIONS', 'CLAIMS', 'BUDGETS', 'SSHKEYS'])
    names.push(`${table}_TABLE`);
  for (const bucket of ['EVIDENCE', 'STAGING', 'CONFIG']) names.push(`${bucket}_BUCKET`);
  for (const purpose of ['EVALUATE_POLICY', 'LOOKUP_MASKING', 'ISSUE_CREDENTIAL', 'REQUEST_APPROVAL']) names.push(`FN_${purpose}`);
  const task = start({
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'x',
    AWS_SECRET_ACCESS_KEY: 'x',
    AWS_ENDPOINT_URL: `http://127.0.0.1:${port}`,
    ...Object.fromEntries(names.map((name) => [`SALLYPORT_${name}`, 'x'])),
  });
  await waiting;
  task.child.kill('SIGTERM');
  expect(await status(task)).toBe(0);
  expect(task.output()).toContain('"event":"stopping"');
  silent.close();
});
