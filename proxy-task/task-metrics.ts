/** What a task tells CloudWatch of itself, each minute. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { JournalStore } from '../core/evidence/journal-store.ts';
import type { Clock } from './ports.ts';
import type { TaskLog } from './task-log.ts';

export type TaskMetricsOptions = {
  readonly instance: string;
  readonly log: TaskLog;
  readonly clock: Clock;
  readonly sessions: () => number;
  /** Milliseconds since shared state was read. */
  readonly pollAgeMs: () => number;
  /** Milliseconds that the oldest record has been on its way. */
  readonly recorderLagMs: () => number;
};

const TOLD_EVERY_MS = 60_000;
const LOOKED_EVERY_MS = 1_000;
const NANOSECONDS = 1e6;

export class TaskMetrics {
  readonly #options: TaskMetricsOptions;
  readonly #delay = monitorEventLoopDelay({ resolution: 20 });
  #timer: { cancel(): void };
  #refusals = 0;
  #pollAgeMs = 0;
  #recorderLagMs = 0;
  #looks = 0;

  constructor(options: TaskMetricsOptions) {
    this.#options = options;
    this.#delay.enable();
    this.#timer = this.#lookLater();
  }

  /** A client was not let in. */
  refused(): void {
    this.#refusals += 1;
  }

  stop(): void {
    this.#timer.cancel();
    this.#delay.disable();
  }

  #lookLater(): { cancel(): void } {
    return this.#options.clock.after(LOOKED_EVERY_MS, () => {
      this.#look();
      this.#timer = this.#lookLater();
    });
  }

  /** The worst second of a minute is what an alarm is about. */
  #look(): void {
    this.#pollAgeMs = Math.max(this.#pollAgeMs, this.#options.pollAgeMs());
    this.#recorderLagMs = Math.max(this.#recorderLagMs, this.#options.recorderLagMs());
    this.#looks += 1;
    if (this.#looks >= TOLD_EVERY_MS / LOOKED_EVERY_MS) this.#tell();
  }

  #tell(): void {
    const { instance, log, sessions } = this.#options;
    log.metrics(instance, [
      { name: 'Sessions', unit: 'Count', value: sessions() },
      { name: 'Refusals', unit: 'Count', value: this.#refusals },
      { name: 'Problems', unit: 'Count', value: log.takeProblems() },
      { name: 'PollAge', unit: 'Milliseconds', value: Math.round(this.#pollAgeMs) },
      { name: 'RecorderLag', unit: 'Milliseconds', value: Math.round(this.#recorderLagMs) },
      { name: 'EventLoopDelay', unit: 'Milliseconds', value: Math.round(this.#delay.percentile(99) / NANOSECONDS) },
    ]);
    this.#refusals = 0;
    this.#pollAgeMs = 0;
    this.#recorderLagMs = 0;
    this.#looks = 0;
    this.#delay.reset();
  }
}

/** A journal that knows how long its oldest commit has been on its way, attempts that failed included. */
export function timedJournal(journal: JournalStore, clock: Pick<Clock, 'monoUs'>): JournalStore & { lagMs(): number } {
  const since = new Map<number, number>();
  let worstMs = 0;
  return {
    put: async (commit) => {
      const { seq } = commit;
      const startUs = since.get(seq) ?? clock.monoUs();
      since.set(seq, startUs);
      const outcome = await journal.put(commit);
      since.delete(seq);
      worstMs = Math.max(worstMs, (clock.monoUs() - startUs) / 1_000);
      return outcome;
    },
    lagMs: () => {
      const [oldestUs] = since.values();
      const lagMs = Math.max(worstMs, oldestUs === undefined ? 0 : (clock.monoUs() - oldestUs) / 1_000);
      worstMs = 0;
      return lagMs;
    },
  };
}
