/**
 * What one turn of the event loop brought for all channels of a session: recorded together, then sent. Nothing leaves before what
 * was recorded until then is written (design §9).
 */
import type { Durability, SessionRecorder } from '../../core/evidence/recorder.ts';
import type { SessionEvent } from '../../core/evidence/event.ts';

type DataRun = { readonly channel: number; readonly stream: 'input' | 'stdout' | 'stderr'; bytes: number; detected: number };

export class RelayTurn {
  readonly #recorder: SessionRecorder;
  readonly #failed: () => void;
  readonly #broken: (error: unknown) => void;
  #then: (() => void)[] = [];
  #durability: Durability = 'written';
  #scheduled = false;
  #data: DataRun | undefined;
  #closed = false;

  /** `failed`: nothing can be recorded any more, so nothing may leave. `broken`: an error of our own in what was to happen. */
  constructor(recorder: SessionRecorder, failed: () => void, broken: (error: unknown) => void) {
    this.#recorder = recorder;
    this.#failed = failed;
    this.#broken = broken;
  }

  /** Its number; 0 once the recording has ended. */
  append(event: SessionEvent): number {
    if (this.#closed) return 0;
    this.#endData();
    return this.#recorder.append(event);
  }

  /** Bytes that a channel carried, as they are to be read later. Small pieces of one stream are one event. */
  data(channel: number, stream: DataRun['stream'], bytes: Buffer, detected: number): void {
    if (this.#closed || (bytes.length === 0 && detected === 0)) return;
    const run = this.#data;
    if (run === undefined || run.channel !== channel || run.stream !== stream) {
      this.#endData();
      this.#data = { channel, stream, bytes: bytes.length, detected };
    } else {
      run.bytes += bytes.length;
      run.detected += detected;
    }
    this.#recorder.appendContent(bytes, 0, bytes.length);
  }

  /** Calls back when everything appended so far is recorded; in order, and never if it cannot be. */
  after(then: () => void, durability: Durability = 'written'): void {
    if (this.#closed) return;
    this.#then.push(then);
    if (durability === 'durable') this.#durability = durability;
    if (this.#scheduled) return;
    this.#scheduled = true;
    process.nextTick(() => this.flush());
  }

  /** Whether nothing was to happen after it in this turn, and it has not happened yet. */
  isLast(then: () => void): boolean {
    return this.#then.at(-1) === then;
  }

  /** Now, without waiting for the rest of the turn. */
  flush(): void {
    this.#scheduled = false;
    if (this.#closed) return;
    const then = this.#then;
    const durability = this.#durability;
    this.#then = [];
    this.#durability = 'written';
    this.#endData();
    if (then.length === 0) return;
    this.#recorder.flush(durability, (error) => {
      if (error === undefined) for (const run of then) this.#guard(run);
      else this.#failed();
    });
  }

  /** What goes wrong for one session must not end the others. */
  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#broken(error);
    }
  }

  /** Ends the events; what was to be sent is not. */
  close(): void {
    this.#endData();
    this.#closed = true;
    this.#then = [];
  }

  #endData(): void {
    const run = this.#data;
    if (run === undefined) return;
    this.#data = undefined;
    this.#recorder.append({ type: 'channel.data', ...run });
  }
}
