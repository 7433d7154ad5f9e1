/** Public keys of SSH as people write them down: `ssh-ed25519 AAAA… comment`, or their fingerprint. */
import { createHash } from 'node:crypto';

export type SshPublicKey = { readonly type: string; readonly blob: Uint8Array };

/** Modern ones only: RSA keys sign with SHA-2, DSA is gone. */
const KEY_TYPES: ReadonlySet<string> = new Set([
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'ssh-rsa',
]);
/** An RSA key of 16384 bits has 2 KiB. */
const MAX_BLOB_BYTES = 4_096;
const LENGTH_BYTES = 4;

/** A line of a `.pub` file; undefined where it is none, or of a kind that is not taken. */
export function parsePublicKey(line: string): SshPublicKey | undefined {
  const [type = '', base64 = ''] = line.trim().split(/[ \t]+/);
  if (!KEY_TYPES.has(type) || !/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return undefined;
  const blob = Buffer.from(base64, 'base64');
  if (blob.length < LENGTH_BYTES || blob.length > MAX_BLOB_BYTES || blob.toString('base64') !== base64) return undefined;
  // The blob names its type itself (RFC 4253 §6.6); a line that names another one would be read differently by different programs.
  const named = blob.subarray(LENGTH_BYTES, LENGTH_BYTES + blob.readUInt32BE(0)).toString('latin1');
  return named === type ? { type, blob } : undefined;
}

/** `SHA256:…` without padding, as OpenSSH prints it. */
export function fingerprint(blob: Uint8Array): string {
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`;
}

/** The fingerprint that a pinned key stands for: its own, or that of the key; undefined where it is neither. */
export function pinnedFingerprint(text: string): string | undefined {
  if (/^SHA256:[A-Za-z0-9+/]{43}$/.test(text)) return text;
  const key = parsePublicKey(text);
  return key === undefined ? undefined : fingerprint(key.blob);
}
