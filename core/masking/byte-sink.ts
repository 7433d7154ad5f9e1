/** A growable output buffer that is reused from chunk to chunk: its bytes are valid until the next `reset`. */
const INITIAL_BYTES = 128 * 1024;
/** Spans below this are copied word by word: creating a view for `set` costs more than moving them. */
const SHORT_SPAN_BYTES = 192;
/** Word-wise copies may write up to three bytes past their end; `reserve` always leaves room for them. */
const SLACK_BYTES = 8;

export class ByteSink {
  /** Only `[0, length)` is content. */
  bytes: Buffer;
  length = 0;
  private view: DataView;

  constructor(initialBytes: number = INITIAL_BYTES) {
    this.bytes = Buffer.allocUnsafeSlow(initialBytes + SLACK_BYTES);
    this.view = new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength);
  }

  reset(): void {
    this.length = 0;
  }

  /** The content as a view: valid until the next write. */
  content(): Buffer {
    return this.bytes.subarray(0, this.length);
  }

  /** Makes room for `extra` more bytes; the writers below other than `append` rely on it. */
  reserve(extra: number): void {
    if (this.length + extra + SLACK_BYTES > this.bytes.length) this.grow(extra);
  }

  /** Copies `source[start, end)`; room must be reserved. `from` must be a view of all of `source`. */
  copySpan(source: Buffer, from: DataView, start: number, end: number): void {
    const bytes = end - start;
    if (bytes > SHORT_SPAN_BYTES || end + SLACK_BYTES > from.byteLength) {
      this.bytes.set(source.subarray(start, end), this.length);
    } else {
      const to = this.view;
      for (let at = this.length, p = start; p < end; p += 4, at += 4) to.setInt32(at, from.getInt32(p, true), true);
    }
    this.length += bytes;
  }

  /** Appends `source[start, end)`, growing as needed. */
  append(source: Uint8Array, start: number = 0, end: number = source.length): void {
    const bytes = end - start;
    this.reserve(bytes);
    if (bytes > 24) this.bytes.set(source.subarray(start, end), this.length);
    else for (let i = 0; i < bytes; i++) this.bytes[this.length + i] = source[start + i] ?? 0;
    this.length += bytes;
  }

  appendByte(byte: number): void {
    this.reserve(1);
    this.bytes[this.length++] = byte;
  }

  appendInt32(value: number): void {
    this.reserve(4);
    this.view.setInt32(this.length, value);
    this.length += 4;
  }

  /** Overwrites four bytes of content: lengths that are known only afterwards. */
  patchInt32(at: number, value: number): void {
    this.view.setInt32(at, value);
  }

  private grow(extra: number): void {
    const bytes = Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, this.length + extra + SLACK_BYTES));
    bytes.set(this.bytes.subarray(0, this.length));
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
}
