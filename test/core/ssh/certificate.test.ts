import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { SshUserCa } from '../../../core/config/config.ts';
import { SshMalformed } from '../../../core/ssh/wire.ts';
import { judgeCertificate, type CertificateLogin } from '../../../core/ssh/certificate-login.ts';
import { readUserCertificate } from '../../../core/ssh/user-certificate.ts';
import { parseUserName } from '../../../core/ssh/user-name.ts';
import { ed25519Pair, sshCertificate, sshFixtureBlob, type CertificateFields } from '../../support/ssh-fixtures.ts';

const NOW = Date.UTC(2030, 0, 1);

describe('certificates that ssh-keygen made', () => {
  test.each([
    ['plain', 'ca'],
    ['rsa-by-rsa', 'ca-rsa'],
    ['ecdsa-by-ecdsa', 'ca-ecdsa'],
    ['restricted', 'ca'],
    ['without-principals', 'ca'],
    ['forever', 'ca'],
  ])('%s is read, and is of %s', (name, ca) => {
    const certificate = readUserCertificate(sshFixtureBlob(`${name}-cert.pub`));
    expect(certificate.authority).toEqual(sshFixtureBlob(`${ca}.pub`));
    expect(certificate.keyId).toBe('agent-7');
  });

  test('all fields are as ssh-keygen was told', () => {
    expect(readUserCertificate(sshFixtureBlob('plain-cert.pub'))).toMatchObject({
      serial: 42n,
      principals: ['web1', 'deploy'],
      validAfterMs: Date.UTC(2026, 0, 1),
      validBeforeMs: Date.UTC(2036, 0, 1),
      forceCommand: undefined,
      sourceAddresses: undefined,
      extensions: new Set(['permit-X11-forwarding', 'permit-agent-forwarding', 'permit-port-forwarding', 'permit-pty', 'permit-user-rc']),
    });
    expect(readUserCertificate(sshFixtureBlob('restricted-cert.pub'))).toMatchObject({
      forceCommand: 'uptime -p',
      sourceAddresses: ['10.0.0.0/8', '2001:db8::/32'],
      extensions: new Set(['permit-pty']),
    });
  });

  test.each([
    ['by-sha1', 'signed'],
    ['for-a-host', 'users'],
    ['unknown-critical', 'critical'],
    ['verify-required', 'critical'],
  ])('%s is refused', (name, says) => {
    expect(() => readUserCertificate(sshFixtureBlob(`${name}-cert.pub`))).toThrow(says);
  });

  test('any changed byte makes it void', () => {
    const blob = sshFixtureBlob('restricted-cert.pub');
    fc.assert(
      fc.property(fc.nat({ max: blob.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, by) => {
        const changed = Buffer.from(blob);
        changed[at] = (changed[at] ?? 0) ^ by;
        expect(() => readUserCertificate(changed)).toThrow(SshMalformed);
      }),
      { numRuns: 1_000 },
    );
  });

  test('it cannot be cut or go on', () => {
    const blob = sshFixtureBlob('plain-cert.pub');
    for (let end = 0; end < blob.length; end += 7) expect(() => readUserCertificate(blob.subarray(0, end))).toThrow(SshMalformed);
    expect(() => readUserCertificate(Buffer.concat([blob, Buffer.from([0])]))).toThrow(SshMalformed);
    expect(() => readUserCertificate(Buffer.alloc(100_000))).toThrow(SshMalformed);
  });
});

describe('certificates that an authority could write', () => {
  const authority = ed25519Pair();
  const key = ed25519Pair();
  const make = (fields: Partial<CertificateFields> = {}): Buffer => sshCertificate({ key, authority, ...fields });

  test.each<[string, Partial<CertificateFields>]>([
    [
      'options out of their order',
      {
        critical: [
          ['source-address', '10.0.0.1'],
          ['force-command', 'x'],
        ],
      },
    ],
    [
      'an option twice',
      {
        critical: [
          ['force-command', 'x'],
          ['force-command', 'y'],
        ],
      },
    ],
    ['NUL in its key id', { keyId: 'agent-7\0x' }],
    ['NUL in a principal', { principals: ['web1\0x'] }],
    ['too many principals', { principals: Array.from({ length: 257 }, () => 'p') }],
    ['another authority’s name', { namedAuthority: ed25519Pair().blob }],
    ['a certificate as authority', { namedAuthority: sshFixtureBlob('plain-cert.pub') }],
    ['an unknown kind', { kind: 3 }],
  ])('with %s are refused', (_, fields) => {
    expect(() => readUserCertificate(make(fields))).toThrow(SshMalformed);
  });

  const trusted: SshUserCa = { issuer: 'corp', publicKey: { type: 'ssh-ed25519', blob: authority.blob }, agentFrom: 'keyId' };
  const login: CertificateLogin = {
    authorities: [trusted],
    agents: [{ name: 'corp/agent-7', owner: 'alice@bank.example', groups: ['corp/ops', 'corp/analysts'] }],
    targetName: 'web1',
    account: 'root',
    remoteAddress: '10.1.2.3',
    nowMs: NOW,
  };
  const judged = (fields: Partial<CertificateFields> = {}, change: Partial<CertificateLogin> = {}) =>
    judgeCertificate(readUserCertificate(make(fields)), { ...login, ...change });

  test('the agent, its owner and its groups are those of the configuration', () => {
    expect(judged()).toEqual({
      kind: 'principal',
      principal: {
        issuer: 'corp',
        agent: 'agent-7',
        owner: 'alice@bank.example',
        groups: ['corp/analysts', 'corp/ops'],
        expiresAtMs: 4_000_000_000_000,
        tokenId: 'ssh-certificate:1',
      },
    });
    expect(judged({ keyId: 'stranger' })).toMatchObject({ principal: { agent: 'stranger', groups: [] } });
    const byPrincipal = { authorities: [{ ...trusted, agentFrom: 'principal' as const }] };
    expect(judged({ keyId: 'x', principals: ['agent-9', 'web1'] }, byPrincipal)).toMatchObject({ principal: { agent: 'agent-9' } });
  });

  test('the account that was asked for counts as well as the target', () => {
    expect(judged({ principals: ['root'] }).kind).toBe('principal');
    expect(judged({ principals: ['root'] }, { account: 'deploy' }).kind).toBe('refused');
    expect(judged({ principals: ['root'] }, { account: undefined }).kind).toBe('refused');
  });

  test.each<[string, Partial<CertificateFields>, Partial<CertificateLogin>]>([
    ['of an unknown authority', {}, { authorities: [{ ...trusted, publicKey: { type: 'ssh-ed25519', blob: key.blob } }] }],
    ['with no authority configured', {}, { authorities: [] }],
    ['for another host', { principals: ['web2'] }, {}],
    ['for nobody', { principals: [] }, {}],
    ['for a wildcard', { principals: ['*'] }, {}],
    ['that has expired', { validBeforeS: BigInt(NOW / 1_000) }, {}],
    ['that begins later', { validAfterS: BigInt(NOW / 1_000 + 1) }, {}],
    ['that never ends', { validBeforeS: 2n ** 64n - 1n }, {}],
    ['from another address', { critical: [['source-address', '10.2.0.0/16,192.168.0.0/16']] }, {}],
    ['with addresses that are none', { critical: [['source-address', '10.1.2.3,everywhere']] }, {}],
    ['without addresses', { critical: [['source-address', '']] }, {}],
    ['whose key id hides something', { keyId: 'agent-7\u200b' }, {}],
    ['without a key id', { keyId: '' }, {}],
  ])('one %s lets nobody in', (_, fields, change) => {
    expect(judged(fields, change).kind).toBe('refused');
  });

  test('one from its address lets its agent in', () => {
    expect(judged({ critical: [['source-address', '192.168.0.0/16,10.1.0.0/16']] }).kind).toBe('principal');
  });
});

test.each([
  ['web1', { account: undefined, targetName: 'web1' }],
  ['deploy+web1', { account: 'deploy', targetName: 'web1' }],
  ['Deploy.x-1+web-1_a', { account: 'Deploy.x-1', targetName: 'web-1_a' }],
  ['', undefined],
  ['+web1', undefined],
  ['a+b+web1', undefined],
  ['-oProxyCommand=x+web1', undefined],
  ['Web1', undefined],
  ['web1\0', undefined],
  ['web1\n', undefined],
  ['wéb1', undefined],
  ['a'.repeat(64), undefined],
  ['a'.repeat(1_000_000), undefined],
])('%.30j is %j', (text, expected) => {
  expect(parseUserName(text)).toEqual(expected);
});
