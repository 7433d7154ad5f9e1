/**
 * A login by certificate, as whoever was not there can check it: the certificate, what its key has signed (RFC 4252 §7) and the
 * signature. What was signed names the user, and so the target: it proves nothing about another one.
 */
import type { AgentConfig, SshUserCa } from '../config/config.ts';
import { judgeCertificate, type CertificateAnswer } from './certificate-login.ts';
import { verifySignature } from './signature.ts';
import { CERTIFICATE_SUFFIX, MAX_CERTIFICATE_BYTES, readUserCertificate, type UserCertificate } from './user-certificate.ts';
import { parseUserName, type UserName } from './user-name.ts';
import { SshMalformed, SshReader } from './wire.ts';

export type CertificateProof = {
  /** As it was agreed on: `ssh-ed25519-cert-v01@openssh.com`. */
  readonly algorithm: string;
  /** The certificate. */
  readonly blob: Uint8Array;
  /** With the name of its algorithm. */
  readonly signature: Uint8Array;
  /** The session's id and the request. */
  readonly signed: Uint8Array;
  /** Where the client came from, by the word of whoever took the connection. */
  readonly remoteAddress: string;
};

/** What the verifier knows by itself. */
export type ProofContext = {
  readonly authorities: readonly SshUserCa[];
  readonly agents: readonly AgentConfig[];
  /** The account of a target where the client names none; undefined where there is no such target. */
  readonly defaultAccount: (targetName: string) => string | undefined;
  readonly nowMs: number;
};

export type ProofAnswer =
  | {
      readonly kind: 'proven';
      readonly principal: (CertificateAnswer & { kind: 'principal' })['principal'];
      readonly certificate: UserCertificate;
      /** Whom the login was for; the account is the default one where none was named. */
      readonly targetName: string;
      readonly account: string | undefined;
    }
  /** `reason` is for records only, and holds nothing that was shown. */
  | { readonly kind: 'refused'; readonly reason: string };

const SSH_MSG_USERAUTH_REQUEST = 50;
/** SHA-512 is the longest hash of a key exchange. */
const MAX_SESSION_ID_BYTES = 64;
const MAX_NAME_BYTES = 256;

/** Who has logged in so, and where. Never throws. */
export function judgeProof(proof: CertificateProof, context: ProofContext): ProofAnswer {
  try {
    const certificate = readUserCertificate(proof.blob);
    if (!proof.algorithm.endsWith(CERTIFICATE_SUFFIX)) return refused('the algorithm is none of certificates');
    const agreed = proof.algorithm.slice(0, -CERTIFICATE_SUFFIX.length);
    if (!verifySignature(certificate.key, proof.signature, proof.signed, agreed)) return refused('a wrong signature');
    const user = readRequest(proof);
    if (user === undefined) return refused('what was signed is no login by this certificate');
    const { targetName } = user;
    const account = user.account ?? context.defaultAccount(targetName);
    const { authorities, agents, nowMs } = context;
    const answer = judgeCertificate(certificate, { authorities, agents, targetName, account, remoteAddress: proof.remoteAddress, nowMs });
    if (answer.kind === 'refused') return answer;
    return { kind: 'proven', principal: answer.principal, certificate, targetName, account };
  } catch (error) {
    if (error instanceof SshMalformed) return refused(`the certificate cannot be read: ${error.message}`);
    throw error;
  }
}

/** The user of a signed request; undefined for anything that a key may have signed for another purpose. Throws SshMalformed. */
function readRequest({ signed, algorithm, blob }: CertificateProof): UserName | undefined {
  const reader = new SshReader(signed);
  reader.string('the session', MAX_SESSION_ID_BYTES);
  if (reader.byte('the message') !== SSH_MSG_USERAUTH_REQUEST) return undefined;
  const user = parseUserName(reader.text('the user', MAX_NAME_BYTES));
  const words = ['ssh-connection', 'publickey'].every((word) => reader.text('the request', MAX_NAME_BYTES) === word);
  if (!words || reader.byte('the flag') !== 1 || reader.text('the algorithm', MAX_NAME_BYTES) !== algorithm) return undefined;
  const named = reader.string('the certificate', MAX_CERTIFICATE_BYTES);
  reader.end('the request');
  return named.equals(blob) ? user : undefined;
}

/** A proof as JSON. */
export function encodeProof({ algorithm, blob, signature, signed, remoteAddress }: CertificateProof): Readonly<Record<string, string>> {
  return { algorithm, blob: base64(blob), signature: base64(signature), signed: base64(signed), remoteAddress };
}

/** The largest request has a certificate in it, and its names. */
const MAX_BASE64_CHARACTERS = 32_768;

/** Undefined for what `encodeProof` did not make. */
export function decodeProof(value: unknown): CertificateProof | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { algorithm, blob, signature, signed, remoteAddress }: Readonly<Record<string, unknown>> = { ...value };
  if (typeof algorithm !== 'string' || algorithm.length > MAX_NAME_BYTES) return undefined;
  if (typeof remoteAddress !== 'string' || remoteAddress.length > MAX_NAME_BYTES) return undefined;
  const [readBlob, readSignature, readSigned] = [blob, signature, signed].map(bytesIn);
  if (readBlob === undefined || readSignature === undefined || readSigned === undefined) return undefined;
  return { algorithm, blob: readBlob, signature: readSignature, signed: readSigned, remoteAddress };
}

/** Bytes in base64, in their one spelling. */
export function bytesIn(value: unknown): Buffer | undefined {
  if (typeof value !== 'string' || value.length > MAX_BASE64_CHARACTERS) return undefined;
  const bytes = Buffer.from(value, 'base64');
  return bytes.toString('base64') === value ? bytes : undefined;
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}

function refused(reason: string): ProofAnswer {
  return { kind: 'refused', reason };
}
