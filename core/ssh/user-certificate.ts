/** OpenSSH user certificates (`PROTOCOL.certkeys`), read strictly: one spelling, no leftovers, nothing that is not known and critical. */
import { MAX_KEY_BYTES, keyType, readKeyBody, readPublicKey, type SshKey } from './public-key.ts';
import { MAX_SIGNATURE_BYTES, verifySignature } from './signature.ts';
import { SshMalformed, SshReader } from './wire.ts';
import { fingerprint } from '../config/ssh-public-key.ts';

export type UserCertificate = {
  /** The key that the certificate speaks of; its fingerprint is that of the certificate as a whole. */
  readonly key: SshKey;
  readonly serial: bigint;
  readonly keyId: string;
  readonly principals: readonly string[];
  /** Milliseconds since the epoch. */
  readonly validAfterMs: number;
  /** Milliseconds since the epoch; Infinity for a certificate that never ends. */
  readonly validBeforeMs: number;
  readonly forceCommand: string | undefined;
  /** Addresses and ranges as written. */
  readonly sourceAddresses: readonly string[] | undefined;
  readonly extensions: ReadonlySet<string>;
  /** Blob of the authority's key. */
  readonly authority: Buffer;
};

export const CERTIFICATE_SUFFIX = '-cert-v01@openssh.com';
/** OpenSSH's own are at most a few kilobytes, 256 principals included. */
export const MAX_CERTIFICATE_BYTES = 16_384;
const MAX_NAME_BYTES = 1_024;
const MAX_PRINCIPALS = 256;
const MAX_LIST_BYTES = 8_192;
const USER = 1;
/** Times beyond what a clock of ours counts are no times. */
const MAX_SECONDS = BigInt(Math.floor(Number.MAX_SAFE_INTEGER / 1_000));

/**
 * The certificate in this blob, whose authority has signed all of it. Whether the authority is trusted, and the certificate is for
 * now and here, is the caller's to judge. Throws SshMalformed.
 */
export function readUserCertificate(blob: Uint8Array): UserCertificate {
  if (blob.length > MAX_CERTIFICATE_BYTES) throw new SshMalformed('the certificate is too long');
  const bytes = Buffer.from(blob);
  const reader = new SshReader(bytes);
  const name = reader.text('the type of the certificate', 64);
  if (!name.endsWith(CERTIFICATE_SUFFIX)) throw new SshMalformed('it is no certificate');
  const type = keyType(name.slice(0, -CERTIFICATE_SUFFIX.length));
  reader.string('the nonce', 64);
  const key: SshKey = { type, blob: bytes, key: readKeyBody(type, reader), fingerprint: fingerprint(bytes) };
  const serial = reader.uint64('the serial number');
  if (reader.uint32('the kind of the certificate') !== USER) throw new SshMalformed('the certificate is not for users');
  const keyId = reader.text('the key id', MAX_NAME_BYTES);
  const principals = readPrincipals(reader.string('the principals', MAX_LIST_BYTES));
  const validAfterMs = milliseconds(reader.uint64('the begin'));
  const validBeforeMs = milliseconds(reader.uint64('the end'));
  const critical = readOptions(reader.string('the critical options', MAX_LIST_BYTES));
  const extensions = readOptions(reader.string('the extensions', MAX_LIST_BYTES));
  reader.string('what is reserved', MAX_NAME_BYTES);
  const authority = reader.string('the authority', MAX_KEY_BYTES);
  const signed = bytes.subarray(0, reader.position);
  const signature = reader.string('the signature', MAX_SIGNATURE_BYTES);
  reader.end('the certificate');
  // A certificate cannot be an authority: `readPublicKey` knows plain keys only.
  if (!verifySignature(readPublicKey(authority), signature, signed)) throw new SshMalformed('the authority has not signed this');
  return {
    key,
    serial,
    keyId,
    principals,
    validAfterMs,
    validBeforeMs,
    ...readCritical(critical),
    extensions: new Set(extensions.keys()),
    authority,
  };
}

function readPrincipals(bytes: Buffer): readonly string[] {
  const reader = new SshReader(bytes);
  const principals: string[] = [];
  while (!reader.atEnd) {
    if (principals.length === MAX_PRINCIPALS) throw new SshMalformed('the certificate has too many principals');
    principals.push(reader.text('a principal', MAX_NAME_BYTES));
  }
  return principals;
}

/** Names in their order, each once, each with its data. */
function readOptions(bytes: Buffer): ReadonlyMap<string, Buffer> {
  const reader = new SshReader(bytes);
  const options = new Map<string, Buffer>();
  let before = '';
  while (!reader.atEnd) {
    const name = reader.text('the name of an option', MAX_NAME_BYTES);
    if (name <= before) throw new SshMalformed('the options are not in their order');
    options.set(name, reader.string('an option', MAX_LIST_BYTES));
    before = name;
  }
  return options;
}

/** A critical option that is not understood makes the whole certificate void: that is what critical means. */
function readCritical(options: ReadonlyMap<string, Buffer>): Pick<UserCertificate, 'forceCommand' | 'sourceAddresses'> {
  const unknown = [...options.keys()].find((name) => name !== 'force-command' && name !== 'source-address');
  if (unknown !== undefined) throw new SshMalformed('the certificate has a critical option that is not known');
  const text = (name: string): string | undefined => {
    const data = options.get(name);
    if (data === undefined) return undefined;
    const reader = new SshReader(data);
    const value = reader.text(name, MAX_LIST_BYTES);
    reader.end(name);
    return value;
  };
  return { forceCommand: text('force-command'), sourceAddresses: text('source-address')?.split(',') };
}

function milliseconds(seconds: bigint): number {
  return seconds > MAX_SECONDS ? Infinity : Number(seconds) * 1_000;
}
