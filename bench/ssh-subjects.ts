/** What carries the output of one command: OpenSSH direct, OpenSSH through a jump host, and the gateway with more and more of its controls. */
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { verb as registerKey } from '../cli/ssh-key.ts';
import { SshHost } from '../test/support/ssh-host.ts';
import { keptIo } from '../test/support/verb-io.ts';
import { freePort, startChild } from './child.ts';

/** Each target is the same host; `digest` keeps only the hash of what was printed. */
export const SSH_MODES = {
  digest: { content: 'digest', detectors: false },
  '+record': { content: 'rows', detectors: false },
  full: { content: 'rows', detectors: true },
} as const;

export const DIRECT = 'OpenSSH direct';
export const JUMP = 'ssh -J';

export type SshSubject = {
  readonly name: string;
  /** Arguments of `ssh`, the command missing. */
  readonly args: readonly string[];
  /** The gateway's process, where it is the subject. */
  readonly pid: number | undefined;
};

export type SshSubjects = {
  readonly all: readonly SshSubject[];
  readonly host: SshHost;
  /** Registered keys live for minutes: to be called before each round. */
  logIn(): Promise<void>;
  /**
   * Writes what was recorded so far to the disk, and lets go of the memory that caches it. Else it would be written in somebody
   * else's time, and each round would take memory that a virtual machine's host has yet to find.
   */
  settle(): void;
  stop(): Promise<void>;
};

const ISSUER = 'https://bench.example';
const DETECTORS = '[us-ssn, payment-card, email, iban, us-phone, aws-access-key, jwt, private-key]';
const POLICIES = `
@id("all") permit (principal in Group::"bench/readers", action in [Action::"connect", Action::"read", Action::"runProgram"], resource);
`;

/** Starts them all before one sshd. */
export async function startSshSubjects(root: string, nodeFlags: readonly string[] = []): Promise<SshSubjects> {
  const host = await SshHost.start();
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-bench-ssh-'));
  const [config, data] = [join(folder, 'config'), join(folder, 'data')];
  mkdirSync(join(config, 'policies'), { recursive: true });
  mkdirSync(data);
  const port = await freePort();
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
  const key = JSON.stringify({ ...(await exportJWK(publicKey)), kid: 'bench', alg: 'ES256', use: 'sig' });
  writeFileSync(join(config, 'sallyport.yaml'), settings(host, { postgres: await freePort(), ssh: port, api: await freePort() }, key));
  writeFileSync(join(config, 'masking.yaml'), `columns: []\npatterns:\n  - { target: full, detectors: ${DETECTORS} }\n`);
  writeFileSync(join(config, 'policies', 'bench.cedar'), POLICIES);
  const gateway = await startChild(
    process.execPath,
    [...nodeFlags, join(root, 'cli', 'sallyport.mjs'), 'serve', '--config', config, '--data', data],
    {
      port,
      cwd: root,
      env: { BENCH_KEY: host.clientKey },
    },
  );
  const common = [
    '-F',
    'none',
    '-o',
    'IdentitiesOnly=yes',
    '-o',
    'BatchMode=yes',
    '-o',
    'LogLevel=ERROR',
    '-o',
    'StrictHostKeyChecking=no',
  ];
  // Each is on loopback and was started here.
  const known = [...common, '-o', `UserKnownHostsFile=${join(folder, 'known_hosts')}`];
  const direct = [...known, '-i', host.path('keys/client'), '-p', String(host.port)];
  const jump = ['-o', `ProxyCommand=ssh ${direct.join(' ')} -W %h:%p ${host.account}@127.0.0.1`];
  const names = Object.keys(SSH_MODES);
  return {
    all: [
      { name: DIRECT, args: [...direct, `${host.account}@127.0.0.1`], pid: undefined },
      // What `-J` does, with the options of the first hop said too.
      { name: JUMP, args: [...direct, ...jump, `${host.account}@127.0.0.1`], pid: undefined },
      ...names.map((name) => ({
        name,
        args: [...known, '-i', host.path('keys/client'), '-p', String(port), `${targetOf(name)}@127.0.0.1`],
        pid: gateway.pid,
      })),
    ],
    host,
    logIn: async () => {
      const token = await new SignJWT({ groups: ['readers'] })
        .setProtectedHeader({ alg: 'ES256', kid: 'bench' })
        .setIssuer(ISSUER)
        .setAudience('sallyport')
        .setSubject('bench')
        .setJti(randomUUID())
        .setIssuedAt()
        .setExpirationTime('1h')
        .sign(privateKey);
      const io = keptIo({ env: { SALLYPORT_DATA: data, SALLYPORT_TOKEN: token } });
      if ((await registerKey.run([host.path('keys/client')], io)) !== 0) throw new Error(io.written.stderr);
    },
    settle: () => {
      execFileSync('sync');
      execFileSync('find', [data, '-name', '*.seg', '-exec', 'dd', 'if={}', 'iflag=nocache', 'count=0', 'status=none', ';']);
    },
    stop: async () => {
      await gateway.stop();
      await host.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function targetOf(name: string): string {
  return name.replaceAll('+', '');
}

function settings(host: SshHost, ports: Readonly<Record<'postgres' | 'ssh' | 'api', number>>, key: string): string {
  const targets = Object.entries(SSH_MODES).map(
    ([name, { content }]) => `
  - name: ${targetOf(name)}
    kind: ssh
    host: 127.0.0.1
    port: ${host.port}
    accounts: [${host.account}]
    hostKeys: ['${host.hostKey}']
    credential: env:BENCH_KEY
    recordContent: ${content}
    limits: { maxBytes: 100000000000, maxSession: 8h }`,
  );
  return `
listeners:
  postgres: { host: 127.0.0.1, port: ${ports.postgres} }
  ssh: { host: 127.0.0.1, port: ${ports.ssh} }
  api: { host: 127.0.0.1, port: ${ports.api} }
issuers:
  - { name: bench, issuer: "${ISSUER}", audience: sallyport, groupsAre: delegated, keys: [${key}] }
agents:
  - { name: bench/bench, owner: owner@bench.example }
targets:${targets.join('')}
recording: { rows: rows, retention: 1d }
`;
}
