/** Certificates and signatures that ssh-keygen made, and certificates as any authority could write them. */
import { generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { sshString } from '../../core/ssh/wire.ts';

/** The text of a file in `test/fixtures/ssh`. */
export function sshFixture(name: string): string {
  return readFileSync(new URL(`../fixtures/ssh/${name}`, import.meta.url), 'utf8');
}

/** The blob in a `.pub` file there. */
export function sshFixtureBlob(name: string): Buffer {
  return Buffer.from(sshFixture(name).split(' ')[1] ?? '', 'base64');
}

export type Ed25519Pair = { readonly blob: Buffer; readonly privateKey: KeyObject; readonly line: string };

/** A key as SSH writes it. */
export function ed25519Pair(): Ed25519Pair {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const { x } = publicKey.export({ format: 'jwk' });
  const blob = Buffer.concat([sshString('ssh-ed25519'), sshString(Buffer.from(x ?? '', 'base64url'))]);
  return { blob, privateKey, line: `ssh-ed25519 ${blob.toString('base64')} made for a test` };
}

/** `data` signed, with the name of the algorithm. */
export function ed25519Signature({ privateKey }: Pick<Ed25519Pair, 'privateKey'>, data: Uint8Array, name = 'ssh-ed25519'): Buffer {
  return Buffer.concat([sshString(name), sshString(sign(null, data, privateKey))]);
}

export type CertificateFields = {
  readonly key: Ed25519Pair;
  readonly authority: Ed25519Pair;
  readonly serial?: bigint;
  readonly kind?: number;
  readonly keyId?: string;
  readonly principals?: readonly string[];
  readonly validAfterS?: bigint;
  readonly validBeforeS?: bigint;
  readonly critical?: readonly (readonly [string, string])[];
  readonly extensions?: readonly string[];
  /** In place of the authority's key, which still signs. */
  readonly namedAuthority?: Buffer;
};

/** A user certificate of these fields (`PROTOCOL.certkeys`), signed. */
export function sshCertificate(fields: CertificateFields): Buffer {
  const { key, authority, principals = ['web1'], critical = [], extensions = [] } = fields;
  const numbers = Buffer.alloc(12);
  numbers.writeBigUInt64BE(fields.serial ?? 1n, 0);
  numbers.writeUInt32BE(fields.kind ?? 1, 8);
  const times = Buffer.alloc(16);
  times.writeBigUInt64BE(fields.validAfterS ?? 0n, 0);
  times.writeBigUInt64BE(fields.validBeforeS ?? 4_000_000_000n, 8);
  const body = Buffer.concat([
    sshString('ssh-ed25519-cert-v01@openssh.com'),
    sshString(randomBytes(32)),
    key.blob.subarray(4 + 'ssh-ed25519'.length),
    numbers,
    sshString(fields.keyId ?? 'agent-7'),
    sshString(Buffer.concat(principals.map((name) => sshString(name)))),
    times,
    sshString(Buffer.concat(critical.flatMap(([name, value]) => [sshString(name), sshString(sshString(value))]))),
    sshString(Buffer.concat(extensions.flatMap((name) => [sshString(name), sshString('')]))),
    sshString(''),
    sshString(fields.namedAuthority ?? authority.blob),
  ]);
  return Buffer.concat([body, sshString(ed25519Signature(authority, body))]);
}
