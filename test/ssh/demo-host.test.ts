import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ssh2 from 'ssh2';
import { expect, test } from 'vitest';
import { startDemoHost } from '../../standalone/demo/host.ts';

test('the demo starts a real sshd, that runs what it is asked in a shell and ends with the demo', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'sallyport-demo-sshd-'));
  try {
    const host = await startDemoHost({ dataDir });
    expect(host.kind).toBe('openssh');
    const client = new ssh2.Client();
    const output = await new Promise<string>((resolve, reject) => {
      client.on('error', reject);
      client.on('ready', () =>
        client.exec('systemctl status | head -n 1', (error, channel) => {
          if (error !== undefined) {
            reject(error);
            return;
          }
          let text = '';
          channel.on('data', (chunk: Buffer) => (text += chunk.toString()));
          channel.on('close', () => resolve(text));
        }),
      );
      client.connect({ host: '127.0.0.1', port: host.port, username: host.account, privateKey: readFileSync(host.keyFile) });
    });
    expect(output).toBe('bank-web.service - active (running)\n');
    client.end();
    await host.stop();
    const gone = new ssh2.Client();
    await expect(
      new Promise((resolve, reject) => {
        gone.on('error', reject);
        gone.on('ready', () => resolve(undefined));
        gone.connect({ host: '127.0.0.1', port: host.port, username: host.account, privateKey: readFileSync(host.keyFile) });
      }),
    ).rejects.toThrow(/ECONNREFUSED/);
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
});
