// The gateway is killed in the middle of transfers over SSH, again and again; then its evidence is held against what the host got.
import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { verb as registerKey } from '../../cli/ssh-key.ts';
import { listRecordings, readRecording } from '../../core/evidence/recordings.ts';
import { verifyEvidence, type Verification } from '../../core/evidence/verify.ts';
import { startDemoIssuer } from '../../standalone/demo/issuer.ts';
import { directorySource } from '../../standalone/evidence/directory-source.ts';
import { HOST_POLICIES } from '../support/host-gateway.ts';
import { SshHost } from '../support/ssh-host.ts';
import { keptIo } from '../support/verb-io.ts';
import { serve, type ServingGateway } from './serving-gateway.ts';

const UPLOAD_BYTES = 64 * 1024 * 1024;
/** So much of a transfer has moved when the kill comes. */
const MOVED_BYTES = 4 * 1024 * 1024;

type Event = Readonly<Record<string, unknown>>;

export type SshDrill = {
  /** What each kill met: a file that came half, bytes of an output that the client has read, a branch that was pushed to. */
  readonly uploads: readonly { readonly path: string; readonly bytesOnHost: number }[];
  readonly printed: readonly { readonly command: string; readonly bytes: number }[];
  readonly pushes: readonly string[];
  /** Of all recordings, each to its last whole batch. */
  readonly events: readonly Event[];
  readonly verification: Verification;
  readonly verify: { readonly status: number; readonly output: string };
};

/** Runs it: each kill meets one upload, one command that prints, and one push. */
export async function killTransfers(kills: number, say: (line: string) => void): Promise<SshDrill> {
  const root = mkdtempSync(join(tmpdir(), 'sallyport-test-drill-'));
  const [configDir, dataDir, issuerDir] = [join(root, 'config'), join(root, 'data'), join(root, 'issuer')] as const;
  for (const folder of [join(configDir, 'policies'), dataDir, issuerDir]) mkdirSync(folder, { recursive: true });
  const host = await SshHost.start();
  const issuer = await startDemoIssuer({ port: 0, dataDir: issuerDir });
  let running: ServingGateway | undefined;
  const started: ReturnType<typeof spawn>[] = [];
  try {
    writeFileSync(join(configDir, 'policies', 'drill.cedar'), HOST_POLICIES);
    writeFileSync(join(configDir, 'masking.yaml'), 'columns: []\npatterns: []\n');
    writeFileSync(join(configDir, 'sallyport.yaml'), settings(host, issuer.url));
    const [large, work, bare] = [join(root, 'large'), join(root, 'work'), host.path('srv/app.git')] as const;
    writeFileSync(large, randomBytes(UPLOAD_BYTES));
    await run('git', ['init', '-q', '--bare', bare]);
    await run('git', ['init', '-q', '-b', 'main', work]);
    writeFileSync(join(work, 'large'), randomBytes(UPLOAD_BYTES / 2));
    await run('git', ['-C', work, 'add', '.']);
    await run('git', ['-C', work, '-c', 'user.name=t', '-c', 'user.email=t@example.org', 'commit', '-qm', 'large']);
    const token = await issuer.mintToken({ principal: 'agent-7', groups: ['all'], ttlSeconds: 3600 });
    const uploads: SshDrill['uploads'][number][] = [];
    const printed: SshDrill['printed'][number][] = [];
    const pushes: string[] = [];
    for (let kill = 1; kill <= kills; kill += 1) {
      running = await serve(configDir, dataDir, host.clientKey);
      const io = keptIo({ env: { SALLYPORT_DATA: dataDir, SALLYPORT_TOKEN: token } });
      if ((await registerKey.run([host.path('keys/client'), '--json'], io)) !== 0) throw new Error(io.written.stderr);
      const port = portOf(io.written.stdout);
      const options = ['-F', 'none', '-o', 'IdentitiesOnly=yes', '-o', 'BatchMode=yes', '-o', 'StrictHostKeyChecking=no'];
      const known = [
        ...options,
        '-o',
        'LogLevel=ERROR',
        '-o',
        `UserKnownHostsFile=${join(root, 'known_hosts')}`,
        '-i',
        host.path('keys/client'),
      ];
      const path = host.path(`srv/upload${kill}`);
      const command = `cat /dev/zero # ${kill}`;
      const branch = `refs/heads/drill${kill}`;
      const upload = spawn('scp', [...known, '-P', String(port), large, `web1@127.0.0.1:${path}`], { stdio: 'ignore' });
      const print = spawn('ssh', [...known, '-p', String(port), 'web1@127.0.0.1', command], { stdio: ['ignore', 'pipe', 'ignore'] });
      const ssh = `ssh ${known.join(' ')} -p ${port}`;
      const push = spawn('git', ['-C', work, 'push', '-q', `web1@127.0.0.1:${bare}`, `main:${branch}`], {
        stdio: 'ignore',
        env: { ...process.env, GIT_SSH_COMMAND: ssh },
      });
      started.push(upload, print, push);
      const ended = [upload, print, push].map((child) => new Promise((resolve) => child.once('close', resolve)));
      let bytes = 0;
      print.stdout.on('data', (chunk: Buffer) => (bytes += chunk.length));
      await until(() => bytes > MOVED_BYTES && sizeOf(path) > MOVED_BYTES);
      await running.kill();
      await Promise.all(ended);
      uploads.push({ path, bytesOnHost: sizeOf(path) });
      printed.push({ command, bytes });
      pushes.push(branch);
      say(`kill ${kill} of ${kills}: ${sizeOf(path)} bytes uploaded, ${bytes} printed`);
    }
    // The next one seals what the killed ones left.
    running = await serve(configDir, dataDir, host.clientKey);
    await running.stop();
    const source = directorySource(join(dataDir, 'evidence'));
    const events: Event[] = [];
    for (const recording of await listRecordings(source))
      for await (const batch of readRecording(source, recording)) events.push(...batch.events);
    const arrived = await run('git', ['-C', bare, 'for-each-ref', '--format=%(refname)']);
    return {
      uploads,
      printed,
      pushes: pushes.filter((branch) => arrived.includes(branch)),
      events,
      verification: await verifyEvidence(source),
      verify: await verified(dataDir),
    };
  } finally {
    for (const child of started) child.kill('SIGKILL');
    await running?.kill();
    await issuer.stop();
    await host.stop();
    rmSync(root, { recursive: true, force: true });
  }
}

