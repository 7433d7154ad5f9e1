/** Signatures that `ssh-keygen -Y sign` makes (OpenSSH, `PROTOCOL.sshsig`). */
import { createHash } from 'node:crypto';
import { MAX_KEY_BYTES, readPublicKey, type SshKey } from './public-key.ts';
import { MAX_SIGNATURE_BYTES, verifySignature } from './signature.ts';
import { SshMalformed, SshReader, sshString } from './wire.ts';

const MAGIC = Buffer.from('SSHSIG', 'latin1');
const VERSION = 1;
const HASH = 'sha512';
/** Several times what a signature by RSA with 8192 bits needs. */
const MAX_ARMORED_CHARACTERS = 16_384;
const ARMOR = /^-----BEGIN SSH SIGNATURE-----\r?\n((?:[A-Za-z0-9+/=]+\r?\n)+)-----END SSH SIGNATURE-----\s*$/;

/** What is signed in place of the message: its SHA-512, bound to what the signature is for. */
export function sshsigBytes(message: string, namespace: string): Buffer {
  const digest = createHash(HASH).update(message, 'utf8').digest();
  return Buffer.concat([MAGIC, sshString(namespace), sshString(''), sshString(HASH), sshString(digest)]);
}

/** The armored form of a signature that was made over `sshsigBytes`: what `ssh-keygen -Y sign` prints. */
export function armorSshsig(publicKey: Uint8Array, namespace: string, signature: Uint8Array): string {
  const version = Buffer.alloc(4);
  version.writeUInt32BE(VERSION, 0);
  const parts = [MAGIC, version, ...[publicKey, namespace, '', HASH, signature].map((part) => sshString(part))];
  const lines =
    Buffer.concat(parts)
      .toString('base64')
      .match(/.{1,70}/g) ?? [];
  return ['-----BEGIN SSH SIGNATURE-----', ...lines, '-----END SSH SIGNATURE-----', ''].join('\n');
}

/** The key that has signed this message for this purpose with SHA-512; undefined where none has. Never throws. */
export function sshsigSigner(armored: string, message: string, namespace: string): SshKey | undefined {
  if (armored.length > MAX_ARMORED_CHARACTERS) return undefined;
  const [, base64] = ARMOR.exec(armored) ?? [];
  if (base64 === undefined) return undefined;
  try {
    const bytes = Buffer.from(base64, 'base64');
    if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) return undefined;
    const reader = new SshReader(bytes.subarray(MAGIC.length));
    if (reader.uint32('the version') !== VERSION) return undefined;
    const key = readPublicKey(reader.string('the key', MAX_KEY_BYTES));
    const meantFor = reader.text('the namespace', 256);
    const reserved = reader.string('what is reserved', 256);
    const hash = reader.text('the hash', 32);
    const signature = reader.string('the signature', MAX_SIGNATURE_BYTES);
    reader.end('the signature');
    // What is reserved is signed too, and whoever does not know it must not agree to it.
    if (meantFor !== namespace || hash !== HASH || reserved.length > 0) return undefined;
    return verifySignature(key, signature, sshsigBytes(message, namespace)) ? key : undefined;
  } catch (error) {
    if (error instanceof SshMalformed) return undefined;
    throw error;
  }
}
