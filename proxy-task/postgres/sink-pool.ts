import { ByteSink } from '../../core/masking/byte-sink.ts';

/** Room for one read of a target and for masks that are longer than what they stand for. */
const SINK_BYTES = 264 * 1024;
/** One that a long row has made larger goes back to the system. */
const MAX_KEPT_BYTES = 2 * SINK_BYTES;
/** As many chunks as usually wait for slow clients at once; more are made and dropped. */
const MAX_KEPT = 16;

/**
 * Memory for bytes on their way to clients, shared by all sessions: a fresh buffer per chunk costs more in page faults than
 * the masking that fills it.
 */
export class SinkPool {
  readonly #free: ByteSink[] = [];

  /** An empty sink. It is the caller's until `put`. */
  take(): ByteSink {
    return this.#free.pop() ?? new ByteSink(SINK_BYTES);
  }

  /** Nothing may read the sink's bytes any longer. */
  put(sink: ByteSink): void {
    if (this.#free.length >= MAX_KEPT || sink.bytes.length > MAX_KEPT_BYTES) return;
    sink.reset();
    this.#free.push(sink);
  }
}
