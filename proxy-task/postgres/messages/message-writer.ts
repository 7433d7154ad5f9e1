const FIRST_CAPACITY_BYTES = 128;
const LENGTH_BYTES = 4;

/** Builds typed messages one after another in one buffer; lengths are filled in by `end`. */
export class MessageWriter {
  #buffer = Buffer.allocUnsafe(FIRST_CAPACITY_BYTES);
  #length = 0;
  #lengthAt = -1;

  /** Opens a message; `type` is its letter, absent for startup packets, which have none. */
  begin(type?: string): this {
    if (this.#lengthAt >= 0) throw new Error('a message is still open');
    if (type !== undefined) this.byte(type.charCodeAt(0));
    this.#lengthAt = this.#length;
    return this.int32(0);
  }

  end(): this {
    if (this.#lengthAt < 0) throw new Error('no message is open');
    this.#buffer.writeInt32BE(this.#length - this.#lengthAt, this.#lengthAt);
    this.#lengthAt = -1;
    return this;
  }

  byte(value: number): this {
    const at = this.#grow(1);
    this.#buffer[at] = value;
    return this;
  }

  /** Signed numbers, and counts up to 65,535; more would be cut to another count, so it throws. */
  int16(value: number): this {
    if (value < -0x8000 || value > 0xffff) throw new Error(`${value} does not fit into 16 bits`);
    const at = this.#grow(2);
    this.#buffer.writeUInt16BE(value & 0xffff, at);
    return this;
  }

  int32(value: number): this {
    const at = this.#grow(LENGTH_BYTES);
    this.#buffer.writeInt32BE(value | 0, at);
    return this;
  }

  bytes(value: Uint8Array): this {
    const at = this.#grow(value.length);
    this.#buffer.set(value, at);
    return this;
  }

  /** A NUL-terminated string. A NUL inside would smuggle a second field: that is a bug of ours and throws. */
  text(value: string): this {
    if (value.includes('\0')) throw new Error('a protocol string cannot hold NUL');
    const bytes = Buffer.byteLength(value);
    const at = this.#grow(bytes + 1);
    this.#buffer.write(value, at, 'utf8');
    this.#buffer[at + bytes] = 0;
    return this;
  }

  /** The finished messages. The writer must not be used afterwards. */
  finish(): Buffer {
    if (this.#lengthAt >= 0) throw new Error('a message is still open');
    return this.#buffer.subarray(0, this.#length);
  }

  #grow(count: number): number {
    const at = this.#length;
    if (at + count > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, at + count));
      this.#buffer.copy(larger, 0, 0, at);
      this.#buffer = larger;
    }
    this.#length = at + count;
    return at;
  }
}

/** One whole message with a body of plain bytes. */
export function encodeMessage(type: string, body?: Uint8Array): Buffer {
  const writer = new MessageWriter().begin(type);
  if (body !== undefined) writer.bytes(body);
  return writer.end().finish();
}
