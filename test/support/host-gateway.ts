// The whole gateway in this process before an embedded host, with a real issuer: what the SSH suites speak to.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ssh2, { type Client, type ClientChannel, type ConnectConfig, type ExecOptions } from 'ssh2';
import { play, type Scene } from '../../core/evidence/play.ts';
import { listRecordings, readRecording } from '../../core/evidence/recordings.ts';
import { directorySource } from '../../standalone/evidence/directory-source.ts';
import { startDemoIssuer, type DemoIssuer } from '../../standalone/demo/issuer.ts';
import { startMachine, type Machine, type MachineOptions } from '../../standalone/machine.ts';
import type { EmbeddedHost } from './embedded-host.ts';
import { approvalsAt, type TestGateway } from './gateway.ts';

export type HostGatewayConfig = {
  readonly policies?: string;
  readonly masking?: string;
  /** Lines below the target `web1`, indented by four spaces. */
  readonly target?: string;
  readonly credential?: string;
  readonly hostKeys?: readonly string[];
  readonly port?: number;
  readonly accounts?: readonly string[];
  readonly beforeGate?: MachineOptions['beforeGate'];
  readonly beforeRecorder?: MachineOptions['beforeRecorder'];
  readonly expiryGraceMs?: number;
};

export type Ran = {
  readonly stdout: Buffer;
  readonly stderr: string;
  readonly status: number | null | undefined;
  readonly signal: string | undefined;
};

export type HostGateway = Pick<TestGateway, 'pending' | 'answer'> & {
  readonly machine: Machine;
  readonly issuer: DemoIssuer;
  readonly dataDir: string;
  readonly log: string[];
  reconfigure(policies: string): void;
  /** A client that has logged in; ended with the gateway. */
  connect(options?: {
    readonly user?: string;
    readonly principal?: string;
    readonly groups?: readonly string[];
    readonly more?: ConnectConfig;
    readonly ttlSeconds?: number;
  }): Promise<Client>;
  /** All recordings so far, as they are replayed. */
  scenes(): Promise<readonly Scene[]>;
  /** Their events. */
  events(): Promise<readonly Record<string, unknown>[]>;
  stop(): Promise<void>;
};

export const HOST_POLICIES = `
@id("connect") permit (principal, action == Action::"connect", resource);
@id("all") permit (principal in Group::"demo/all", action in [Action::"all", Action::"openShell", Action::"forward", Action::"unknown"], resource);
@id("ask") @approvers("dba") @quorum("1") @hold("20s") @expires("1h") @grant("5m") @reason("A second person decides")
permit (principal in Group::"demo/analysts", action in [Action::"all", Action::"openShell", Action::"forward", Action::"unknown"], resource)
when { context has approval };
@id("no") @reason("Not for guests")
forbid (principal in Group::"demo/guests", action in [Action::"all", Action::"openShell", Action::"forward", Action::"unknown"], resource);
`;

