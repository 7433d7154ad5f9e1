/** The demo: a real PostgreSQL with a bank in it, a host, a real issuer, and the gateway between an agent and both. */
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { writeConfigEnvironment } from '../config-environment.ts';
import { type Machine, startMachine } from '../machine.ts';
import { type DemoHost, startDemoHost } from './host.ts';
import { DemoHostUnusable } from './host-files.ts';
import { startDemoIssuer } from './issuer.ts';
import { startDemoPostgres, type DemoPostgres } from './postgres.ts';

export type DemoOptions = {
  readonly dataDir: string;
  /** 0 picks a free one. */
  readonly ports: {
    readonly postgres: number;
    readonly ssh: number;
    readonly api: number;
    readonly issuer: number;
    readonly target: number;
  };
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: (line: string) => void;
  /** Told of each step as it begins. */
  readonly progress: (step: string) => void;
  /** Another configuration than examples/bank. */
  readonly configDir?: string;
};

export type Demo = {
  readonly machine: Machine;
  readonly target: DemoPostgres;
  /** Absent where its folder is somebody else's. */
  readonly host: DemoHost | undefined;
  readonly issuer: string;
  /** An access token for an agent, as its own identity provider would give it. */
  mintToken(token: {
    readonly principal: string;
    readonly groups: readonly string[];
    readonly onBehalfOf?: string;
    readonly ttlSeconds: number;
  }): Promise<string>;
  stop(): Promise<void>;
};

/** `examples/bank/config` of this checkout. */
export const BANK_CONFIG = fileURLToPath(new URL('../../examples/bank/config', import.meta.url));

/** Starts all of it. What was started is stopped again when a later part fails. */
export async function startDemo(options: DemoOptions): Promise<Demo> {
  const { dataDir, ports, env, log, progress } = options;
  mkdirSync(dataDir, { recursive: true, mode: 0o711 });
  const undo: (() => Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    for (const step of undo.splice(0).toReversed()) await step();
  };
  try {
    progress('starting PostgreSQL with the demo bank');
    const target = await startDemoPostgres({ dataDir, port: ports.target });
    undo.push(() => target.stop());
    progress('starting the host of its web application');
    const host = await startHost(dataDir, log);
    if (host !== undefined) undo.push(() => host.stop());
    progress('starting the issuer of tokens');
    const issuer = await startDemoIssuer({ dataDir, port: ports.issuer });
    undo.push(() => issuer.stop());
    progress('starting the gateway');
    const directory = options.configDir ?? BANK_CONFIG;
    const variables = {
      SALLYPORT_ISSUER: issuer.url,
      SALLYPORT_POSTGRES_PORT: String(ports.postgres),
      SALLYPORT_SSH_PORT: String(ports.ssh),
      SALLYPORT_API_PORT: String(ports.api),
      BANK_PORT: String(target.port),
      BANK_PASSWORD_FILE: target.rolePasswordFile,
      ...(host === undefined
        ? {}
        : { WEB1_PORT: String(host.port), WEB1_ACCOUNT: host.account, WEB1_HOST_KEY: host.hostKey, WEB1_KEY_FILE: host.keyFile }),
    };
    const machine = await startMachine({ configDir: directory, dataDir, log, env: { ...env, ...variables } });
    writeConfigEnvironment(dataDir, { directory, variables });
    undo.push(() => machine.stop());
    return { machine, target, host, issuer: issuer.url, mintToken: (token) => issuer.mintToken(token), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Somebody else's demo on this machine must not keep the database from being shown. */
async function startHost(dataDir: string, log: DemoOptions['log']): Promise<DemoHost | undefined> {
  try {
    return await startDemoHost({ dataDir });
  } catch (error) {
    if (!(error instanceof DemoHostUnusable)) throw error;
    log(`warning: there is no host to reach by ssh: ${error.message}`);
    return undefined;
  }
}
