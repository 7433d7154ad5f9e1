/** Reads batches out of the bytes of a segment or spine, fed in chunks of any size. Content is hashed as it passes. */
import { createHash, hash as sha256 } from 'node:crypto';
import type { Hash } from 'node:crypto';
import { type BatchHead, type FoundBatch, MAX_LINE_BYTES, parseBatchLine } from './batch.ts';

const LINE_FEED = 0x0a;
/** What a torn segment says behind a line whose content is kept: that it follows, or that it is lost. */
const CONTENT_FOLLOWS = 0x2b;
const CONTENT_LOST = 0x2d;

export type BatchSink = {
  batch(batch: FoundBatch): void;
  /** Pieces of the content of the batch that comes next; valid during the call only. */
  content?(piece: Buffer): void;
};

/**
 * After `unreadable` is set nothing more is read: lengths stand in the lines, so behind a broken line nothing can be
 * found again. What does not end in a whole batch is the tail: from `endByte` to the end of the file.
 */
export class BatchReader {
  private readonly sink: BatchSink;
  private readonly torn: boolean;
  private readonly held: Buffer[] = [];
  private heldBytes = 0;
  private head: { readonly parsed: BatchHead; readonly hash: string; readonly lineBytes: number } | undefined;
  private contentHash: Hash | undefined;
  private contentLeft = 0;
  /** What was read of the line between a line and its content, in a torn segment. */
  private mark = '';
  private markRead = true;
  private end = 0;
  private failure: string | undefined;

  /** With `torn` the bytes are those of a torn segment (`tornSegmentPath`). */
  constructor(sink: BatchSink, { torn = false }: { readonly torn?: boolean } = {}) {
    this.sink = sink;
    this.torn = torn;
  }

  /** Where the last whole batch ends. */
  get endByte(): number {
    return this.end;
  }

  /** Why no batch starts at `endByte`, where one should. */
  get unreadable(): string | undefined {
    return this.failure;
  }

  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length && this.failure === undefined) {
      if (this.head === undefined) at = this.takeLine(chunk, at);
      else at = this.markRead ? this.takeContent(this.head, chunk, at) : this.takeMark(this.head, chunk, at);
    }
  }

  private takeLine(chunk: Buffer, from: number): number {
    const found = chunk.indexOf(LINE_FEED, from);
    const to = found < 0 ? chunk.length : found;
    if (this.heldBytes + to - from > MAX_LINE_BYTES) {
      this.failure = `a line is longer than ${MAX_LINE_BYTES} bytes`;
      return chunk.length;
    }
    if (found < 0) {
      this.held.push(Buffer.from(chunk.subarray(from)));
      this.heldBytes += to - from;
      return chunk.length;
    }
    const line = this.heldBytes === 0 ? chunk.subarray(from, to) : Buffer.concat([...this.held, chunk.subarray(from, to)]);
    this.held.length = 0;
    this.heldBytes = 0;
    const parsed = parseBatchLine(line.toString('utf8'));
    if (parsed === undefined) {
      this.failure = 'the line is not that of a batch';
      return chunk.length;
    }
    const head = { parsed, hash: sha256('sha256', line, 'hex'), lineBytes: line.length + 1 };
    if (parsed.content?.kept !== true) this.settle(head, 'none');
    else {
      this.head = head;
      this.markRead = !this.torn;
      this.contentLeft = parsed.content.bytes;
      this.contentHash = createHash('sha256');
    }
    return to + 1;
  }

  private takeMark(head: NonNullable<typeof this.head>, chunk: Buffer, from: number): number {
    const byte = chunk[from];
    if (this.mark === '' && byte === CONTENT_FOLLOWS) this.mark = '+';
    else if (this.mark === '' && byte === CONTENT_LOST) this.mark = '-';
    else if (this.mark === '' || byte !== LINE_FEED) this.failure = 'the line does not say whether its content follows';
    else {
      this.markRead = true;
      if (this.mark === '-') {
        this.head = undefined;
        this.settle(head, 'lost');
      }
      this.mark = '';
    }
    return from + 1;
  }

  private takeContent(head: NonNullable<typeof this.head>, chunk: Buffer, from: number): number {
    if (this.contentLeft > 0) {
      const piece = chunk.subarray(from, from + this.contentLeft);
      this.contentHash?.update(piece);
      this.sink.content?.(piece);
      this.contentLeft -= piece.length;
      return from + piece.length;
    }
    if (chunk[from] !== LINE_FEED) {
      this.failure = 'the content does not end where its line says';
      return chunk.length;
    }
    const intact = this.contentHash?.digest('hex') === head.parsed.content?.sha256;
    this.head = undefined;
    this.settle(head, intact ? 'intact' : 'changed');
    return from + 1;
  }

  private settle({ parsed, hash, lineBytes }: NonNullable<typeof this.head>, content: 'none' | 'intact' | 'changed' | 'lost'): void {
    const { owner, batch, prev, events } = parsed;
    const contentBytes = parsed.content?.bytes ?? 0;
    const contentKept = content === 'intact' || content === 'changed';
    const markBytes = this.torn && content !== 'none' ? 2 : 0;
    const atByte = this.end;
    const endByte = atByte + lineBytes + markBytes + (contentKept ? contentBytes + 1 : 0);
    this.end = endByte;
    this.sink.batch({
      owner,
      batch,
      prev,
      hash,
      atByte,
      endByte,
      events,
      contentBytes,
      contentKept,
      contentLost: content === 'lost',
      contentIntact: content !== 'changed',
    });
  }
}
