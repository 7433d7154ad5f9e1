/** Public keys as SSH sends them (RFC 4253 §6.6, RFC 5656, RFC 8709), as keys that can verify. */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { fingerprint } from '../config/ssh-public-key.ts';
import { SshMalformed, SshReader } from './wire.ts';

export const KEY_TYPES = ['ssh-ed25519', 'ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp384', 'ecdsa-sha2-nistp521', 'ssh-rsa'] as const;
export type SshKeyType = (typeof KEY_TYPES)[number];

export type SshKey = {
  readonly type: SshKeyType;
  readonly blob: Buffer;
  readonly key: KeyObject;
  /** `SHA256:…` as OpenSSH prints it. */
  readonly fingerprint: string;
};

/** An RSA key of 8192 bits has about a kilobyte. */
export const MAX_KEY_BYTES = 2_048;
const ED25519_BYTES = 32;
const MIN_RSA_BITS = 2_048;
const MAX_RSA_BYTES = 1_024;
/** A huge exponent would make each verification slow: what programs make is 65537. */
const MAX_EXPONENT_BYTES = 8;

const CURVES: Readonly<Record<string, { readonly jwk: string; readonly bytes: number }>> = {
  'ecdsa-sha2-nistp256': { jwk: 'P-256', bytes: 32 },
  'ecdsa-sha2-nistp384': { jwk: 'P-384', bytes: 48 },
  'ecdsa-sha2-nistp521': { jwk: 'P-521', bytes: 66 },
};

/** Bytes of one coordinate, and of each half of a signature; undefined for keys of no curve of NIST. */
export function curveBytes(type: SshKeyType): number | undefined {
  return CURVES[type]?.bytes;
}

/** A whole key blob and nothing else. Throws SshMalformed for any other, for weak keys and for points that are not on their curve. */
export function readPublicKey(blob: Uint8Array): SshKey {
  const bytes = Buffer.from(blob);
  const reader = new SshReader(bytes);
  const type = keyType(reader.text('the type of the key', 64));
  const key = readKeyBody(type, reader);
  reader.end('the key');
  return { type, blob: bytes, key, fingerprint: fingerprint(bytes) };
}

/** Throws SshMalformed for a type that is not taken. */
export function keyType(name: string): SshKeyType {
  const type = KEY_TYPES.find((known) => known === name);
  if (type === undefined) throw new SshMalformed('a key of this type is not taken');
  return type;
}

/** What follows the type in a key blob, and the nonce in a certificate. Throws SshMalformed. */
export function readKeyBody(type: SshKeyType, reader: SshReader): KeyObject {
  switch (type) {
    case 'ssh-ed25519': {
      const point = reader.string('the key', ED25519_BYTES);
      if (point.length !== ED25519_BYTES) throw new SshMalformed('the key is cut short');
      return keyOf({ kty: 'OKP', crv: 'Ed25519', x: point.toString('base64url') });
    }
    case 'ssh-rsa': {
      const e = reader.mpint('the exponent of the key', MAX_EXPONENT_BYTES);
      const n = reader.mpint('the modulus of the key', MAX_RSA_BYTES);
      if (n.length * 8 - Math.clz32(n[0] ?? 0) + 24 < MIN_RSA_BITS)
        throw new SshMalformed(`an RSA key has fewer than ${MIN_RSA_BITS} bits`);
      return keyOf({ kty: 'RSA', n: n.toString('base64url'), e: e.toString('base64url') });
    }
    case 'ecdsa-sha2-nistp256':
    case 'ecdsa-sha2-nistp384':
    case 'ecdsa-sha2-nistp521': {
      const curve = CURVES[type];
      const bytes = curve?.bytes ?? 0;
      if (`ecdsa-sha2-${reader.text('the curve of the key', 32)}` !== type) throw new SshMalformed('the key is of another curve');
      const point = reader.string('the key', 1 + 2 * bytes);
      // Uncompressed points only: RFC 5656 §3.1 has no other that programs write.
      if (point.length !== 1 + 2 * bytes || point[0] !== 0x04) throw new SshMalformed('the key is no point');
      const [x, y] = [point.subarray(1, 1 + bytes), point.subarray(1 + bytes)];
      return keyOf({ kty: 'EC', crv: curve?.jwk ?? '', x: x.toString('base64url'), y: y.toString('base64url') });
    }
  }
}

function keyOf(jwk: Readonly<Record<string, string>>): KeyObject {
  try {
    return createPublicKey({ key: { ...jwk }, format: 'jwk' });
  } catch (cause) {
    throw new SshMalformed('the key is none', { cause });
  }
}
