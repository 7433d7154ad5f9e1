/** A task of the proxy as a process of its own: the bundle that goes into the image, with the environment of its task definition. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { isObject, jsonOf, textOf, type JsonObject } from '../../support/state-machine/json-value.ts';

const READY_MS = 60_000;

export type ProxyProcess = {
  readonly port: number;
  /** Where it speaks SSH. */
  readonly sshPort: number;
  readonly health: number;
  /** Its writer's id. */
  readonly writer: string;
  /** Everything it wrote until now. */
  readonly lines: string[];
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
  /** SIGSTOP and SIGCONT: a task that is cut off, and comes back. */
  freeze(): void;
  thaw(): void;
  /** SIGTERM; the exit status. */
  stop(): Promise<number | null>;
  /** Resolves with the exit status when it ends by itself. */
  readonly ended: Promise<number | null>;
};

/** Rejects with what it said when it is not ready within a minute. */
export async function startProxy(entry: string, environment: Readonly<Record<string, string>>): Promise<ProxyProcess> {
  const child = spawn(process.execPath, ['--enable-source-maps', entry], {
    // What a container has, and nothing of this machine.
    env: { PATH: process.env['PATH'], ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = once(child, 'exit').then(() => child.exitCode);
  const lines: string[] = [];
  child.stderr.setEncoding('utf8').on('data', (piece: string) => lines.push(...piece.split('\n').filter((line) => line !== '')));
  const ready = await new Promise<JsonObject>((resolve, reject) => {
    const fail = (why: string): void => {
      child.kill('SIGKILL');
      reject(new Error(`the proxy ${why}: ${lines.join('\n')}`));
    };
    const patience = setTimeout(() => fail('was not ready in time'), READY_MS);
    child.once('exit', () => {
      clearTimeout(patience);
      fail('ended before it was ready');
    });
    createInterface({ input: child.stdout }).on('line', (line) => {
      lines.push(line);
      const said = parsed(line);
      if (said['event'] !== 'ready') return;
      clearTimeout(patience);
      resolve(said);
    });
  });
  const postgres = isObject(ready['postgres']) ? ready['postgres'] : {};
  const signal = async (name: NodeJS.Signals): Promise<number | null> => {
    child.kill(name);
    return ended;
  };
  return {
    port: Number(postgres['port']),
    sshPort: Number(isObject(ready['ssh']) ? ready['ssh']['port'] : undefined),
    health: Number(isObject(ready['health']) ? ready['health']['port'] : ready['health']),
    writer: textOf(ready['writer']),
    lines,
    kill: async () => void (await signal('SIGKILL')),
    freeze: () => void child.kill('SIGSTOP'),
    thaw: () => void child.kill('SIGCONT'),
    stop: () => signal('SIGTERM'),
    ended,
  };
}

/** The object of a line of JSON; an empty one of any other. */
function parsed(line: string): JsonObject {
  try {
    const value = jsonOf(JSON.parse(line));
    return isObject(value) ? value : {};
  } catch {
    return {};
  }
}
