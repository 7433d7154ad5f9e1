import { generateKeyPairSync, sign } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { p256Blob, p256Signature } from '../../../core/ssh/ecdsa.ts';
import { readPublicKey } from '../../../core/ssh/public-key.ts';
import { verifySignature } from '../../../core/ssh/signature.ts';
import { SshMalformed, SshReader, sshMpint } from '../../../core/ssh/wire.ts';

const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const key = readPublicKey(p256Blob(publicKey));

describe('a signature on P-256', () => {
  test('in DER is one of SSH, whatever its halves begin with', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (data) => {
        expect(verifySignature(key, p256Signature(sign('sha256', data, privateKey)), data)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  test('of something else is none', () => {
    expect(verifySignature(key, p256Signature(sign('sha256', Buffer.from('a'), privateKey)), Buffer.from('b'))).toBe(false);
  });

  const half = (...digits: number[]): number[] => [0x02, digits.length, ...digits];
  const sequence = (...parts: number[]): Buffer => Buffer.from([0x30, parts.length, ...parts]);
  test.each([
    ['nothing', Buffer.alloc(0)],
    ['one half', sequence(...half(1))],
    ['three halves', sequence(...half(1), ...half(1), ...half(1))],
    ['a negative half', sequence(...half(0x80), ...half(1))],
    ['a half of zero', sequence(...half(0), ...half(1))],
    ['an empty half', sequence(...half(), ...half(1))],
    ['a half that is cut short', sequence(0x02, 9, 1)],
    ['a half of another type', sequence(0x03, 1, 1, ...half(1))],
    ['a half of 34 bytes', sequence(0x02, 34, ...Array.from({ length: 34 }, () => 1), ...half(1))],
    ['a length that is too small', Buffer.concat([sequence(...half(1), ...half(1)), Buffer.from([0])])],
    ['another type than a sequence', Buffer.concat([Buffer.from([0x31]), sequence(...half(1), ...half(1)).subarray(1)])],
  ])('is none with %s', (_, der) => {
    expect(() => p256Signature(der)).toThrow(SshMalformed);
  });
});

test.each([
  ['another curve', generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey],
  ['Ed25519', generateKeyPairSync('ed25519').publicKey],
])('a key on %s is none on P-256', (_, other) => {
  expect(() => p256Blob(other)).toThrow(SshMalformed);
});

test('positive numbers are written in their one spelling, and read back', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 40 }), (bytes) => {
      const written = sshMpint(bytes);
      const value = BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
      if (value === 0n) expect(written).toEqual(Buffer.alloc(4));
      else expect(BigInt(`0x${new SshReader(written).mpint('it', 41).toString('hex')}`)).toBe(value);
    }),
  );
});
