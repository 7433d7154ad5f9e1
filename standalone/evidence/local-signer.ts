/** The signing key of one machine: a P-256 key in a file that only its owner can read. */
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { existsSync, fsyncSync, closeSync, mkdirSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { keyFingerprint, type Signer } from '../../core/evidence/checkpoint.ts';
import { SallyportError } from '../../core/errors.ts';

/** The key file is not what a signing key must be. */
export class SigningKeyRefused extends SallyportError {
  readonly code = 'signing-key';
}

/** Reads the key at `path`, or makes one there. Throws SigningKeyRefused where others may read it or it is no P-256 key. */
export function localSigner(path: string): Signer {
  if (!existsSync(path)) makeKey(path);
  if ((statSync(path).mode & 0o077) !== 0)
    throw new SigningKeyRefused(`others than its owner may read ${path}: chmod 600 it, and replace the key`);
  const key = readKey(path);
  const publicKey = createPublicKey(key);
  return {
    keyId: keyFingerprint(publicKey),
    publicKeyPem: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    // Synchronous: 30 µs once a minute.
    sign: (bytes) => Promise.resolve(sign('sha256', bytes, key)),
  };
}

function readKey(path: string): ReturnType<typeof createPrivateKey> {
  try {
    const key = createPrivateKey(readFileSync(path));
    if (key.asymmetricKeyDetails?.namedCurve === 'prime256v1') return key;
  } catch (cause) {
    throw new SigningKeyRefused(`${path} holds no private key`, { cause });
  }
  throw new SigningKeyRefused(`${path} holds no P-256 key`);
}

function makeKey(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const fd = openSync(path, 'wx', 0o600);
  try {
    writeSync(fd, privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
