/** Logins by certificate as a client makes them: the request that its key signs (RFC 4252 §7), for those who read it afterwards. */
import { randomBytes } from 'node:crypto';
import type { CertificateProof } from '../../core/ssh/certificate-proof.ts';
import { sshString } from '../../core/ssh/wire.ts';
import { ed25519Pair, ed25519Signature, sshCertificate, type CertificateFields, type Ed25519Pair } from './ssh-fixtures.ts';

export const CERTIFICATE = 'ssh-ed25519-cert-v01@openssh.com';

export type LoginFields = Omit<Partial<CertificateFields>, 'authority'> & {
  readonly authority: Ed25519Pair;
  /** As the client writes it. */
  readonly user?: string;
  readonly signer?: Ed25519Pair;
  readonly remoteAddress?: string;
  /** In place of the request that a client would sign. */
  readonly signed?: Buffer;
};

/** What is signed to log in as `user` with this certificate. */
export function signedRequest(
  user: string,
  certificate: Uint8Array,
  over: { readonly service?: string; readonly message?: number } = {},
): Buffer {
  return Buffer.concat([
    sshString(randomBytes(32)),
    Buffer.from([over.message ?? 50]),
    sshString(user),
    sshString(over.service ?? 'ssh-connection'),
    sshString('publickey'),
    Buffer.from([1]),
    sshString(CERTIFICATE),
    sshString(certificate),
  ]);
}

/** A login that its key has signed. */
export function certificateLogin({ user = 'web1', remoteAddress = '10.1.2.3', ...fields }: LoginFields): CertificateProof {
  const key = fields.key ?? ed25519Pair();
  const blob = sshCertificate({ ...fields, key });
  const signed = fields.signed ?? signedRequest(user, blob);
  return { algorithm: CERTIFICATE, blob, signed, signature: ed25519Signature(fields.signer ?? key, signed), remoteAddress };
}
