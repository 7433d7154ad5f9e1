import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ssh2, { type Client, type SFTPWrapper } from 'ssh2';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeHostKey } from '../../../proxy-task/ssh/host-key.ts';
import { startDemoHost, type DemoHost } from '../../../standalone/demo/host.ts';
import { HOST_ROOT } from '../../../standalone/demo/host-files.ts';

let dataDir = '';
let host: DemoHost;
let client: Client;

beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'sallyport-demo-host-'));
  // As on a machine without OpenSSH's server.
  host = await startDemoHost({ dataDir, sshd: undefined });
  client = await connect(readFileSync(host.keyFile, 'utf8'));
});
afterAll(async () => {
  client.end();
  await host.stop();
  rmSync(dataDir, { recursive: true, force: true });
});

function connect(privateKey: string): Promise<Client> {
  const connecting = new ssh2.Client();
  return new Promise((resolve, reject) => {
    connecting.on('ready', () => resolve(connecting));
    connecting.on('error', reject);
    connecting.connect({ host: '127.0.0.1', port: host.port, username: host.account, privateKey });
  });
}

function run(command: string): Promise<{ output: string; status: number | null }> {
  return new Promise((resolve, reject) =>
    client.exec(command, (error, channel) => {
      if (error !== undefined) {
        reject(error);
        return;
      }
      let output = '';
      channel.on('data', (chunk: Buffer) => (output += chunk.toString()));
      channel.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
      channel.on('exit', (status: number | null) => channel.on('close', () => resolve({ output, status })));
    }),
  );
}

function files<T>(work: (sftp: SFTPWrapper, done: (error: Error | null | undefined, value?: T) => void) => void): Promise<T | undefined> {
  return new Promise((resolve, reject) =>
    client.sftp((error, sftp) => {
      if (error !== undefined) {
        reject(error);
        return;
      }
      work(sftp, (failed, value) => {
        sftp.end();
        if (failed === undefined || failed === null) resolve(value);
        else reject(failed);
      });
    }),
  );
}

describe('the embedded host', () => {
  test('runs its programs with quoted words, without a shell', async () => {
    expect(host.kind).toBe('embedded');
    expect((await run(`cat ${HOST_ROOT}/app/config.yaml`)).output).toContain('name: bank-web');
    expect(await run(`echo 'a  b' "c;d" $HOME`)).toEqual({ output: 'a  b c;d $HOME\n', status: 0 });
    expect((await run('cat /no/such/file')).status).toBe(1);
  });

  test('has no other program, and says which it has', async () => {
    const { output, status } = await run('rm -rf /');
    expect(status).toBe(127);
    expect(output).toContain('it has cat, head');
  });

  test('lets no other key in', async () => {
    await expect(connect(makeHostKey().privateKey)).rejects.toThrow(/authentication/);
  });

  test('gives files below its folder, and nothing else', async () => {
    const read = await files<Buffer>((sftp, done) => sftp.readFile(`${HOST_ROOT}/app/config.yaml`, done));
    expect(read?.toString()).toContain('database: bank');
    const names = await files<readonly { filename: string }[]>((sftp, done) => sftp.readdir(`${HOST_ROOT}/app`, done));
    expect(names?.map(({ filename }) => filename)).toEqual(expect.arrayContaining(['app.log', 'secrets']));
    await expect(files((sftp, done) => sftp.readFile('/etc/hostname', done))).rejects.toThrow();
    await expect(files((sftp, done) => sftp.readFile(`${HOST_ROOT}/../../../etc/hostname`, done))).rejects.toThrow();
    await expect(files((sftp, done) => sftp.writeFile(`${HOST_ROOT}/uploads/x`, 'x', done))).rejects.toThrow();
    await expect(files((sftp, done) => sftp.unlink(`${HOST_ROOT}/app/app.log`, done))).rejects.toThrow();
  });

  test('keeps its keys between starts', async () => {
    const again = await startDemoHost({ dataDir, sshd: undefined });
    expect(again.hostKey).toBe(host.hostKey);
    await again.stop();
  });
});
