/** git's framing (gitprotocol-common, "pkt-line Format"): four hex digits that count themselves, then the payload. */
import { MalformedMessage } from './malformed-message.ts';

const LENGTH_BYTES = 4;
/** LARGE_PACKET_MAX of git: its own programs neither send nor take more. */
export const MAX_PKT_BYTES = 65_520;
const LINE_FEED = 0x0a;

/** `payload` is part of the bytes that were read. `end` is where the next one begins. */
export type PktLine =
  | { readonly kind: 'data'; readonly payload: Buffer; readonly end: number }
  | { readonly kind: 'flush' | 'delim' | 'responseEnd'; readonly end: number };

const SPECIAL = ['flush', 'delim', 'responseEnd'] as const;

/** The packet that begins at `at`; undefined while it is not there whole. Throws MalformedMessage. */
export function readPktLine(bytes: Buffer, at: number): PktLine | undefined {
  if (bytes.length - at < LENGTH_BYTES) return undefined;
  const digits = bytes.toString('latin1', at, at + LENGTH_BYTES);
  if (!/^[\dA-Fa-f]{4}$/u.test(digits)) throw new MalformedMessage('no pkt-line: its length is not in hex');
  const length = Number.parseInt(digits, 16);
  const special = SPECIAL[length];
  if (special !== undefined) return { kind: special, end: at + LENGTH_BYTES };
  if (length < LENGTH_BYTES) throw new MalformedMessage('a pkt-line shorter than its own length');
  if (length > MAX_PKT_BYTES) throw new MalformedMessage(`a pkt-line of more than ${MAX_PKT_BYTES} bytes`);
  if (bytes.length - at < length) return undefined;
  return { kind: 'data', payload: bytes.subarray(at + LENGTH_BYTES, at + length), end: at + length };
}

/** One packet. Throws a plain Error for a payload that is too long: callers cut before. */
export function writePktLine(payload: Uint8Array | string): Buffer {
  const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
  const length = LENGTH_BYTES + bytes.length;
  if (length > MAX_PKT_BYTES) throw new Error('a payload too long for a pkt-line');
  return Buffer.concat([Buffer.from(length.toString(16).padStart(LENGTH_BYTES, '0')), bytes]);
}

export const FLUSH_PKT: Readonly<Uint8Array> = Buffer.from('0000');

/** Without the one line feed that git itself takes off the end of a line. */
export function withoutLineFeed(payload: Buffer): Buffer {
  return payload.at(-1) === LINE_FEED ? payload.subarray(0, -1) : payload;
}
