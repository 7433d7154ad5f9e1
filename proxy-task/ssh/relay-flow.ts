/**
 * What is on its way to one end of a channel: recorded, waiting for the recorder, or for the peer's window. Whoever feeds it stops
 * while there is too much.
 */
import type { RelayTurn } from './relay-turn.ts';
import type { RelayWriter } from './relay-writer.ts';
import { BLOCK_BYTES, giveBlock, takeBlock } from './transport/memory.ts';

/** Enough to keep a fast peer busy while a journal answers; the transport holds two megabytes of a window besides. */
const HIGH_BYTES = 1024 * 1024;
const LOW_BYTES = 256 * 1024;

type Stream = 'stdout' | 'stderr';
/** `unsent` of its bytes are on their way; the rest of the first `used` is gone. */
type Block = { readonly memory: Buffer; used: number; unsent: number };
/** Bytes in a row of one block that leave together. */
type Piece = { readonly block: Block; readonly stream: Stream; readonly start: number; end: number; readonly leave: () => void };

export class RelayFlow {
  readonly #turn: RelayTurn;
  readonly #writer: RelayWriter;
  readonly #changed: () => void;
  #pending = 0;
  #full = false;
  #block: Block | undefined;
  #last: Piece | undefined;

  /** `changed` is called whenever `isFull` is another. */
  constructor(turn: RelayTurn, writer: RelayWriter, changed: () => void) {
    this.#turn = turn;
    this.#writer = writer;
    this.#changed = changed;
  }

  get isFull(): boolean {
    return this.#full;
  }

  /** Sends a copy of the bytes after everything that is appended to the recording so far. */
  send(bytes: Buffer, stream: Stream = 'stdout'): void {
    for (let at = 0; at < bytes.length;) at += this.#keep(bytes, at, stream);
    this.#pending += bytes.length;
    if (this.#full || this.#pending <= HIGH_BYTES) return;
    this.#full = true;
    this.#changed();
  }

  /** Ends the data behind all of it. */
  end(ended: () => void): void {
    this.#turn.after(() => this.#writer.end(ended));
  }

  /** How many of them found room. */
  #keep(bytes: Buffer, at: number, stream: Stream): number {
    if (this.#block === undefined || this.#block.used === BLOCK_BYTES) this.#block = { memory: takeBlock(), used: 0, unsent: 0 };
    const block = this.#block;
    const start = block.used;
    const taken = bytes.copy(block.memory, start, at, at + BLOCK_BYTES - start);
    block.used += taken;
    block.unsent += taken;
    const last = this.#last;
    // Nothing else was to happen in between: one write does for both.
    if (last !== undefined && last.block === block && last.stream === stream && this.#turn.isLast(last.leave)) last.end = block.used;
    else this.#begin(block, start, stream);
    return taken;
  }

  #begin(block: Block, start: number, stream: Stream): void {
    const piece: Piece = {
      block,
      stream,
      start,
      end: block.used,
      leave: () => this.#writer.write(block.memory.subarray(piece.start, piece.end), stream, () => this.#sent(piece)),
    };
    this.#last = piece;
    this.#turn.after(piece.leave);
  }

  #sent({ block, start, end }: Piece): void {
    block.unsent -= end - start;
    if (block.unsent === 0) {
      if (this.#block === block) this.#block = undefined;
      giveBlock(block.memory);
    }
    this.#pending -= end - start;
    if (!this.#full || this.#pending > LOW_BYTES) return;
    this.#full = false;
    this.#changed();
  }
}
