/** Fields of sftp packets (draft-ietf-secsh-filexfer-02 §4): read without leaving the packet, and written. */
import { isUtf8 } from 'node:buffer';
import { MalformedMessage } from './malformed-message.ts';

const LOW = 2 ** 32;

export class FieldReader {
  readonly #buffer: Buffer;
  readonly #end: number;
  #at: number;

  constructor(buffer: Buffer, start: number, end: number) {
    if (start < 0 || end < start || end > buffer.length) throw new Error('an sftp packet outside of its buffer');
    this.#buffer = buffer;
    this.#at = start;
    this.#end = end;
  }

  /** Offset of the next unread byte in the buffer. */
  get at(): number {
    return this.#at;
  }

  uint32(): number {
    return this.#buffer.readUInt32BE(this.#advance(4));
  }

  /** Offsets and sizes. No file has more bytes than a number holds exactly. */
  uint64(): number {
    const at = this.#advance(8);
    const value = this.#buffer.readUInt32BE(at) * LOW + this.#buffer.readUInt32BE(at + 4);
    if (!Number.isSafeInteger(value)) throw new MalformedMessage('a number of an sftp packet that no file has');
    return value;
  }

  /** Steps over a string; its bytes are a view. */
  bytes(maxBytes: number): Buffer {
    const length = this.uint32();
    if (length > maxBytes) throw new MalformedMessage(`a string of ${length} bytes in an sftp packet`);
    const from = this.#advance(length);
    return this.#buffer.subarray(from, from + length);
  }

  /** Text that can be judged: UTF-8 without NUL, not too long; undefined where it is not that. */
  text(maxBytes: number): string | undefined {
    const from = this.#advance(this.uint32());
    const bytes = this.#buffer.subarray(from, this.#at);
    if (bytes.length > maxBytes || bytes.includes(0) || !isUtf8(bytes)) return undefined;
    return bytes.toString('utf8');
  }

  skip(count: number): void {
    this.#advance(count);
  }

  /** Throws MalformedMessage where bytes are left over. */
  finish(): void {
    if (this.#at !== this.#end) throw new MalformedMessage(`${this.#end - this.#at} bytes too many in an sftp packet`);
  }

  /** Whether all was read. */
  get atEnd(): boolean {
    return this.#at === this.#end;
  }

  #advance(count: number): number {
    if (count > this.#end - this.#at) throw new MalformedMessage('an sftp packet that is too short');
    const from = this.#at;
    this.#at += count;
    return from;
  }
}

/** One field of a packet that is written. */
export type Field = { readonly bytes: number; write(buffer: Buffer, at: number): void };

export function uint32(value: number): Field {
  return { bytes: 4, write: (buffer, at) => buffer.writeUInt32BE(value, at) };
}

export function uint64(value: number): Field {
  return {
    bytes: 8,
    write: (buffer, at) => buffer.writeUInt32BE(value % LOW, buffer.writeUInt32BE(Math.floor(value / LOW), at)),
  };
}

export function string(value: string | Buffer): Field {
  const bytes = typeof value === 'string' ? Buffer.from(value, 'utf8') : value;
  return { bytes: 4 + bytes.length, write: (buffer, at) => bytes.copy(buffer, buffer.writeUInt32BE(bytes.length, at)) };
}

/** A whole packet: length, type and fields. */
export function encodePacket(type: number, ...fields: readonly Field[]): Buffer {
  const body = fields.reduce((sum, field) => sum + field.bytes, 1);
  const buffer = Buffer.allocUnsafe(4 + body);
  let at = buffer.writeUInt8(type, buffer.writeUInt32BE(body, 0));
  for (const field of fields) {
    field.write(buffer, at);
    at += field.bytes;
  }
  return buffer;
}
