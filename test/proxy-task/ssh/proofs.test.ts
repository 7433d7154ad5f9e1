// What a client can show, without a connection: signatures are over whatever the transport says was signed.
import { generateKeyPairSync, sign } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { SshUserCa } from '../../../core/config/config.ts';
import { TokenRefused } from '../../../core/identity/token-refused.ts';
import { sshString } from '../../../core/ssh/wire.ts';
import { isKindTaken, proveByKey, type ProofPorts, type ShownKey } from '../../../proxy-task/ssh/proofs.ts';
import { ed25519Pair, ed25519Signature, sshCertificate, sshFixtureBlob, type CertificateFields } from '../../support/ssh-fixtures.ts';

const SIGNED = Buffer.from('the session and the request');
const CERTIFICATE = 'ssh-ed25519-cert-v01@openssh.com';
const authority = ed25519Pair();
const key = ed25519Pair();

const trusted: SshUserCa = { issuer: 'corp', publicKey: { type: 'ssh-ed25519', blob: authority.blob }, agentFrom: 'keyId' };
const ports: ProofPorts = {
  tokens: {
    verify: async () => {
      throw new TokenRefused('signature');
    },
  },
  logins: { readKey: async () => undefined, takeCode: async () => undefined },
  authorities: () => [trusted],
  agents: () => [],
  defaultAccount: (target) => (target === 'web1' ? 'deploy' : undefined),
  clock: { now: () => Date.UTC(2030, 0, 1) },
  onError: (error) => {
    throw error;
  },
};

function shownCertificate(fields: Partial<CertificateFields> = {}, change: Partial<ShownKey> = {}): ShownKey {
  const blob = sshCertificate({ key, authority, ...fields });
  return { algorithm: CERTIFICATE, blob, signature: ed25519Signature(key, SIGNED), signed: SIGNED, ...change };
}
const prove = (shown: ShownKey, account?: string, remoteAddress = '10.1.2.3') =>
  proveByKey(shown, { account, targetName: 'web1' }, remoteAddress, ports);

describe('a certificate', () => {
  test('whose key has signed names its agent', async () => {
    const proven = await prove(shownCertificate());
    expect(proven).toMatchObject({
      kind: 'proven',
      method: 'certificate',
      identity: { kind: 'certificate', proof: { signed: SIGNED, remoteAddress: '10.1.2.3' } },
      principal: { issuer: 'corp', agent: 'agent-7', groups: [] },
      restrictions: { pty: false, forward: false, command: undefined },
    });
  });

  test('restricts the session as it says', async () => {
    const shown = shownCertificate({ extensions: ['permit-pty'], critical: [['force-command', 'uptime']] });
    expect(await prove(shown)).toMatchObject({ restrictions: { pty: true, forward: false, command: 'uptime' } });
    expect(await prove(shownCertificate({ extensions: ['permit-port-forwarding'] }))).toMatchObject({
      restrictions: { pty: false, forward: true },
    });
  });

  test('for the account counts where the client takes that account, by name or as the first', async () => {
    expect((await prove(shownCertificate({ principals: ['deploy'] }))).kind).toBe('proven');
    expect((await prove(shownCertificate({ principals: ['deploy'] }), 'deploy')).kind).toBe('proven');
    expect((await prove(shownCertificate({ principals: ['deploy'] }), 'root')).kind).toBe('unproven');
  });

  test.each<[string, ShownKey, string]>([
    ['that another key signed with', shownCertificate({}, { signature: ed25519Signature(ed25519Pair(), SIGNED) }), 'signature'],
    ['whose authority signed the request', shownCertificate({}, { signature: ed25519Signature(authority, SIGNED) }), 'signature'],
    ['with a signature of another connection', shownCertificate({}, { signed: Buffer.from('another') }), 'signature'],
    ['with a signature under its own name', shownCertificate({}, { signature: ed25519Signature(key, SIGNED, CERTIFICATE) }), 'signature'],
    ['with a bare signature', shownCertificate({}, { signature: ed25519Signature(key, SIGNED).subarray(-64) }), 'signature'],
    ['without a signature', shownCertificate({}, { signature: Buffer.alloc(0) }), 'signature'],
    ['shown as a plain key', shownCertificate({}, { algorithm: 'ssh-ed25519' }), 'kind'],
    [
      'of RSA with SHA-1',
      {
        algorithm: 'ssh-rsa-cert-v01@openssh.com',
        blob: sshFixtureBlob('rsa-by-rsa-cert.pub'),
        signature: Buffer.alloc(0),
        signed: SIGNED,
      },
      'kind',
    ],
    ['of an authority that nobody configured', shownCertificate({ authority: ed25519Pair() }), 'authority'],
    ['for another host', shownCertificate({ principals: ['db1'] }), 'target'],
    ['for another address', shownCertificate({ critical: [['source-address', '10.9.0.0/16']] }), 'address'],
    ['that has expired', shownCertificate({ validBeforeS: 1n }), 'expired'],
    ['with a critical option that is not known', shownCertificate({ critical: [['no-touch', '']] }), 'kind'],
  ])('%s proves nothing', async (_, shown, says) => {
    const outcome = await prove(shown);
    expect(outcome).toMatchObject({ kind: 'unproven' });
    expect(outcome.kind === 'unproven' && outcome.reason).toContain(says);
  });
});

describe('RSA', () => {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 });
  const { n = '', e = '' } = publicKey.export({ format: 'jwk' });
  const blob = Buffer.concat([
    sshString('ssh-rsa'),
    sshString(Buffer.from(e, 'base64url')),
    sshString(Buffer.concat([Buffer.from([0]), Buffer.from(n, 'base64url')])),
  ]);
  const shown = (algorithm: string, hash: string): ShownKey => ({
    algorithm,
    blob,
    signature: sign(hash, SIGNED, privateKey),
    signed: SIGNED,
  });

  test('with SHA-1 is not taken, whether it is asked for or shown', async () => {
    expect(isKindTaken('ssh-rsa', blob)).toBe(false);
    expect(await prove(shown('ssh-rsa', 'sha1'))).toEqual({
      kind: 'unproven',
      reason: 'a key or an algorithm of a kind that is not taken',
    });
  });

  test('with SHA-1 under the name of SHA-2 is a wrong signature', async () => {
    expect(isKindTaken('rsa-sha2-256', blob)).toBe(true);
    expect(await prove(shown('rsa-sha2-256', 'sha1'))).toEqual({ kind: 'unproven', reason: 'a wrong signature' });
    expect(await prove(shown('rsa-sha2-256', 'sha256'))).toMatchObject({ reason: 'the key is not registered, or no longer' });
  });
});

test.each([
  ['ssh-dss', Buffer.alloc(400)],
  ['ssh-ed25519', Buffer.alloc(0)],
  ['ecdsa-sha2-nistp521', sshFixtureBlob('agent.pub')],
  ['sk-ssh-ed25519@openssh.com', sshFixtureBlob('agent.pub')],
  ['', sshFixtureBlob('agent.pub')],
  [CERTIFICATE, sshFixtureBlob('agent.pub')],
  ['ssh-ed25519-cert-v00@openssh.com', sshFixtureBlob('plain-cert.pub')],
])('%j is a kind that is not taken', (algorithm, blob) => {
  expect(isKindTaken(algorithm, blob)).toBe(false);
});
