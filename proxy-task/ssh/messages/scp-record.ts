/** Records of the protocol that `scp -t` and `scp -f` speak (OpenSSH's scp.c): one line each, answered by one byte or a line. */
import { isUtf8 } from 'node:buffer';
import { MalformedMessage } from './malformed-message.ts';

/** OpenSSH reads 2,048 bytes. */
export const MAX_LINE_BYTES = 4_096;
/** NAME_MAX of Linux. */
const MAX_NAME_BYTES = 255;

export const OK = 0;
export const WARNING = 1;
export const FATAL = 2;

export type ScpRecord =
  | { readonly kind: 'file'; readonly mode: number; readonly bytes: number; readonly name: string }
  | { readonly kind: 'folder'; readonly mode: number; readonly name: string }
  | { readonly kind: 'end' }
  | { readonly kind: 'times' };

/** A line without its line feed. A name that leads anywhere but into the folder at hand is malformed. Throws MalformedMessage. */
export function decodeRecord(line: Buffer): ScpRecord {
  if (!isUtf8(line)) throw new MalformedMessage('a record of scp that is not UTF-8');
  const text = line.toString('utf8');
  if (text === 'E') return { kind: 'end' };
  if (/^T\d{1,20} \d{1,6} \d{1,20} \d{1,6}$/u.test(text)) return { kind: 'times' };
  const match = /^([CD])([0-7]{4}) (\d{1,15}) (.+)$/su.exec(text);
  if (match === null) throw new MalformedMessage('a record that scp does not have');
  const [, kind, mode = '', bytes, name = ''] = match;
  if (!isPlainName(name)) throw new MalformedMessage('a name that scp may not send');
  const bits = Number.parseInt(mode, 8);
  return kind === 'C' ? { kind: 'file', mode: bits, bytes: Number(bytes), name } : { kind: 'folder', mode: bits, name };
}

/** One line of a message, which a terminal shows, as scp sends it. */
export function encodeMessage(code: typeof WARNING | typeof FATAL, text: string): Buffer {
  return Buffer.concat([Buffer.from([code]), Buffer.from(`${text}\n`)]);
}

function isPlainName(name: string): boolean {
  return name !== '.' && name !== '..' && !/[/\p{Cc}]/u.test(name) && Buffer.byteLength(name) <= MAX_NAME_BYTES;
}
