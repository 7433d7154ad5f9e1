/** Signatures of SSH (RFC 4253 §6.6, RFC 5656 §3.1.2, RFC 8332, RFC 8709), checked with node:crypto. SHA-1 is none. */
import { verify } from 'node:crypto';
import { curveBytes, type SshKey } from './public-key.ts';
import { SshMalformed, SshReader } from './wire.ts';

/** A signature of RSA with 8192 bits, and its name. */
export const MAX_SIGNATURE_BYTES = 1_200;

/** Hash by the name of the algorithm; a name that is not here verifies nothing. */
const HASHES: Readonly<Record<string, string | undefined>> = {
  'rsa-sha2-256': 'sha256',
  'rsa-sha2-512': 'sha512',
  'ecdsa-sha2-nistp256': 'sha256',
  'ecdsa-sha2-nistp384': 'sha384',
  'ecdsa-sha2-nistp521': 'sha512',
};

/**
 * Whether this key has signed `data`: a blob that names an algorithm of the key (the one that was agreed on, where one was), then the
 * signature. Never throws.
 */
export function verifySignature(key: SshKey, blob: Uint8Array, data: Uint8Array, agreed?: string): boolean {
  try {
    const reader = new SshReader(blob);
    const algorithm = reader.text('the algorithm', 64);
    if (agreed !== undefined && algorithm !== agreed) return false;
    const signature = reader.string('the signature', MAX_SIGNATURE_BYTES);
    reader.end('the signature');
    const halfBytes = curveBytes(key.type);
    return verifyPlain(key, algorithm, halfBytes === undefined ? signature : fixedHalves(signature, halfBytes), data, 'ieee-p1363');
  } catch (error) {
    if (error instanceof SshMalformed) return false;
    throw error;
  }
}

/** The same for a signature without its name; of a curve of NIST as DER, or both halves one after the other. Never throws. */
export function verifyPlain(
  key: SshKey,
  algorithm: string,
  signature: Uint8Array,
  data: Uint8Array,
  halves: 'der' | 'ieee-p1363',
): boolean {
  if (!signsWith(key, algorithm)) return false;
  switch (key.type) {
    case 'ssh-ed25519':
      return verify(null, data, key.key, signature);
    case 'ssh-rsa':
      return verify(HASHES[algorithm], data, key.key, signature);
    case 'ecdsa-sha2-nistp256':
    case 'ecdsa-sha2-nistp384':
    case 'ecdsa-sha2-nistp521':
      return verify(HASHES[algorithm], data, { key: key.key, dsaEncoding: halves }, signature);
  }
}

/** Whether keys of this type sign with this algorithm: `ssh-rsa`, which is SHA-1, signs nothing. */
export function signsWith(key: Pick<SshKey, 'type'>, algorithm: string): boolean {
  return key.type === 'ssh-rsa' ? algorithm === 'rsa-sha2-256' || algorithm === 'rsa-sha2-512' : algorithm === key.type;
}

function fixedHalves(signature: Buffer, bytes: number): Buffer {
  const reader = new SshReader(signature);
  const halves = ['r', 's'].map((what) => reader.mpint(what, bytes));
  reader.end('the signature');
  return Buffer.concat(halves.map((half) => Buffer.concat([Buffer.alloc(bytes - half.length), half])));
}