export async function startHostGateway(
  host: Pick<EmbeddedHost, 'port' | 'hostKey' | 'clientKey'>,
  config: HostGatewayConfig = {},
): Promise<HostGateway> {
  const root = mkdtempSync(join(tmpdir(), 'sallyport-test-hosts-'));
  const dataDir = join(root, 'data');
  const configDir = join(root, 'config');
  mkdirSync(join(configDir, 'policies'), { recursive: true });
  mkdirSync(dataDir, { recursive: true });
  const reconfigure = (policies: string): void => writeFileSync(join(configDir, 'policies', 'test.cedar'), policies);
  reconfigure(config.policies ?? HOST_POLICIES);
  writeFileSync(join(configDir, 'masking.yaml'), config.masking ?? 'columns: []\npatterns: []\n');
  const issuer = await startDemoIssuer({ port: 0, dataDir });
  writeFileSync(
    join(configDir, 'sallyport.yaml'),
    `
listeners:
  postgres: { host: 127.0.0.1, port: 0 }
  ssh: { host: 127.0.0.1, port: 0 }
  api: { host: 127.0.0.1, port: 0 }
issuers:
  - { name: demo, issuer: "${issuer.url}", audience: sallyport, groupsAre: delegated, approverClientIds: [sallyport-console, sallyport-cli] }
agents:
  - { name: demo/agent-7, owner: owen@bank.example }
  - { name: demo/agent-8, owner: owen@bank.example }
approverGroups: { dba: demo/dba }
targets:
  - name: web1
    kind: ssh
    host: 127.0.0.1
    port: ${config.port ?? host.port}
    accounts: ${JSON.stringify(config.accounts ?? ['app', 'deploy'])}
    hostKeys: ${JSON.stringify(config.hostKeys ?? [host.hostKey])}
    credential: ${config.credential ?? 'env:WEB1_KEY'}
${config.target ?? ''}
recording: { rows: rows, retention: 30d }
`,
  );
  const log: string[] = [];
  const machine = await startMachine({
    configDir,
    dataDir,
    env: { WEB1_KEY: host.clientKey },
    log: (line) => log.push(line),
    expiryGraceMs: config.expiryGraceMs,
    ...(config.beforeGate === undefined ? {} : { beforeGate: config.beforeGate }),
    ...(config.beforeRecorder === undefined ? {} : { beforeRecorder: config.beforeRecorder }),
  });
  const clients: Client[] = [];
  const scenes = async (): Promise<Scene[]> => {
    const source = directorySource(machine.evidenceDir);
    const found: Scene[] = [];
    for (const recording of await listRecordings(source))
      for await (const scene of play(readRecording(source, recording))) found.push(scene);
    return found;
  };
  return {
    machine,
    issuer,
    dataDir,
    log,
    reconfigure,
    ...approvalsAt(machine.api, dataDir, issuer.url),
    connect: async ({ user = 'web1', principal = 'agent-7', groups = ['all'], ttlSeconds = 900, more = {} } = {}) => {
      const password = await issuer.mintToken({ principal, groups, ttlSeconds });
      const client = new ssh2.Client();
      clients.push(client);
      await new Promise<void>((resolve, reject) => {
        client.once('ready', resolve);
        client.once('error', reject);
        client.connect({ host: '127.0.0.1', port: machine.ssh?.port ?? 0, username: user, password, ...more });
      });
      // A connection that the gateway ends is the subject of some tests.
      client.on('error', () => undefined);
      return client;
    },
    scenes,
    events: async () => (await scenes()).flatMap((scene) => (scene.kind === 'event' ? [scene.event] : [])),
    stop: async () => {
      for (const client of clients) client.end();
      await machine.stop();
      await issuer.stop();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

/** Opens the channel of a command. */
export function exec(client: Client, command: string, options: ExecOptions = {}): Promise<ClientChannel> {
  return new Promise((resolve, reject) => {
    client.exec(command, options, (error, channel) => (error === undefined ? resolve(channel) : reject(error)));
  });
}

/** Everything that a channel says, once it is closed. */
export function collect(channel: ClientChannel): Promise<Ran> {
  return new Promise((resolve) => {
    const stdout: Buffer[] = [];
    let stderr = '';
    let status: number | null | undefined;
    let signal: string | undefined;
    channel.on('data', (chunk: Buffer) => stdout.push(chunk));
    channel.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    channel.on('exit', (code: number | null, name?: string) => {
      status = code;
      signal = name;
    });
    channel.on('close', () => resolve({ stdout: Buffer.concat(stdout), stderr, status, signal }));
  });
}

/** What the channels carried, as it is on record. */
export function recorded(scenes: readonly Scene[], stream: 'input' | 'stdout' | 'stderr'): Buffer {
  return Buffer.concat(scenes.flatMap((scene) => (scene.kind === 'data' && scene.stream === stream ? [scene.bytes] : [])));
}

/** Runs a command with this input. */
export function run(
  client: Client,
  command: string,
  { input, ...options }: ExecOptions & { readonly input?: Buffer | string } = {},
): Promise<Ran> {
  return new Promise((resolve, reject) => {
    client.exec(command, options, (error, channel) => {
      if (error !== undefined) {
        reject(error);
        return;
      }
      // Listened to before anything else is read: the end may be in the same bytes.
      resolve(collect(channel));
      channel.end(input);
    });
  });
}
