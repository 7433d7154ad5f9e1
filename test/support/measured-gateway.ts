// The gateway in a process of its own before an embedded host in this one: what a client does to it shows in its memory alone.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import ssh2, { type Client, type ConnectConfig } from 'ssh2';
import type { EmbeddedHost } from './embedded-host.ts';
import type { HostGatewayConfig } from './host-gateway.ts';

type Host = Pick<EmbeddedHost, 'port' | 'hostKey' | 'clientKey'>;
/** What can be told to another process. */
type Config = Pick<HostGatewayConfig, 'policies' | 'target' | 'masking'>;

type Question =
  | { readonly kind: 'start'; readonly host: Host; readonly config: Config }
  | { readonly kind: 'token'; readonly principal: string }
  | { readonly kind: 'events' | 'log' | 'restMemory' | 'peakMemory' | 'stop' };
export type GatewayAsking = Question & { readonly id: number };
export type GatewayAnswer = { readonly id: number; readonly value?: unknown; readonly error?: string };

export type MeasuredGateway = {
  readonly port: number;
  connect(options?: { readonly principal?: string; readonly more?: ConnectConfig }): Promise<Client>;
  events(): Promise<readonly Record<string, unknown>[]>;
  log(): Promise<readonly string[]>;
  /** How many bytes the process held at the most while this ran, above what it held before. */
  growth(run: () => Promise<void>): Promise<number>;
  stop(): Promise<void>;
};

export async function startMeasuredGateway(host: Host, config: Config = {}): Promise<MeasuredGateway> {
  const child = fork(join(import.meta.dirname, 'measured-gateway-process.ts'), [], {
    execArgv: ['--import', 'tsx', '--expose-gc'],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const ended = once(child, 'exit');
  const waiting = new Map<number, { readonly resolve: (value: unknown) => void; readonly reject: (error: Error) => void }>();
  child.on('message', ({ id, value, error }: GatewayAnswer) => {
    const waits = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) waits?.resolve(value);
    else waits?.reject(new Error(error));
  });
  child.once('exit', (status) => {
    for (const { reject } of waiting.values()) reject(new Error(`the gateway ended with ${status}`));
  });
  let asked = 0;
  const ask = (question: Question): Promise<unknown> =>
    new Promise((resolve, reject) => {
      asked += 1;
      if (child.exitCode !== null) reject(new Error(`the gateway has ended with ${child.exitCode}`));
      waiting.set(asked, { resolve, reject });
      child.send({ ...question, id: asked } satisfies GatewayAsking);
    });
  const { port: hostPort, hostKey, clientKey } = host;
  const port = Number(await ask({ kind: 'start', host: { port: hostPort, hostKey, clientKey }, config }));
  const clients: Client[] = [];
  return {
    port,
    connect: async ({ principal = 'agent-7', more = {} } = {}) => {
      const password = String(await ask({ kind: 'token', principal }));
      const client = new ssh2.Client();
      clients.push(client);
      await new Promise<void>((resolve, reject) => {
        client.once('ready', resolve);
        client.once('error', reject);
        client.connect({ host: '127.0.0.1', port, username: 'web1', password, ...more });
      });
      client.on('error', () => undefined);
      return client;
    },
    // What the process hands over is what these say, here and below.
    events: async () => (await ask({ kind: 'events' })) as Record<string, unknown>[],
    log: async () => (await ask({ kind: 'log' })) as string[],
    growth: async (run) => {
      const before = Number(await ask({ kind: 'restMemory' }));
      await run();
      return Number(await ask({ kind: 'peakMemory' })) - before;
    },
    stop: async () => {
      for (const client of clients) client.end();
      await ask({ kind: 'stop' });
      child.disconnect();
      await ended;
    },
  };
}
