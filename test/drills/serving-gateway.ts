// `sallyport serve` in a process of its own, so that it can be killed.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const ROOT = join(import.meta.dirname, '../..');
const READY_MS = 60_000;

export type ServingGateway = {
  readonly port: number;
  readonly api: string;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
  /** SIGTERM; the exit status. */
  stop(): Promise<number | null>;
};

/** Starts it on these directories. Rejects with what it said when it is not ready within a minute. */
export async function serve(configDir: string, dataDir: string, password: string): Promise<ServingGateway> {
  const child = spawn(process.execPath, ['cli/sallyport.mjs', 'serve', '--config', configDir, '--data', dataDir, '--json'], {
    cwd: ROOT,
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], TARGET_PASSWORD: password },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = once(child, 'exit');
  const { port, api } = await ready(child);
  return {
    port,
    api,
    kill: async () => {
      child.kill('SIGKILL');
      await ended;
    },
    stop: async () => {
      child.kill('SIGTERM');
      await ended;
      return child.exitCode;
    },
  };
}

function ready(child: ChildProcess): Promise<{ readonly port: number; readonly api: string }> {
  const { stdout, stderr } = child;
  if (stdout === null || stderr === null) throw new Error('the process has no output');
  return new Promise((resolve, reject) => {
    let said = '';
    const fail = (why: string): void => {
      child.kill('SIGKILL');
      reject(new Error(`the gateway ${why}: ${said}`));
    };
    const patience = setTimeout(() => fail('was not ready in time'), READY_MS);
    stderr.setEncoding('utf8').on('data', (piece: string) => (said += piece));
    child.once('exit', () => fail('ended before it was ready'));
    createInterface({ input: stdout }).on('line', (line) => {
      said += `${line}\n`;
      const { event, postgres, api }: Ready = JSON.parse(line);
      if (event !== 'ready') return;
      clearTimeout(patience);
      resolve({ port: postgres.port, api });
    });
  });
}

/** The line that `serve --json` says when it listens. */
type Ready = { readonly event: string; readonly postgres: { readonly port: number }; readonly api: string };
