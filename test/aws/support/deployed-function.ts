/**
 * A Lambda function as it is deployed: the module that is shipped, in a thread of its own with exactly its own environment
 * variables. What it needs and was not given is missing here too.
 */
import { randomUUID } from 'node:crypto';
import { Worker } from 'node:worker_threads';
import { isObject, jsonOf, textOf, type Json } from '../../support/state-machine/json-value.ts';
import type { Handler } from './lambda-endpoint.ts';

export type DeployedFunction = {
  readonly handler: Handler;
  /** Lines that it wrote until now. */
  readonly lines: string[];
  stop(): Promise<void>;
};

export type FunctionOptions = {
  readonly name: string;
  /** Its module; TypeScript is run as it is. */
  readonly file: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
};

const PROGRAM = `
const { parentPort, workerData } = require('node:worker_threads');
const { pathToFileURL } = require('node:url');
const load = async () => {
  if (workerData.file.endsWith('.ts')) (await import('tsx/esm/api')).register();
  return import(pathToFileURL(workerData.file).href);
};
const loaded = load();
loaded.catch(() => undefined);
parentPort.on('message', async ({ id, event, context }) => {
  const endsAt = Date.now() + workerData.timeoutMs;
  try {
    const { handler } = await loaded;
    const output = await handler(event, { ...context, getRemainingTimeInMillis: () => endsAt - Date.now() });
    parentPort.postMessage({ id, output: JSON.stringify(output ?? null) });
  } catch (error) {
    parentPort.postMessage({ id, error: { name: String(error?.name), message: String(error?.message), stack: String(error?.stack) } });
  }
});
`;

/** The error of a handler, by the name that Lambda reports. */
class FunctionFailed extends Error {
  constructor(name: string, message: string) {
    super(message);
    this.name = name;
  }
}

type Waiting = { readonly resolve: (output: Json) => void; readonly reject: (error: Error) => void };

export function deployFunction(options: FunctionOptions): DeployedFunction {
  const lines: string[] = [];
  const waiting = new Map<string, Waiting>();
  let worker: Worker | undefined;

  const failAll = (error: Error): void => {
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  };
  const start = (): Worker => {
    const { file, timeoutMs } = options;
    const started = new Worker(PROGRAM, {
      eval: true,
      env: { ...options.environment },
      workerData: { file, timeoutMs },
      stdout: true,
      stderr: true,
    });
    for (const stream of [started.stdout, started.stderr]) {
      stream.on('data', (chunk: Buffer) =>
        lines.push(
          ...chunk
            .toString()
            .split('\n')
            .filter((line) => line !== ''),
        ),
      );
    }
    started.on('message', (message: unknown) => {
      const answer = jsonOf(message);
      if (!isObject(answer)) return;
      const call = waiting.get(textOf(answer['id']));
      waiting.delete(textOf(answer['id']));
      const error = answer['error'];
      if (isObject(error)) {
        lines.push(textOf(error['stack']));
        call?.reject(new FunctionFailed(textOf(error['name']), textOf(error['message'])));
      } else call?.resolve(jsonOf(JSON.parse(textOf(answer['output'] ?? 'null'))));
    });
    started.on('error', (error) => failAll(error));
    started.unref();
    return started;
  };

  return {
    lines,
    handler: async (event) => {
      const running = (worker ??= start());
      const id = randomUUID();
      const answer = new Promise<Json>((resolve, reject) => waiting.set(id, { resolve, reject }));
      // A function that takes longer is cut off, and its next call begins anew.
      const late = setTimeout(() => {
        worker = undefined;
        failAll(new FunctionFailed('Sandbox.Timedout', `${options.name} took longer than ${options.timeoutMs} ms`));
        void running.terminate();
      }, options.timeoutMs);
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
      running.postMessage({ id, event: jsonOf(event), context: { functionName: options.name, awsRequestId: id } });
      try {
        return await answer;
      } finally {
        clearTimeout(late);
      }
    },
    stop: async () => {
      await worker?.terminate();
    },
  };
}
