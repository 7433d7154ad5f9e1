/**
 * A bounded map that keeps what was asked for lately, in two generations: when the young one is full it becomes the old
 * one, and what is asked for again moves back. Unlike a strict order of use it needs no deletions, which are what makes a
 * hit slow. Values must be recomputable.
 */
export class Recent<V> {
  readonly #perGeneration: number;
  #young = new Map<string, V>();
  #old = new Map<string, V>();

  /** Keeps at least the last `capacity / 2` and at most the last `capacity` distinct keys. */
  constructor(capacity: number) {
    this.#perGeneration = Math.ceil(capacity / 2);
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  /** The value for a key, computed and kept when it is not there. */
  get(key: string, compute: () => V): V {
    const young = this.#young.get(key);
    if (young !== undefined) return young;
    const value = this.#old.get(key) ?? compute();
    if (this.#young.size >= this.#perGeneration) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, value);
    return value;
  }
}
