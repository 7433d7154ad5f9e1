/** Packets on their way out: those that pass as they are leave in one piece with their neighbours of the same chunk. */
export class PacketRun {
  readonly #send: (bytes: Buffer) => void;
  #buffer: Buffer | undefined;
  #start = 0;
  #end = 0;

  constructor(send: (bytes: Buffer) => void) {
    this.#send = send;
  }

  /** `start`..`end` of the buffer, which nobody writes into from now on. */
  pass(buffer: Buffer, start: number, end: number): void {
    if (this.#buffer === buffer && this.#end === start) {
      this.#end = end;
      return;
    }
    this.flush();
    this.#buffer = buffer;
    this.#start = start;
    this.#end = end;
  }

  flush(): void {
    const buffer = this.#buffer;
    if (buffer === undefined) return;
    this.#buffer = undefined;
    this.#send(this.#start === 0 && this.#end === buffer.length ? buffer : buffer.subarray(this.#start, this.#end));
  }
}
