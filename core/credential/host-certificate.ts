/**
 * Certificates that let the gateway in to hosts that trust its authority (`PROTOCOL.certkeys` of OpenSSH): for one key, one account
 * and minutes, and with a key id by which the host's own log names who acts. What is signed is made here; whoever holds the
 * authority's key signs it.
 */
import { principalName, type Principal } from '../principal.ts';
import { sshString } from '../ssh/wire.ts';

export type HostCertificate = {
  /** Public key blob of the one key that it is for, of type `ssh-ed25519`. */
  readonly publicKey: Uint8Array;
  /** Random, and never used twice. */
  readonly nonce: Uint8Array;
  readonly serial: bigint;
  readonly keyId: string;
  /** The accounts that it logs in to. */
  readonly accounts: readonly string[];
  readonly validAfterMs: number;
  readonly validBeforeMs: number;
  /** `permit-pty`, `permit-port-forwarding`: what is not here is refused by the host itself. */
  readonly extensions: readonly string[];
  /** Addresses and ranges that the host must see the gateway come from; empty: any. */
  readonly sourceAddresses: readonly string[];
};

/** One login of a session, and what only the issuer has: randomness and the time. */
export type LoginToCertify = {
  readonly publicKey: Uint8Array;
  readonly account: string;
  readonly principal: Principal;
  readonly session: string;
  readonly sourceAddresses: readonly string[];
  /** What the agent may not have, where it came with a certificate that says so. */
  readonly without: readonly string[];
  /** Of NONCE_BYTES. */
  readonly nonce: Uint8Array;
  readonly serial: bigint;
  readonly nowMs: number;
};

/** A host looks at the clock when somebody logs in, once: the session may go on. */
export const CERTIFICATE_MS = 5 * 60_000;
/** Clocks of hosts may be behind. */
const BEFORE_MS = 60_000;
export const NONCE_BYTES = 32;
const EXTENSIONS = ['permit-port-forwarding', 'permit-pty'];

/** Who acts, by the words of the host's log. */
export type KeyIdParts = {
  readonly agent: string;
  readonly human: string | undefined;
  readonly session: string;
  readonly approval?: string | undefined;
};

export const CERTIFICATE_TYPE = 'ssh-ed25519-cert-v01@openssh.com';
const KEY_TYPE = 'ssh-ed25519';
/** SSH_CERT_TYPE_USER */
const USER = 1;
const MAX_KEY_ID_PART = 256;

/** One line of `name=value`; a value can neither end it nor pass for another name. */
export function certificateKeyId({ agent, human, session, approval }: KeyIdParts): string {
  const parts = [`agent=${keyIdPart(agent)}`];
  if (human !== undefined) parts.push(`human=${keyIdPart(human)}`);
  parts.push(`session=${keyIdPart(session)}`);
  if (approval !== undefined) parts.push(`approval=${keyIdPart(approval)}`);
  return `sallyport ${parts.join(' ')}`;
}

/** The certificate with which the gateway logs in for this session. */
export function certificateFor(login: LoginToCertify): HostCertificate {
  const { publicKey, account, principal, session, sourceAddresses, without, nonce, serial, nowMs } = login;
  return {
    publicKey,
    nonce,
    serial,
    keyId: certificateKeyId({ agent: principalName(principal), human: principal.human, session }),
    accounts: [account],
    validAfterMs: nowMs - BEFORE_MS,
    validBeforeMs: nowMs + CERTIFICATE_MS,
    extensions: EXTENSIONS.filter((name) => !without.includes(name)),
    sourceAddresses,
  };
}

/** Everything before the signature: what the authority, whose public key blob this is, signs. */
export function certificateToSign(certificate: HostCertificate, authority: Uint8Array): Buffer {
  const { publicKey, nonce, serial, keyId, accounts, validAfterMs, validBeforeMs, extensions, sourceAddresses } = certificate;
  const prefix = sshString(KEY_TYPE);
  if (!Buffer.from(publicKey.subarray(0, prefix.length)).equals(prefix)) throw new Error('not an Ed25519 key');
  const numbers = Buffer.alloc(8 + 4);
  numbers.writeBigUInt64BE(serial, 0);
  numbers.writeUInt32BE(USER, 8);
  const times = Buffer.alloc(16);
  times.writeBigUInt64BE(BigInt(Math.floor(validAfterMs / 1_000)), 0);
  times.writeBigUInt64BE(BigInt(Math.floor(validBeforeMs / 1_000)), 8);
  // An empty list would be good for every account.
  if (accounts.length === 0) throw new Error('a certificate for nobody is one for all');
  return Buffer.concat([
    sshString(CERTIFICATE_TYPE),
    sshString(nonce),
    publicKey.subarray(prefix.length),
    numbers,
    sshString(keyId),
    sshString(Buffer.concat(accounts.map((account) => sshString(account)))),
    times,
    // The one critical option: every host knows it, and one that does not refuses, as it should.
    sshString(
      sourceAddresses.length === 0 ? '' : Buffer.concat([sshString('source-address'), sshString(sshString(sourceAddresses.join(',')))]),
    ),
    // Sorted by name, each with an empty value.
    sshString(Buffer.concat(extensions.toSorted().map((name) => Buffer.concat([sshString(name), sshString('')])))),
    sshString(''),
    sshString(authority),
  ]);
}

/** The whole certificate, with the authority's signature blob: the algorithm's name, then the signature. */
export function signedCertificate(toSign: Uint8Array, signature: Uint8Array): Buffer {
  return Buffer.concat([toSign, sshString(signature)]);
}

function keyIdPart(text: string): string {
  return encodeURI(text)
    .replaceAll(/[=]/gu, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
    .slice(0, MAX_KEY_ID_PART);
}
