/** A map that forgets what was not asked for longest. Values must be recomputable. */
export class Lru<V> {
  readonly #capacity: number;
  readonly #entries = new Map<string, V>();

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The value for a key, computed and kept when it is not there. */
  get(key: string, compute: () => V): V {
    const known = this.#entries.get(key);
    if (known !== undefined) {
      // Moving to the end costs more than the look-up: entries among a full map only.
      if (this.#entries.size >= this.#capacity) {
        this.#entries.delete(key);
        this.#entries.set(key, known);
      }
      return known;
    }
    const value = compute();
    if (this.#entries.size >= this.#capacity) {
      for (const oldest of this.#entries.keys()) {
        this.#entries.delete(oldest);
        break;
      }
    }
    this.#entries.set(key, value);
    return value;
  }
}
