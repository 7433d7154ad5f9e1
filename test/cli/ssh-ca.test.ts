import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { verb } from '../../cli/ssh-ca.ts';
import { UsageError } from '../../cli/verb.ts';
import { parsePublicKey } from '../../core/config/ssh-public-key.ts';
import { sshAuthority } from '../../standalone/ssh-authority.ts';
import { keptIo } from '../support/verb-io.ts';

const data = mkdtempSync(join(tmpdir(), 'sallyport-ca-'));
afterAll(() => rmSync(data, { recursive: true }));

const run = async (args: readonly string[], env: Readonly<Record<string, string>> = {}) => {
  const io = keptIo({ env });
  return { status: await verb.run(args, io), stdout: io.written.stdout };
};

describe('sallyport ssh-ca', () => {
  test('prints the key that certificates for hosts are signed with, and the same each time', async () => {
    const { status, stdout } = await run([], { SALLYPORT_DATA: data });
    expect(status).toBe(0);
    expect(parsePublicKey(stdout)?.type).toBe('ssh-ed25519');
    expect(stdout).toBe(`${sshAuthority(data).publicKey}\n`);
    expect((await run(['--data', data])).stdout).toBe(stdout);
  });

  test('says its fingerprint to machines', async () => {
    const { stdout } = await run(['--data', data, '--json']);
    expect(JSON.parse(stdout)).toEqual({ publicKey: sshAuthority(data).publicKey, fingerprint: expect.stringMatching(/^SHA256:/) });
  });

  test.each([
    ['a place that is no data directory', ['--data', join(data, 'nowhere')]],
    ['an instance without AWS', ['--data', data, '--instance', 'prod']],
    ['AWS without an instance', ['--aws']],
    ['AWS with an instance that is no name', ['--aws', '--instance', '../prod']],
    ['AWS with a data directory', ['--aws', '--instance', 'prod', '--data', data]],
  ])('refuses %s', async (_, args) => {
    await expect(run(args)).rejects.toBeInstanceOf(UsageError);
  });
});
