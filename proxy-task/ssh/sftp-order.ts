/**
 * In which order requests that name paths are run. Those that change nothing run side by side. One that changes something waits
 * for all before it, and all after it wait until it is answered: the host is asked what a path is on another way than the one
 * that changes it, and must see what came before.
 */
const MAX_RUNNING = 64;

export class RequestOrder<T extends { readonly changes: boolean }> {
  readonly #start: (request: T) => void;
  readonly #running = new Set<T>();
  #waiting: T[] = [];
  #first = 0;
  #changing = false;
  #pumping = false;

  constructor(start: (request: T) => void) {
    this.#start = start;
  }

  /** Requests that are not settled. */
  get size(): number {
    return this.#running.size + this.#waiting.length - this.#first;
  }

  add(request: T): void {
    this.#waiting.push(request);
    this.#pump();
  }

  settle(request: T): void {
    if (!this.#running.delete(request)) return;
    if (request.changes) this.#changing = false;
    this.#pump();
  }

  /** Whatever waits is forgotten. */
  clear(): void {
    this.#waiting = [];
    this.#first = 0;
  }

  #pump(): void {
    // A request that settles at once must not begin a second loop inside the first.
    if (this.#pumping) return;
    this.#pumping = true;
    for (;;) {
      const next = this.#waiting[this.#first];
      if (next === undefined || this.#changing || this.#running.size >= MAX_RUNNING || (next.changes && this.#running.size > 0)) break;
      this.#first += 1;
      if (this.#first === this.#waiting.length) this.clear();
      this.#running.add(next);
      this.#changing = next.changes;
      this.#start(next);
    }
    this.#pumping = false;
  }
}
