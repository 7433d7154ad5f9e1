import { createHash } from 'node:crypto';

/** Signature algorithms by their OID bytes (hex), and the hash that RFC 5929 §4.1 takes for each; MD5 and SHA-1 count as SHA-256. */
const HASH_BY_SIGNATURE: Readonly<Record<string, string>> = {
  '2a864886f70d010104': 'sha256',
  '2a864886f70d010105': 'sha256',
  '2a864886f70d01010b': 'sha256',
  '2a864886f70d01010c': 'sha384',
  '2a864886f70d01010d': 'sha512',
  '2a864886f70d01010e': 'sha224',
  '2a8648ce3d0401': 'sha256',
  '2a8648ce3d040301': 'sha224',
  '2a8648ce3d040302': 'sha256',
  '2a8648ce3d040303': 'sha384',
  '2a8648ce3d040304': 'sha512',
};

const SEQUENCE = 0x30;
const OBJECT_IDENTIFIER = 0x06;

/**
 * Channel binding data `tls-server-end-point` for a certificate in DER, or undefined where its signature algorithm has no
 * single hash (RSASSA-PSS, Ed25519): then there is nothing to bind to. The certificate was verified before.
 */
export function certificateHash(der: Buffer): Buffer | undefined {
  const certificate = element(der, 0, SEQUENCE);
  const tbs = certificate && element(der, certificate.start, SEQUENCE);
  const algorithm = tbs && element(der, tbs.end, SEQUENCE);
  const oid = algorithm && element(der, algorithm.start, OBJECT_IDENTIFIER);
  const hash = oid && HASH_BY_SIGNATURE[der.toString('hex', oid.start, oid.end)];
  return hash === undefined ? undefined : createHash(hash).update(der).digest();
}

/** Content bounds of the DER element at `at`, if it has this tag and fits. */
function element(der: Buffer, at: number, tag: number): { readonly start: number; readonly end: number } | undefined {
  if (der[at] !== tag) return undefined;
  const first = der[at + 1] ?? 0;
  let start = at + 2;
  let length = first;
  if (first >= 0x80) {
    const bytes = first & 0x7f;
    if (bytes === 0 || bytes > 4 || start + bytes > der.length) return undefined;
    length = der.readUIntBE(start, bytes);
    start += bytes;
  }
  return start + length > der.length ? undefined : { start, end: start + length };
}
