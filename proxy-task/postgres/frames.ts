import { MalformedMessage } from './messages/malformed-message.ts';

/** Type byte and length. */
export const HEADER_BYTES = 5;
const LENGTH_BYTES = 4;
const UNKNOWN_TYPE = -1;

/** Names of statements, formats and the like around a statement's own text. */
const STATEMENT_OVERHEAD_BYTES = 64 * 1024;
/** Sync, Describe, Close and kin hold a name at most. PostgreSQL takes 10,000 bytes; long portal names are legal. */
const CONTROL_BYTES = 64 * 1024;
/** One row or piece of COPY data is assembled in memory when cut, so it is far below PostgreSQL's own 1 GiB. */
const DATA_BYTES = 256 * 1024 * 1024;
/** Answers with one entry per column or parameter: 65,535 of them with names fit. */
const DESCRIPTION_BYTES = 16 * 1024 * 1024;
/** PostgreSQL's own limit (`PQ_LARGE_MESSAGE_LIMIT`, pqcomm.h): beyond it nothing is a message. */
const SKIPPED_BYTES = 0x3fffffff;
/** Messages with a text of the client: one that is too long is refused as a statement, and the session lives on. */
const SKIPPABLE: ReadonlySet<number> = new Set(Array.from('QPBF', (type) => type.charCodeAt(0)));
/** A first buffer for a cut frame: it grows with what arrives, never with what a length promises. */
const FIRST_ASSEMBLY_BYTES = 64 * 1024;

/** Largest body per type byte; -1: the type does not exist in this direction. 256 entries, shared by all sessions. */
export type FrameLimits = Int32Array;

/** What a client may send once it is logged in. `maxStatementBytes` bounds Query, Parse and Bind. */
export function clientFrameLimits(maxStatementBytes: number): FrameLimits {
  const statement = Math.min(maxStatementBytes + STATEMENT_OVERHEAD_BYTES, DATA_BYTES);
  return limits([
    ['QPBF', statement],
    ['DECHScfXp', CONTROL_BYTES],
    ['d', DATA_BYTES],
  ]);
}

/** What a target may send. */
export function upstreamFrameLimits(): FrameLimits {
  return limits([
    ['RKSZCI123nscv', CONTROL_BYTES],
    ['TtGHWENA', DESCRIPTION_BYTES],
    ['DdV', DATA_BYTES],
  ]);
}

/**
 * One frame. Its body stands at `start`..`end` of `buffer`, its type byte at `start - HEADER_BYTES`. The bytes are a
 * view that holds until the callback returns.
 */
export type OnFrame = (type: number, buffer: Buffer, start: number, end: number) => void;

/** A message of a statement that is longer than its limit has passed; nothing of its body was kept. */
export type OnTooLong = (type: number) => void;

/**
 * Cuts a byte stream into frames. A frame inside one chunk is passed as a view on it; only a cut one is copied. Lengths
 * are judged as soon as the header is there, before anything of the body is kept. After an error the splitter is dead.
 */
export class FrameSplitter {
  readonly #limits: FrameLimits;
  readonly #onFrame: OnFrame;
  readonly #onTooLong: OnTooLong | undefined;
  /** What is left of a message that is too long. */
  #skipLeft = 0;
  #skipType = 0;
  #assembly: Buffer | undefined;
  #assembled = 0;
  #paused = false;
  #kept: Buffer[] = [];
  #keptBytes = 0;
  #busy = false;
  #ownsChunk = false;
  #dead = false;

  /** Without `onTooLong` every message above its limit is malformed. */
  constructor(options: { readonly limits: FrameLimits; readonly onFrame: OnFrame; readonly onTooLong?: OnTooLong }) {
    this.#onTooLong = options.onTooLong;
    this.#limits = options.limits;
    this.#onFrame = options.onFrame;
  }

