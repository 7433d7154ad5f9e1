/** Refused connections on record: the first of them one by one, then their number, so that a flood of strangers fills no evidence. */
import type { Clock } from '../ports.ts';

export type RefusedConnection = {
  readonly source: string;
  readonly label: string;
  readonly target: string;
  readonly reason: string;
  /** Where it has proved who it is. */
  readonly principal?: string;
};

const WINDOW_MS = 60_000;
/** One by one within that time: of one source, which may be a person who mistypes, and of all. */
const SINGLY_PER_SOURCE = 32;
const SINGLY = 512;
/** Sources whose refusals are counted apart; those of others are one number. */
const MAX_SOURCES = 256;
const OTHERS = 'others';

export class RefusalLimit {
  readonly #record: (refused: RefusedConnection) => void;
  readonly #clock: Pick<Clock, 'after'>;
  readonly #sources = new Map<string, { singly: number; more: number }>();
  #singly = 0;
  #timer: { cancel(): void } | undefined;

  constructor(record: (refused: RefusedConnection) => void, clock: Pick<Clock, 'after'>) {
    this.#record = record;
    this.#clock = clock;
  }

  add(refused: RefusedConnection): void {
    this.#timer ??= this.#clock.after(WINDOW_MS, () => this.flush());
    const counted = this.#of(refused.source);
    if (counted.singly < SINGLY_PER_SOURCE && this.#singly < SINGLY) {
      counted.singly += 1;
      this.#singly += 1;
      this.#record(refused);
    } else counted.more += 1;
  }

  /** Tells the numbers now, and begins anew. */
  flush(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#singly = 0;
    for (const [source, { more }] of this.#sources)
      if (more > 0) this.#record({ source, label: '', target: '', reason: `${more} more connections were refused within a minute` });
    this.#sources.clear();
  }

  #of(source: string): { singly: number; more: number } {
    const known = this.#sources.get(source);
    if (known !== undefined) return known;
    if (this.#sources.size >= MAX_SOURCES && source !== OTHERS) return this.#of(OTHERS);
    const counted = { singly: 0, more: 0 };
    this.#sources.set(source, counted);
    return counted;
  }
}
