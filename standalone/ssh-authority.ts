/** The authority that certificates for hosts come from, on one machine: its key is kept in the data directory, hosts trust its public part. */
import { createPrivateKey, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { CredentialUnavailable } from '../core/credential/credential-unavailable.ts';
import { certificateFor, certificateToSign, NONCE_BYTES, signedCertificate } from '../core/credential/host-certificate.ts';
import { ed25519Blob, openSshPrivateKey } from '../core/credential/openssh-private-key.ts';
import { sshString } from '../core/ssh/wire.ts';
import type { HostCredential, HostLogin } from '../proxy-task/ports.ts';

export type SshAuthority = {
  /** `ssh-ed25519 AAAA…`: what hosts have as TrustedUserCAKeys. */
  readonly publicKey: string;
  /** A new key with a certificate over it, good for one login of this session. */
  credential(login: HostLogin, nowMs: number): HostCredential;
};

/** Reads the key, or makes one at the first use. Throws CredentialUnavailable: hosts would not trust another one. */
export function sshAuthority(dataDir: string): SshAuthority {
  const key = authorityKey(join(dataDir, 'keys'));
  const authority = ed25519Blob(key);
  return {
    publicKey: `ssh-ed25519 ${authority.toString('base64')}`,
    credential: ({ target, account, principal, session }, nowMs) => {
      const { privateKey, publicKey } = generateKeyPairSync('ed25519');
      const serial = randomBytes(8).readBigUInt64BE(0);
      const certificate = certificateFor({
        publicKey: ed25519Blob(publicKey),
        account,
        principal,
        session,
        sourceAddresses: target.sourceAddresses ?? [],
        without: [],
        nonce: randomBytes(NONCE_BYTES),
        serial,
        nowMs,
      });
      const toSign = certificateToSign(certificate, authority);
      const signature = Buffer.concat([sshString('ssh-ed25519'), sshString(sign(null, toSign, key))]);
      return {
        id: `sshCa:${serial}`,
        privateKey: openSshPrivateKey(privateKey),
        certificate: signedCertificate(toSign, signature),
      };
    },
  };
}

function authorityKey(folder: string): KeyObject {
  const path = join(folder, 'ssh-ca.pem');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  try {
    const kept = createPrivateKey(readFileSync(path, 'utf8'));
    if (kept.asymmetricKeyType === 'ed25519') return kept;
  } catch (cause) {
    if (!(cause instanceof Error && 'code' in cause && cause.code === 'ENOENT'))
      throw new CredentialUnavailable(`${path} cannot be read as a key`, { cause });
    return makeKey(path);
  }
  throw new CredentialUnavailable(`${path} is no Ed25519 key`);
}

function makeKey(path: string): KeyObject {
  const { privateKey } = generateKeyPairSync('ed25519');
  const fd = openSync(path, 'wx', 0o600);
  try {
    writeSync(fd, privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  return privateKey;
}
