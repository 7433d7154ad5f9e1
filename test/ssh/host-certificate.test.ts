// Certificates of the own authority before OpenSSH itself: what ssh-keygen reads in them, and what sshd takes.
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { certificateFor, certificateToSign, signedCertificate } from '../../core/credential/host-certificate.ts';
import { p256Blob, p256Signature } from '../../core/ssh/ecdsa.ts';
import { sshAuthority } from '../../standalone/ssh-authority.ts';
import { ed25519Pair } from '../support/ssh-fixtures.ts';
import { startSshLab, type SshLab } from '../support/ssh-lab.ts';
import { SshHome } from '../support/ssh-program.ts';

const folder = mkdtempSync(join(tmpdir(), 'sallyport-authority-'));
const trusted = join(folder, 'trusted.pub');
let lab: SshLab;
beforeAll(async () => {
  writeFileSync(trusted, '');
  lab = await startSshLab({ credential: 'sshCa', sshd: { config: `TrustedUserCAKeys ${trusted}\nLogLevel VERBOSE` } });
}, 60_000);
afterAll(async () => {
  await lab.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe('a certificate', () => {
  test('is what ssh-keygen reads it to be', async () => {
    const home = new SshHome();
    // The authority reads only the target's name.
    const target = { kind: 'ssh', name: 'web1' } as never;
    const principal = { issuer: 'corp', agent: 'agent 7=x', human: 'ann@bank.example', groups: [], expiresAtMs: 0 };
    const issued = sshAuthority(folder).credential({ target, account: 'deploy', principal, session: 's_1' }, Date.UTC(2026, 0, 2, 3, 4, 5));
    const blob = issued.certificate ?? Buffer.alloc(0);
    writeFileSync(home.path('key-cert.pub'), `ssh-ed25519-cert-v01@openssh.com ${blob.toString('base64')}\n`);
    const { stdout } = await home.run('ssh-keygen', ['-L', '-f', home.path('key-cert.pub')], { env: { TZ: 'UTC' } });
    const said = stdout.toString();
    expect(said).toContain('Type: ssh-ed25519-cert-v01@openssh.com user certificate');
    expect(said).toContain('Key ID: "sallyport agent=corp/agent%207%3Dx human=ann@bank.example session=s_1"');
    expect(said).toContain(`Serial: ${issued.id.slice('sshCa:'.length)}`);
    expect(said).toContain('Valid: from 2026-01-02T03:03:05 to 2026-01-02T03:09:05');
    expect(said).toMatch(
      /Principals: \n\s+deploy\n\s+Critical Options: \(none\)\n\s+Extensions: \n\s+permit-port-forwarding\n\s+permit-pty\n/,
    );
    home.remove();
  });

  test('of an authority on P-256, as KMS has it, is read too, and says where it is good', async () => {
    const home = new SshHome();
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const principal = { issuer: 'corp', agent: 'agent-7', groups: [], expiresAtMs: 0 };
    const login = { publicKey: ed25519Pair().blob, account: 'deploy', principal, session: 's_1', without: ['permit-pty'] };
    const nowMs = Date.UTC(2026, 0, 2, 3, 4, 5);
    const certificate = certificateFor({
      ...login,
      sourceAddresses: ['10.65.0.0/20', '2001:db8::/64'],
      nonce: randomBytes(32),
      serial: 7n,
      nowMs,
    });
    const toSign = certificateToSign(certificate, p256Blob(publicKey));
    const blob = signedCertificate(toSign, p256Signature(sign('sha256', toSign, privateKey)));
    writeFileSync(home.path('key-cert.pub'), `ssh-ed25519-cert-v01@openssh.com ${blob.toString('base64')}\n`);
    const { stdout, status } = await home.run('ssh-keygen', ['-L', '-f', home.path('key-cert.pub')]);
    expect([status, stdout.toString()]).toEqual([0, expect.stringMatching(/Signing CA: ECDSA SHA256:\S+ \(using ecdsa-sha2-nistp256\)/)]);
    expect(stdout.toString()).toMatch(
      /Critical Options: \n\s+source-address 10\.65\.0\.0\/20,2001:db8::\/64\n\s+Extensions: \n\s+permit-port-forwarding\n/,
    );
    home.remove();
  });

  test('is no way in to a host that does not trust the authority', async () => {
    const { status, stderr } = await lab.run('ssh', ['all', 'echo hello']);
    expect(status).toBe(77);
    expect(stderr).toContain('the gateway cannot log in to target "web1"');
  });

  test('lets the gateway in where the authority is trusted, and the host logs for whom', async () => {
    writeFileSync(trusted, `${sshAuthority(lab.gateway.dataDir).publicKey}\n`);
    const { status, stdout, stderr } = await lab.run('ssh', ['all', 'echo hello']);
    expect(stderr).toBe('');
    expect(stdout.toString()).toBe('hello\n');
    expect(status).toBe(0);
    await expect.poll(() => lab.host.log.join('')).toMatch(/Accepted certificate ID "sallyport agent=demo\/agent-7 .*session=s_/);
  });
});
