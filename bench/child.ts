/** Programs that the benchmark starts, each in a process of its own, so that their CPU can be told apart. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { connect, createServer } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

const START_TIMEOUT_MS = 30_000;
const POLL_MS = 20;

export type Child = { readonly pid: number; stop(): Promise<void> };

export type ChildOptions = {
  readonly env?: Readonly<Record<string, string>>;
  readonly ids?: { readonly uid: number; readonly gid: number } | undefined;
  readonly cwd?: string;
  /** It is ready when it takes connections here. */
  readonly port: number;
};

/** Starts a program and resolves once it listens. Rejects with what it said when it ends before. */
export async function startChild(command: string, args: readonly string[], options: ChildOptions): Promise<Child> {
  const child = spawn(command, args, {
    ...options.ids,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4096)));
  child.stderr.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4096)));
  let ended = false;
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  }).then(() => {
    ended = true;
  });
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (!(await listens(options.port))) {
    if (ended || Date.now() > deadline) {
      child.kill('SIGKILL');
      throw new Error(`${command} did not start: ${said}`);
    }
    await pause(POLL_MS);
  }
  return { pid: pidOf(child), stop: () => stopChild(child, exited, () => ended) };
}

function pidOf(child: ChildProcess): number {
  if (child.pid === undefined) throw new Error('a process without a pid');
  return child.pid;
}

async function stopChild(child: ChildProcess, exited: Promise<void>, ended: () => boolean): Promise<void> {
  if (ended()) return;
  child.kill('SIGTERM');
  await exited;
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect({ host: '127.0.0.1', port });
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
}

/** A free port below the ephemeral ones, where a connection's own end cannot take it meanwhile. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(10_000, 20_000);
    const free = await new Promise<boolean>((resolve) => {
      const server = createServer();
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
    });
    if (free) return port;
  }
}