function settings(host: SshHost, issuer: string): string {
  return `
listeners:
  postgres: { host: 127.0.0.1, port: 0 }
  ssh: { host: 127.0.0.1, port: 0 }
  api: { host: 127.0.0.1, port: 0 }
issuers:
  - { name: demo, issuer: "${issuer}", audience: sallyport, groupsAre: delegated, approverClientIds: [sallyport-console, sallyport-cli] }
agents:
  - { name: demo/agent-7, owner: owen@bank.example }
approverGroups: { dba: demo/dba }
targets:
  - name: web1
    kind: ssh
    host: 127.0.0.1
    port: ${host.port}
    accounts: [${host.account}]
    hostKeys: ['${host.hostKey}']
    credential: env:TARGET_PASSWORD
recording: { rows: rows, retention: 30d }
`;
}

function portOf(answer: string): number {
  const { port }: { readonly port: number } = JSON.parse(answer);
  return port;
}

function sizeOf(path: string): number {
  return existsSync(path) ? statSync(path).size : 0;
}

/** Polls: what moves is in other processes. */
async function until(isSo: () => boolean): Promise<void> {
  const giveUpAt = Date.now() + 60_000;
  while (!isSo()) {
    if (Date.now() > giveUpAt) throw new Error('the transfers did not get under way');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function run(program: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, [...args], (error, stdout, stderr) =>
      error === null ? resolve(stdout) : reject(new Error(`${program}: ${stderr}`)),
    );
  });
}

function verified(dataDir: string): Promise<SshDrill['verify']> {
  return new Promise((resolve) => {
    const args = [join(import.meta.dirname, '../../cli/sallyport.mjs'), 'verify', dataDir];
    execFile(process.execPath, args, { maxBuffer: 16 * 1024 * 1024 }, (error, stdout, stderr) => {
      resolve({ status: error === null ? 0 : Number(error.code), output: stdout + stderr });
    });
  });
}
