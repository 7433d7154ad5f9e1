/** Data types of SSH (RFC 4251 §5), read strictly: what is too long, cut short or followed by more is refused. */
import { SallyportError } from '../errors.ts';

/** Bytes that are not what SSH writes. The message names the field, never its content. */
export class SshMalformed extends SallyportError {
  readonly code = 'ssh-malformed';
}

const LENGTH_BYTES = 4;
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Reads one value after the other. Everything it returns is a copy or a number: the bytes may be reused. Each throws SshMalformed. */
export class SshReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes);
  }

  /** How many bytes were read so far. */
  get position(): number {
    return this.#at;
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  string(what: string, maxBytes: number): Buffer {
    const length = this.uint32(what);
    if (length > maxBytes) throw new SshMalformed(`${what} is too long`);
    return this.#take(length, what);
  }

  /** UTF-8 without NUL. */
  text(what: string, maxBytes: number): string {
    const bytes = this.string(what, maxBytes);
    try {
      if (bytes.includes(0)) throw new TypeError('NUL');
      return UTF8.decode(bytes);
    } catch (cause) {
      throw new SshMalformed(`${what} is no text`, { cause });
    }
  }

  /** A positive number, big-endian without leading zeros. */
  mpint(what: string, maxBytes: number): Buffer {
    const bytes = this.string(what, maxBytes + 1);
    const [first = 0, second = 0] = bytes;
    // A needless zero would give one key two spellings, and so two fingerprints.
    if (bytes.length === 0 || first >= 0x80 || (first === 0 && second < 0x80)) throw new SshMalformed(`${what} is no positive number`);
    return first === 0 ? bytes.subarray(1) : bytes;
  }

  byte(what: string): number {
    return this.#take(1, what).readUInt8(0);
  }

  uint32(what: string): number {
    return this.#take(LENGTH_BYTES, what).readUInt32BE(0);
  }

  uint64(what: string): bigint {
    return this.#take(2 * LENGTH_BYTES, what).readBigUInt64BE(0);
  }

  /** Nothing may follow. */
  end(what: string): void {
    if (!this.atEnd) throw new SshMalformed(`${what} goes on after its end`);
  }

  #take(bytes: number, what: string): Buffer {
    if (bytes > this.#bytes.length - this.#at) throw new SshMalformed(`${what} is cut short`);
    const taken = this.#bytes.subarray(this.#at, this.#at + bytes);
    this.#at += bytes;
    return taken;
  }
}

/** A `string` of RFC 4251. */
export function sshString(value: string | Uint8Array): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value, 'utf8') : value;
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32BE(bytes.length, 0);
  return Buffer.concat([length, bytes]);
}

/** A positive `mpint` of RFC 4251, from big-endian bytes that may have leading zeros. */
export function sshMpint(bytes: Uint8Array): Buffer {
  const first = bytes.findIndex((byte) => byte !== 0);
  const digits = first === -1 ? Buffer.alloc(0) : Buffer.from(bytes.subarray(first));
  // The highest bit is the sign.
  return sshString((digits[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.alloc(1), digits]) : digits);
}
