/**
 * What is on its way to one end of a channel: recorded, waiting for the recorder, or for the peer's window. Whoever feeds it stops
 * while there is too much.
 */
import type { RelayTurn } from './relay-turn.ts';
import type { RelayWriter } from './relay-writer.ts';

/** Enough to keep a fast peer busy while a journal answers; the transport holds two megabytes of a window besides. */
const HIGH_BYTES = 1024 * 1024;
const LOW_BYTES = 256 * 1024;

export class RelayFlow {
  readonly #turn: RelayTurn;
  readonly #writer: RelayWriter;
  readonly #changed: () => void;
  #pending = 0;
  #full = false;

  /** `changed` is called whenever `isFull` is another. */
  constructor(turn: RelayTurn, writer: RelayWriter, changed: () => void) {
    this.#turn = turn;
    this.#writer = writer;
    this.#changed = changed;
  }

  get isFull(): boolean {
    return this.#full;
  }

  /** Sends the bytes after everything that is appended to the recording so far. */
  send(bytes: Buffer, stream: 'stdout' | 'stderr' = 'stdout'): void {
    if (bytes.length === 0) return;
    this.#pending += bytes.length;
    this.#turn.after(() => this.#writer.write(bytes, stream, () => this.#sent(bytes.length)));
    if (this.#full || this.#pending <= HIGH_BYTES) return;
    this.#full = true;
    this.#changed();
  }

  /** Ends the data behind all of it. */
  end(ended: () => void): void {
    this.#turn.after(() => this.#writer.end(ended));
  }

  #sent(bytes: number): void {
    this.#pending -= bytes;
    if (!this.#full || this.#pending > LOW_BYTES) return;
    this.#full = false;
    this.#changed();
  }
}
