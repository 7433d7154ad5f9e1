/**
 * An object store that truly locks: Ceph's gateway with one monitor and one store in memory, on loopback, by any account. Installs
 * Debian's packages where it may; else it fails and says what is missing. About 20 s to start.
 */
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { randomInt, randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const PROGRAMS = { radosgw: 'radosgw', 'ceph-mon': 'ceph-mon', 'ceph-osd': 'ceph-osd', ceph: 'ceph-common' };
const INSTALL_TIMEOUT_MS = 400_000;
const START_TIMEOUT_MS = 90_000;
const PORT_ATTEMPTS = 20;

export const RADOSGW_CREDENTIALS = { accessKeyId: 'test', secretAccessKey: 'test-secret' };

export type Radosgw = { readonly url: string; stop(): Promise<void> };

/** Throws what is missing or what did not start, with its last words. */
export async function startRadosgw(): Promise<Radosgw> {
  ensureInstalled();
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-radosgw-'));
  const cluster = new Cluster(folder, await freePort(), await freePort());
  try {
    await cluster.start();
  } catch (error) {
    await cluster.stop();
    throw error;
  }
  return { url: cluster.url, stop: () => cluster.stop() };
}

class Cluster {
  readonly url: string;
  private readonly folder: string;
  private readonly conf: string;
  private readonly keyring: string;
  private readonly monitorPort: number;
  private readonly fsid = randomUUID();
  private readonly children: ChildProcess[] = [];

  constructor(folder: string, monitorPort: number, gatewayPort: number) {
    this.folder = folder;
    this.conf = join(folder, 'ceph.conf');
    this.keyring = join(folder, 'keyring');
    this.monitorPort = monitorPort;
    this.url = `http://127.0.0.1:${gatewayPort}`;
    for (const each of ['mon', 'osd', 'rgw', 'run']) mkdirSync(join(folder, each));
    writeFileSync(this.conf, settings(folder, this.fsid, monitorPort, gatewayPort));
  }

  async start(): Promise<void> {
    const { keyring, folder, fsid } = this;
    const map = join(folder, 'monmap');
    const address = `[v1:127.0.0.1:${this.monitorPort}]`;
    await this.run('ceph-authtool', ['--create-keyring', keyring, '--gen-key', '-n', 'mon.', '--cap', 'mon', 'allow *']);
    await this.run('ceph-authtool', [keyring, '--gen-key', '-n', 'client.admin', '--cap', 'mon', 'allow *', '--cap', 'osd', 'allow *']);
    await this.run('monmaptool', ['--create', '--addv', 'a', address, '--fsid', fsid, map]);
    await this.ceph('ceph-mon', ['-i', 'a', '--mkfs', '--monmap', map, '--keyring', keyring]);
    this.spawn('ceph-mon', ['-i', 'a']);
    await this.until('the monitor', async () => (await this.ask('quorum_status')).includes('"quorum_names":["a"]'));
    const store = randomUUID();
    await this.ceph('ceph', ['osd', 'new', store, '0']);
    await this.ceph('ceph-osd', ['-i', '0', '--mkfs', '--osd-uuid', store]);
    await this.ceph('ceph', ['osd', 'crush', 'add', '0', '1.0', 'root=default']);
    this.spawn('ceph-osd', ['-i', '0']);
    await this.until('the store', async () => (await this.ask('osd stat')).includes('"num_up_osds":1'));
    const { accessKeyId, secretAccessKey } = RADOSGW_CREDENTIALS;
    const keys = [`--access-key=${accessKeyId}`, `--secret-key=${secretAccessKey}`];
    await this.ceph('radosgw-admin', ['user', 'create', '--uid=test', '--display-name=test', ...keys]);
    this.spawn('radosgw', ['-n', 'client.rgw', '--keyring', keyring]);
    await this.until('the gateway', async () => (await fetch(this.url)).ok);
  }

  async stop(): Promise<void> {
    for (const child of this.children) {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.stdin?.end();
      if (child.exitCode === null && child.signalCode === null) await ended;
    }
    rmSync(this.folder, { recursive: true, force: true });
  }

  private ask(command: string): Promise<string> {
    return this.ceph('ceph', [...command.split(' '), '--format', 'json', '--connect-timeout', '5']);
  }

  private ceph(program: string, parameters: readonly string[]): Promise<string> {
    return this.run(program, ['-c', this.conf, ...parameters]);
  }

  private async run(program: string, parameters: readonly string[]): Promise<string> {
    const { stdout } = await promisify(execFile)(program, [...parameters], { timeout: START_TIMEOUT_MS });
    return stdout;
  }

  /** Ends with whoever holds the other end of its standard input, so that no crash of a run leaves a cluster behind. */
  private spawn(program: string, parameters: readonly string[]): void {
    const log = join(this.folder, `${program}.out`);
    const script = '"$@" </dev/null >"$0" 2>&1 & cat >/dev/null; kill -9 $!; wait $! 2>/dev/null; exit 0';
    this.children.push(
      spawn('sh', ['-c', script, log, program, '-c', this.conf, '-f', ...parameters], { stdio: ['pipe', 'ignore', 'ignore'] }),
    );
  }

  private async until(what: string, holds: () => Promise<boolean>): Promise<void> {
    const deadline = Date.now() + START_TIMEOUT_MS;
    while (!(await holds().catch(() => false))) {
      if (Date.now() > deadline) throw new Error(`${what} of the object store did not start: ${this.lastWords()}`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }

  private lastWords(): string {
    return Object.keys(PROGRAMS)
      .map((program) => {
        try {
          return readFileSync(join(this.folder, `${program}.out`), 'utf8').slice(-600);
        } catch {
          // It was not started.
          return '';
        }
      })
      .join('\n');
  }
}

/** One monitor that speaks the old protocol without encryption: the new one wants a keyring that only packages make. */
function settings(folder: string, fsid: string, monitorPort: number, gatewayPort: number): string {
  return `[global]
fsid = ${fsid}
mon host = v1:127.0.0.1:${monitorPort}
mon initial members = a
auth cluster required = none
auth service required = none
auth client required = none
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind msgr2 = false
ms cluster mode = crc
ms service mode = crc
ms client mode = crc
ms mon cluster mode = crc
ms mon service mode = crc
ms mon client mode = crc
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
mon allow pool size one = true
mon data avail crit = 1
mon data avail warn = 1
osd crush chooseleaf type = 0
osd objectstore = memstore
memstore device bytes = 1073741824
run dir = ${folder}/run
admin socket = ${folder}/run/$cluster-$name.$pid.asok
pid file = ${folder}/run/$name.pid
log file = ${folder}/$name.log
mon cluster log file = ${folder}/cluster.log
keyring = ${folder}/keyring
[mon.a]
mon data = ${folder}/mon
mon addr = 127.0.0.1:${monitorPort}
[osd.0]
osd data = ${folder}/osd
[client.rgw]
rgw data = ${folder}/rgw
rgw frontends = beast endpoint=127.0.0.1:${gatewayPort}
rgw thread pool size = 16
`;
}

function ensureInstalled(): void {
  const missing = Object.entries(PROGRAMS)
    .filter(([program]) => spawnSync(program, ['--version']).status !== 0)
    .map(([, name]) => name);
  if (missing.length === 0) return;
  const says = `the object store that truly locks needs Debian's packages ${missing.join(', ')}`;
  if (process.getuid?.() !== 0 || spawnSync('apt-get', ['--version']).status !== 0)
    throw new Error(`${says}, and only root can install them`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const steps = [
    ['update', '-qq'],
    ['install', '-y', '-qq', '--no-install-recommends', ...missing],
  ];
  for (const step of steps) {
    const ran = spawnSync('apt-get', step, { encoding: 'utf8', timeout: INSTALL_TIMEOUT_MS, env });
    if (ran.status !== 0) throw new Error(`${says}: apt-get ${step[0]} failed: ${ran.stderr}`);
  }
}

/** Below the ephemeral ports: one that a client's own end could take would fail now and then. */
async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < PORT_ATTEMPTS; attempt += 1) {
    const port = randomInt(20_000, 32_000);
    const taken = await new Promise<boolean>((resolve) => {
      const socket = connect({ host: '127.0.0.1', port });
      socket.once('connect', () => {
        socket.destroy();
        resolve(true);
      });
      socket.once('error', () => resolve(false));
    });
    if (!taken) return port;
  }
  throw new Error('no port is free');
}
