// X.509 v3 certificates on P-256 keys (RFC 5280 §4.1), written by hand: suites need no program beside Node for them.
import { randomBytes, sign, type KeyObject } from 'node:crypto';
import { isIPv4 } from 'node:net';

export type CertificateRequest = {
  readonly subject: string;
  readonly issuer: string;
  readonly publicKey: KeyObject;
  /** The issuer's key. */
  readonly signingKey: KeyObject;
  readonly digest: 'sha256' | 'sha384';
  /** `DNS:localhost,IP:127.0.0.1`; undefined makes an authority. */
  readonly subjectAltNames?: string;
};

const SIGNATURE_OIDS = { sha256: [1, 2, 840, 10045, 4, 3, 2], sha384: [1, 2, 840, 10045, 4, 3, 3] } as const;
const COMMON_NAME = [2, 5, 4, 3];
const BASIC_CONSTRAINTS = [2, 5, 29, 19];
const SUBJECT_ALT_NAME = [2, 5, 29, 17];
const DAY_MS = 24 * 60 * 60 * 1000;

const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utf8: 0x0c,
  utcTime: 0x17,
  sequence: 0x30,
  set: 0x31,
} as const;

/** The certificate in PEM, valid from a day ago until in two days. */
export function makeCertificate(request: CertificateRequest): string {
  const { subject, issuer, publicKey, signingKey, digest } = request;
  const algorithm = der(TAG.sequence, oid(SIGNATURE_OIDS[digest]));
  const nowMs = Date.now();
  const body = der(
    TAG.sequence,
    der(0xa0, der(TAG.integer, Buffer.of(2))),
    der(TAG.integer, Buffer.concat([Buffer.of(1), randomBytes(15)])),
    algorithm,
    name(issuer),
    der(TAG.sequence, time(nowMs - DAY_MS), time(nowMs + 2 * DAY_MS)),
    name(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, der(TAG.sequence, extension(request.subjectAltNames))),
  );
  const signature = der(TAG.bitString, Buffer.of(0), sign(digest, body, signingKey));
  const base64 = der(TAG.sequence, body, algorithm, signature).toString('base64');
  return `-----BEGIN CERTIFICATE-----\n${base64.replaceAll(/.{1,64}/gu, '$&\n')}-----END CERTIFICATE-----\n`;
}

function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  // Short form up to 127 bytes, then the length in one or two bytes: no certificate here is longer.
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...size), content]);
}

function oid(arcs: readonly number[]): Buffer {
  const [first = 0, second = 0, ...rest] = arcs;
  return der(TAG.oid, Buffer.of(first * 40 + second, ...rest.flatMap(base128)));
}

function base128(arc: number): number[] {
  const bytes = [arc & 0x7f];
  for (let left = arc >> 7; left > 0; left >>= 7) bytes.unshift((left & 0x7f) | 0x80);
  return bytes;
}

function name(commonName: string): Buffer {
  return der(TAG.sequence, der(TAG.set, der(TAG.sequence, oid(COMMON_NAME), der(TAG.utf8, Buffer.from(commonName)))));
}

function time(ms: number): Buffer {
  const text = new Date(ms).toISOString().replaceAll(/[-:T]/gu, '');
  return der(TAG.utcTime, Buffer.from(`${text.slice(2, 14)}Z`));
}

function extension(subjectAltNames: string | undefined): Buffer {
  if (subjectAltNames === undefined) {
    const isAuthority = der(TAG.sequence, der(TAG.boolean, Buffer.of(0xff)));
    return der(TAG.sequence, oid(BASIC_CONSTRAINTS), der(TAG.boolean, Buffer.of(0xff)), der(TAG.octetString, isAuthority));
  }
  return der(TAG.sequence, oid(SUBJECT_ALT_NAME), der(TAG.octetString, der(TAG.sequence, ...subjectAltNames.split(',').map(generalName))));
}

/** GeneralName: dNSName [2], iPAddress [7] (RFC 5280 §4.2.1.6). */
function generalName(text: string): Buffer {
  if (text.startsWith('DNS:')) return der(0x82, Buffer.from(text.slice(4)));
  const address = text.slice('IP:'.length);
  if (!text.startsWith('IP:') || !isIPv4(address)) throw new Error(`"${text}" is neither DNS:<name> nor IP:<four numbers>`);
  return der(0x87, Buffer.from(address.split('.').map(Number)));
}
