import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readPublicKey } from '../../../core/ssh/public-key.ts';
import { armorSshsig, sshsigBytes, sshsigSigner } from '../../../core/ssh/sshsig.ts';
import { SshMalformed, SshReader, sshString } from '../../../core/ssh/wire.ts';
import { ed25519Pair, ed25519Signature, sshFixture, sshFixtureBlob } from '../../support/ssh-fixtures.ts';

const NAMESPACE = 'sallyport-ssh-key';

describe('signatures of ssh-keygen', () => {
  test.each(['ed25519', 'rsa', 'ecdsa'])('one by %s proves its key', (kind) => {
    const key = sshsigSigner(sshFixture(`hello-${kind}.sig`), 'hello', NAMESPACE);
    expect(key?.fingerprint).toMatch(/^SHA256:/);
  });

  test('the key is the one that has signed', () => {
    expect(sshsigSigner(sshFixture('hello-ed25519.sig'), 'hello', NAMESPACE)?.blob).toEqual(sshFixtureBlob('agent.pub'));
  });

  test.each([
    ['another message', 'hello-ed25519.sig', 'hello!'],
    ['another purpose', 'hello-for-files.sig', 'hello'],
    ['another hash', 'hello-sha256.sig', 'hello'],
  ])('one for %s proves nothing', (_, file, message) => {
    expect(sshsigSigner(sshFixture(file), message, NAMESPACE)).toBeUndefined();
  });

  test.each(['', 'x', '-----BEGIN SSH SIGNATURE-----\n-----END SSH SIGNATURE-----\n', 'A'.repeat(1_000_000)])('%.40j is none', (text) => {
    expect(sshsigSigner(text, 'hello', NAMESPACE)).toBeUndefined();
  });

  test('any changed byte makes it void', () => {
    const armored = sshFixture('hello-ed25519.sig');
    const bytes = Buffer.from(armored.split('\n').slice(1, -2).join(''), 'base64');
    fc.assert(
      fc.property(fc.nat({ max: bytes.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, by) => {
        const changed = Buffer.from(bytes);
        changed[at] = (changed[at] ?? 0) ^ by;
        const text = `-----BEGIN SSH SIGNATURE-----\n${changed.toString('base64')}\n-----END SSH SIGNATURE-----\n`;
        const key = sshsigSigner(text, 'hello', NAMESPACE);
        expect(key).toBeUndefined();
      }),
      { numRuns: 500 },
    );
  });

  test('what we armor is read again', () => {
    const pair = ed25519Pair();
    const armored = armorSshsig(pair.blob, NAMESPACE, ed25519Signature(pair, sshsigBytes('m', NAMESPACE)));
    expect(sshsigSigner(armored, 'm', NAMESPACE)?.blob).toEqual(pair.blob);
  });

  test('a signature under the name of another algorithm is none', () => {
    const pair = ed25519Pair();
    const armored = armorSshsig(pair.blob, NAMESPACE, ed25519Signature(pair, sshsigBytes('m', NAMESPACE), 'ssh-rsa'));
    expect(sshsigSigner(armored, 'm', NAMESPACE)).toBeUndefined();
  });
});

describe('public keys', () => {
  const rsa = (bits: number): Buffer => {
    const { n = '', e = '' } = generateKeyPairSync('rsa', { modulusLength: bits }).publicKey.export({ format: 'jwk' });
    const positive = (text: string): Buffer => Buffer.concat([Buffer.from([0]), Buffer.from(text, 'base64url')]);
    return Buffer.concat([sshString('ssh-rsa'), sshString(Buffer.from(e, 'base64url')), sshString(positive(n))]);
  };
  const point = (bytes: Buffer): Buffer => Buffer.concat([sshString('ecdsa-sha2-nistp256'), sshString('nistp256'), sshString(bytes)]);

  test('RSA has 2048 bits at least', () => {
    expect(readPublicKey(rsa(2_048)).type).toBe('ssh-rsa');
    expect(() => readPublicKey(rsa(1_024))).toThrow(SshMalformed);
    expect(() => readPublicKey(rsa(2_040))).toThrow(SshMalformed);
  });

  test.each([
    ['DSA', sshString('ssh-dss')],
    ['a certificate', sshFixtureBlob('plain-cert.pub')],
    ['a key with more behind it', Buffer.concat([sshFixtureBlob('agent.pub'), Buffer.from([0])])],
    ['a key that is cut short', sshFixtureBlob('agent.pub').subarray(0, -1)],
    ['a point that is not on its curve', point(Buffer.concat([Buffer.from([4]), Buffer.alloc(64, 1)]))],
    ['the point at infinity', point(Buffer.from([0]))],
    ['a compressed point', point(Buffer.concat([Buffer.from([2]), Buffer.alloc(32, 1)]))],
    ['a curve under the name of another', Buffer.concat([sshString('ecdsa-sha2-nistp256'), sshString('nistp384'), sshString('')])],
    ['a huge exponent', Buffer.concat([sshString('ssh-rsa'), sshString(Buffer.alloc(64, 1)), sshString(Buffer.alloc(256, 1))])],
    ['a needless zero', Buffer.concat([sshString('ssh-rsa'), sshString(Buffer.from([0, 3])), sshString(Buffer.alloc(256, 1))])],
    ['nothing', Buffer.alloc(0)],
    ['a length beyond the end', Buffer.from('ffffffff00', 'hex')],
  ])('%s is none', (_, blob) => {
    expect(() => readPublicKey(blob)).toThrow(SshMalformed);
  });

  test('random bytes are refused and nothing else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(() => readPublicKey(Buffer.concat([sshString('ssh-rsa'), bytes]))).toThrow(SshMalformed);
      }),
    );
  });

  test('a text with NUL or broken UTF-8 is none', () => {
    for (const bytes of [Buffer.from('a\0b'), Buffer.from([0xc3])])
      expect(() => new SshReader(sshString(bytes)).text('it', 10)).toThrow(SshMalformed);
  });
});