  /** Bytes held back: of a cut frame, and of frames not yet passed because of `pause`. */
  get heldBytes(): number {
    return this.#assembled + this.#keptBytes;
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** Takes `start`..`end` of `chunk`, which may be reused afterwards. Throws MalformedMessage, and what `onFrame` throws. */
  push(chunk: Buffer, start = 0, end = chunk.length): void {
    if (this.#paused || this.#busy) {
      this.#checkAlive();
      this.#keep(chunk, start, end);
    } else {
      this.#run(chunk, start, end);
    }
  }

  /** No further frame is passed after the present one; the sender must be paused too, since what it sends is kept. */
  pause(): void {
    this.#paused = true;
  }

  /** Passes what was kept, up to the next `pause`. Called inside `onFrame` it takes effect when that returns. */
  resume(): void {
    this.#paused = false;
    if (!this.#busy) this.#runKept();
  }

  #runKept(): void {
    while (!this.#paused && this.#keptBytes > 0) {
      const [only] = this.#kept;
      const kept = this.#kept.length === 1 && only !== undefined ? only : Buffer.concat(this.#kept);
      this.#kept = [];
      this.#keptBytes = 0;
      this.#ownsChunk = true;
      this.#split(kept, 0, kept.length);
      this.#ownsChunk = false;
    }
  }

  #run(chunk: Buffer, start: number, end: number): void {
    this.#split(chunk, start, end);
    if (this.#keptBytes > 0) this.#runKept();
  }

  #split(chunk: Buffer, start: number, end: number): void {
    this.#checkAlive();
    this.#busy = true;
    this.#dead = true;
    try {
      let at = this.#assembly === undefined ? this.#skip(start, end, 0) : this.#assemble(chunk, start, end);
      const table = this.#limits;
      const onFrame = this.#onFrame;
      while (at + HEADER_BYTES <= end && !this.#paused) {
        const type = chunk[at] ?? 0;
        const length = frameLength(table, chunk, at, this.#onTooLong !== undefined);
        if (length < 0) {
          this.#skipType = type;
          at = this.#skip(at, end, 1 - length);
          continue;
        }
        const next = at + 1 + length;
        if (next > end) break;
        onFrame(type, chunk, at + HEADER_BYTES, next);
        at = next;
      }
      if (at < end) {
        if (this.#paused) this.#keepFirst(chunk, at, end);
        else this.#begin(chunk, at, end);
      }
      this.#dead = false;
    } finally {
      this.#busy = false;
    }
  }

  /** Starts a cut frame with what there is of it. */
  #begin(chunk: Buffer, at: number, end: number): void {
    const bytes = end - at;
    const total = bytes < HEADER_BYTES ? HEADER_BYTES : 1 + frameLength(this.#limits, chunk, at, false);
    const assembly = Buffer.allocUnsafe(Math.min(total, Math.max(bytes, FIRST_ASSEMBLY_BYTES)));
    chunk.copy(assembly, 0, at, end);
    this.#assembly = assembly;
    this.#assembled = bytes;
  }

  /** Goes on with a cut frame, and passes it once it is whole; where the chunk goes on after it. */
  #assemble(chunk: Buffer, start: number, end: number): number {
    let at = this.#fill(chunk, start, end, HEADER_BYTES);
    if (this.#assembly === undefined || this.#assembled < HEADER_BYTES) return at;
    const length = frameLength(this.#limits, this.#assembly, 0, this.#onTooLong !== undefined);
    if (length < 0) {
      this.#skipType = this.#assembly[0] ?? 0;
      this.#assembly = undefined;
      this.#assembled = 0;
      return this.#skip(at, end, 1 - length - HEADER_BYTES);
    }
    const total = 1 + length;
    at = this.#fill(chunk, at, end, total);
    if (this.#assembled < total) return at;
    const frame = this.#assembly;
    this.#assembly = undefined;
    this.#assembled = 0;
    this.#onFrame(frame[0] ?? 0, frame, HEADER_BYTES, total);
    return at;
  }

  /** Steps over `bytes` more of a message that is too long, as far as they are here; where the chunk goes on. */
  #skip(start: number, end: number, bytes: number): number {
    this.#skipLeft += bytes;
    if (this.#skipLeft === 0) return start;
    const skipped = Math.min(this.#skipLeft, end - start);
    this.#skipLeft -= skipped;
    if (this.#skipLeft === 0) this.#onTooLong?.(this.#skipType);
    return start + skipped;
  }

  #fill(chunk: Buffer, start: number, end: number, total: number): number {
    const bytes = Math.min(end - start, total - this.#assembled);
    if (bytes <= 0 || this.#assembly === undefined) return start;
    const needed = this.#assembled + bytes;
    if (needed > this.#assembly.length) {
      const larger = Buffer.allocUnsafe(Math.min(total, Math.max(needed, this.#assembly.length * 2, FIRST_ASSEMBLY_BYTES)));
      this.#assembly.copy(larger, 0, 0, this.#assembled);
      this.#assembly = larger;
    }
    chunk.copy(this.#assembly, this.#assembled, start, start + bytes);
    this.#assembled = needed;
    return start + bytes;
  }

  #keep(chunk: Buffer, start: number, end: number): void {
    if (start >= end) return;
    this.#kept.push(Buffer.from(chunk.subarray(start, end)));
    this.#keptBytes += end - start;
  }

  /**
   * The rest of the chunk in hand comes before what was pushed while it was being split. It is copied once: a pause after
   * each of many small frames must not copy what follows again and again.
   */
  #keepFirst(chunk: Buffer, start: number, end: number): void {
    const rest = chunk.subarray(start, end);
    this.#kept.unshift(this.#ownsChunk ? rest : Buffer.from(rest));
    this.#keptBytes += end - start;
  }

  #checkAlive(): void {
    if (this.#dead && !this.#busy) throw new MalformedMessage('the stream broke off at an earlier message');
  }
}

/** The length field of the frame at `at`, once type and length are allowed; negative where the frame is to be skipped. */
function frameLength(table: FrameLimits, buffer: Buffer, at: number, skips: boolean): number {
  const type = buffer[at] ?? 0;
  const limit = table[type] ?? UNKNOWN_TYPE;
  const length = ((buffer[at + 1] ?? 0) << 24) | ((buffer[at + 2] ?? 0) << 16) | ((buffer[at + 3] ?? 0) << 8) | (buffer[at + 4] ?? 0);
  if (limit === UNKNOWN_TYPE) throw new MalformedMessage(`unknown message type 0x${type.toString(16).padStart(2, '0')}`);
  if (length < LENGTH_BYTES) throw new MalformedMessage('a message length below its own size');
  if (length - LENGTH_BYTES > limit && skips && length <= SKIPPED_BYTES && SKIPPABLE.has(type)) return -length;
  if (length - LENGTH_BYTES > limit) throw new MalformedMessage(`a message of ${length} bytes, above its limit`);
  return length;
}

function limits(entries: readonly (readonly [types: string, maxBodyBytes: number])[]): FrameLimits {
  const table = new Int32Array(256).fill(UNKNOWN_TYPE);
  for (const [types, maxBodyBytes] of entries) {
    for (const type of types) table[type.charCodeAt(0)] = maxBodyBytes;
  }
  return table;
}
