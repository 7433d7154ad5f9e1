/** How much recorded content is in no segment yet: a bound on what a slow bucket can make this process hold. */

/** What one session and all sessions may hold before their flushes wait. */
export type MemoryLimits = { readonly sessionBytes: number; readonly processBytes: number };

/**
 * A session's segment is put at 4 MiB, so that much more can gather while one is on its way without a pause; a task with 2 GB
 * has room for the rest, and for the copy of a segment that is being sent.
 */
export const MEMORY_LIMITS: MemoryLimits = { sessionBytes: 16 * 1024 * 1024, processBytes: 256 * 1024 * 1024 };

/** Shared by the sessions of one recorder. */
export class UnsealedMemory {
  readonly limits: MemoryLimits;
  private bytes = 0;
  private readonly waiting = new Set<() => void>();

  constructor(limits: MemoryLimits) {
    this.limits = limits;
  }

  get total(): number {
    return this.bytes;
  }

  get isFull(): boolean {
    return this.bytes > this.limits.processBytes;
  }

  /** Half of what there may be: from here on sessions put their segments before they are large. */
  get isCrowded(): boolean {
    return this.bytes > this.limits.processBytes / 2;
  }

  hold(bytes: number): void {
    this.bytes += bytes;
  }

  free(bytes: number): void {
    const wasFull = this.isFull;
    this.bytes -= bytes;
    if (!wasFull || this.isFull) return;
    const told = [...this.waiting];
    this.waiting.clear();
    for (const tell of told) tell();
  }

  /** Calls back once there is room. */
  whenFree(tell: () => void): void {
    this.waiting.add(tell);
  }
}
