import { isUtf8 } from 'node:buffer';
import { MalformedMessage, WrongEncoding } from './malformed-message.ts';

/**
 * Walks one message body from `start` to `end` without leaving it. Every step that would leave it throws
 * MalformedMessage, and `finish` throws where bytes are left over, as `pq_getmsgend` does.
 */
export class MessageReader {
  readonly #buffer: Buffer;
  readonly #end: number;
  readonly #message: string;
  #at: number;

  /** `message` names the message in errors. */
  constructor(message: string, buffer: Buffer, start: number, end: number) {
    if (start < 0 || end < start || end > buffer.length) throw new Error(`body of ${message} outside of its buffer`);
    this.#message = message;
    this.#buffer = buffer;
    this.#at = start;
    this.#end = end;
  }

  /** Offset of the next unread byte in the buffer. */
  get at(): number {
    return this.#at;
  }

  get remaining(): number {
    return this.#end - this.#at;
  }

  byte(): number {
    return this.#buffer.readUInt8(this.#advance(1));
  }

  int16(): number {
    return this.#buffer.readInt16BE(this.#advance(2));
  }

  /** Counts are unsigned in PostgreSQL (65,535 parameters). */
  uint16(): number {
    return this.#buffer.readUInt16BE(this.#advance(2));
  }

  int32(): number {
    return this.#buffer.readInt32BE(this.#advance(4));
  }

  /** Object identifiers and versions. */
  uint32(): number {
    return this.#buffer.readUInt32BE(this.#advance(4));
  }

  /** Steps over `count` bytes; the offset of the first. */
  skip(count: number): number {
    return this.#advance(count);
  }

  /** A view, not a copy. */
  bytes(count: number): Buffer {
    const from = this.#advance(count);
    return this.#buffer.subarray(from, from + count);
  }

  /** Steps over a NUL-terminated string; the offset of its first byte. The terminator is at `at - 1` afterwards. */
  skipText(): number {
    const from = this.#at;
    const nul = this.#buffer.indexOf(0, from);
    if (nul < 0 || nul >= this.#end) this.#fail('a string without its end');
    this.#at = nul + 1;
    return from;
  }

  /** A NUL-terminated string. Throws WrongEncoding where it is no UTF-8. */
  text(): string {
    const from = this.skipText();
    return decodeText(this.#message, this.#buffer, from, this.#at - 1);
  }

  finish(): void {
    if (this.#at !== this.#end) this.#fail(`${this.remaining} bytes too many`);
  }

  #advance(count: number): number {
    if (count < 0) this.#fail('a negative length');
    if (count > this.#end - this.#at) this.#fail('it is too short');
    const from = this.#at;
    this.#at += count;
    return from;
  }

  #fail(what: string): never {
    throw new MalformedMessage(`malformed ${this.#message} message: ${what}`);
  }
}

/** Strict UTF-8: a lossy decoder would make different texts equal. Throws WrongEncoding. */
export function decodeText(message: string, buffer: Buffer, start: number, end: number): string {
  const text = buffer.toString('utf8', start, end);
  // The replacement character is the only trace of an invalid byte, and may also have been sent as itself.
  if (text.includes('\uFFFD') && !isUtf8(buffer.subarray(start, end))) {
    throw new WrongEncoding(`${message} message holds text that is not UTF-8`);
  }
  return text;
}
