/** Keys and signatures on NIST P-256 as SSH writes them (RFC 5656 §3.1), from what everybody else writes. */
import type { KeyObject } from 'node:crypto';
import { SshMalformed, sshMpint, sshString } from './wire.ts';

const TYPE = 'ecdsa-sha2-nistp256';
const CURVE = 'nistp256';
const HALF_BYTES = 32;
const SEQUENCE = 0x30;
const INTEGER = 0x02;

/** The public key's blob. Throws SshMalformed for a key of another kind. */
export function p256Blob(key: KeyObject): Buffer {
  const { kty, crv, x, y } = key.export({ format: 'jwk' });
  if (kty !== 'EC' || crv !== 'P-256' || x === undefined || y === undefined) throw new SshMalformed('it is no key on P-256');
  const point = Buffer.concat([Buffer.from([0x04]), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')]);
  return Buffer.concat([sshString(TYPE), sshString(CURVE), sshString(point)]);
}

/** A signature blob, from `ECDSA-Sig-Value` in DER (RFC 3279 §2.2.3), read strictly. Throws SshMalformed. */
export function p256Signature(der: Uint8Array): Buffer {
  if (der[0] !== SEQUENCE || der[1] !== der.length - 2) throw new SshMalformed('the signature is no sequence');
  const [r, after] = readInteger(der, 2);
  const [s, end] = readInteger(der, after);
  if (end !== der.length) throw new SshMalformed('the signature goes on after its end');
  return Buffer.concat([sshString(TYPE), sshString(Buffer.concat([sshMpint(r), sshMpint(s)]))]);
}

/** The digits of a positive integer, and where the next one begins. Lengths of both halves fit one byte. */
function readInteger(der: Uint8Array, at: number): readonly [Uint8Array, number] {
  const length = der[at + 1] ?? 0;
  const digits = der.subarray(at + 2, at + 2 + length);
  const isPositive = (digits[0] ?? 0x80) < 0x80 && digits.some((byte) => byte !== 0);
  if (der[at] !== INTEGER || digits.length !== length || length > HALF_BYTES + 1 || !isPositive)
    throw new SshMalformed('the signature has a half that is no positive number');
  return [digits, at + 2 + length];
}
