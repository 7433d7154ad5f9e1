/** Ed25519 private keys in OpenSSH's own form (`PROTOCOL.key`), unencrypted: what the SSH transport reads. */
import type { KeyObject } from 'node:crypto';
import { sshString } from '../ssh/wire.ts';

const MAGIC = Buffer.from('openssh-key-v1\0', 'latin1');
const KEY_TYPE = 'ssh-ed25519';
const BLOCK_BYTES = 8;
const LINE_CHARACTERS = 70;

/** The public key's blob (RFC 8709 §4). Throws an Error for a key of another kind, which is a bug. */
export function ed25519Blob(key: KeyObject): Buffer {
  return Buffer.concat([sshString(KEY_TYPE), sshString(ed25519Parts(key).open)]);
}

/** The private key as a PEM-like text. Throws an Error for a key of another kind, which is a bug. */
export function openSshPrivateKey(key: KeyObject): string {
  const { open, secret } = ed25519Parts(key);
  const none = sshString('none');
  // Two equal numbers show whether a passphrase was right; there is none, so any will do.
  const check = Buffer.alloc(8);
  const fields = Buffer.concat([check, sshString(KEY_TYPE), sshString(open), sshString(Buffer.concat([secret, open])), sshString('')]);
  const padding = Buffer.from(Array.from({ length: (BLOCK_BYTES - (fields.length % BLOCK_BYTES)) % BLOCK_BYTES }, (_, i) => i + 1));
  const count = Buffer.from([0, 0, 0, 1]);
  const body = Buffer.concat([
    MAGIC,
    none,
    none,
    sshString(''),
    count,
    sshString(Buffer.concat([sshString(KEY_TYPE), sshString(open)])),
    sshString(Buffer.concat([fields, padding])),
  ]);
  const lines = body.toString('base64').match(new RegExp(`.{1,${LINE_CHARACTERS}}`, 'gu')) ?? [];
  return ['-----BEGIN OPENSSH PRIVATE KEY-----', ...lines, '-----END OPENSSH PRIVATE KEY-----', ''].join('\n');
}

function ed25519Parts(key: KeyObject): { readonly open: Buffer; readonly secret: Buffer } {
  const { kty, crv, x, d } = key.export({ format: 'jwk' });
  if (kty !== 'OKP' || crv !== 'Ed25519' || x === undefined) throw new Error('not an Ed25519 key');
  return { open: Buffer.from(x, 'base64url'), secret: Buffer.from(d ?? '', 'base64url') };
}
