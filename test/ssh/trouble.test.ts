/** Hosts that are not as they should be, and clients that send what nobody should. */
import { existsSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { run } from '../support/host-gateway.ts';
import { startSshLab, type SshLab } from '../support/ssh-lab.ts';
import { layOut } from './support/guarded-host.ts';

let lab: SshLab;
beforeAll(async () => {
  lab = await startSshLab();
});
afterAll(() => lab.stop());
beforeEach(() => layOut(lab.host));

describe('a command is refused that', () => {
  test('has a NUL in it', async () => {
    const client = await lab.gateway.connect();
    const { status, stdout, stderr } = await run(client, 'echo a\0b');
    expect({ status, stdout: stdout.toString() }).toEqual({ status: 77, stdout: '' });
    expect(stderr).toMatch(/^sallyport: /);
    client.end();
  });

  test('is not UTF-8', async () => {
    const { status, stdout, stderr } = await lab.home.run('bash', ['-c', `ssh -F ${lab.home.path('ssh_config')} all $'echo \\xff\\xfe'`]);
    expect({ status, stdout: stdout.toString() }).toEqual({ status: 77, stdout: '' });
    expect(stderr).toContain('UTF-8');
  });
});

describe('a command that is too long', () => {
  const words = (bytes: number): readonly string[] => Array.from({ length: bytes / 10_000 }, () => 'x'.repeat(9_999));

  test('is refused with its limit, as long as OpenSSH’s own server would read it', async () => {
    const { status, stdout, stderr } = await lab.run('ssh', ['all', 'echo', ...words(200_000)]);
    expect({ status, stdout: stdout.toString() }).toEqual({ status: 77, stdout: '' });
    expect(stderr).toContain('sallyport: ZG014 the command could not be judged: it is longer than 65536 bytes');
  });

  test('of a megabyte ends its connection, and says where such a script goes', async () => {
    const { status, stderr } = await lab.run('ssh', ['-o', 'LogLevel=INFO', 'all', 'echo', ...words(1_000_000)]);
    expect(status).toBe(255);
    expect(stderr).toContain('sallyport: 08P01 a message of ');
    expect(stderr).toContain('Send a long script on standard input or as a file.');
  });
});

describe('no session is opened', () => {
  test('with a host that shows another key than the pinned one, nor is a command sent', async () => {
    await lab.host.stopListening();
    lab.host.newHostKey();
    await lab.host.listen();
    const { status, stderr } = await lab.run('ssh', ['all', `touch ${lab.host.path('srv/work/new')}`]);
    expect(status).not.toBe(0);
    expect(stderr).toContain('sallyport: ');
    expect(existsSync(lab.host.path('srv/work/new'))).toBe(false);
  });

  test('with a host that is down', async () => {
    await lab.host.stopListening();
    const { status, stderr } = await lab.run('ssh', ['all', 'id']);
    expect(status).not.toBe(0);
    expect(stderr).toContain('sallyport: ');
  });
});

test('all of it verifies', async () => {
  await lab.settled();
  const { intact, complete, findings } = await lab.verify();
  expect({ intact, complete, findings }).toEqual({ intact: true, complete: true, findings: [] });
});
